"""What the annotations of a written EDF file say: stimuli by name, the rest as XML notes in the reader's words.

A field that plain EDF+ has no room for is one element here, and one row in ``_xml_notes``.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple
from xml.sax.saxutils import escape, quoteattr

import numpy as np

from ncs.io._stimulus_notes import is_stimulus, read_note

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ncs.model import Study, Trace

__all__ = ["Written", "describe_sweep", "encode_annotations", "has_time", "stimulus_labels", "study_note"]

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")


class Written(NamedTuple):
    """What the header of a file says of its channel."""

    channel: str
    prefilter: str


def stimulus_labels(study: Study) -> list[str]:
    """Return a stimulus text for each trace, each different; the trace's own where it says nothing wrong."""
    labels: list[str] = []
    for number, trace in enumerate(study.traces):
        own = trace.stimulus.label
        if own and is_stimulus(own) and own not in labels and _agrees(own, study, trace):
            labels.append(own)
            continue
        site = re.sub(r"[^A-Za-z]+", "_", trace.stimulation_site or "").strip("_")
        label = f"Stimulus_{site}" if site else f"Stim{_letters(number)}"
        labels.append(label if label not in labels else f"{label}_{number + 1}")
    return labels


def _letters(number: int) -> str:
    return (_letters(number // 26 - 1) if number >= 26 else "") + chr(ord("A") + number % 26)


def _agrees(label: str, study: Study, trace: Trace) -> bool:
    if _CONTROL.search(label) or label != label.strip():
        return False
    said = read_note(label)
    intensities = {} if said.intensity_ma is None else {said.intensity_ma}
    stated = trace.stimulus.intensity_ma
    return (
        said.side in {None, study.side}
        and said.named_site in {None, trace.stimulation_site}
        and said.distance_mm in {None, trace.distance_mm}
        and said.duration_ms in {None, trace.stimulus.duration_ms}
        and said.averaged_count in {None, trace.averaged_count}
        and said.intensity_v is None
        and (not intensities or (stated is not None and set(stated.tolist()) == intensities))
    )


def _element(tag: str, text: object, **attributes: str) -> str:
    shown = "".join(f" {name}={quoteattr(_clean(value))}" for name, value in attributes.items() if value)
    content = format(Decimal(repr(text)), "f") if isinstance(text, float) else str(text)
    return f"<{tag}{shown}>{escape(_clean(content))}</{tag}>"


def _clean(text: str) -> str:
    return _CONTROL.sub(" ", text)


def _note(*elements: str) -> str:
    return f"<EDF_XMLnote>{''.join(elements)}</EDF_XMLnote>" if elements else ""


def describe_sweep(study: Study, trace: Trace, sweep: int, label: str, written: Written) -> list[str]:
    """Return the notes of one sweep; what holds for the whole trace stands with its first sweep.

    Parameters
    ----------
    label
        The text of its stimulus annotation.
    written
        What the header already says.
    """
    stimulus = trace.stimulus
    elements = []
    if stimulus.intensity_ma is not None and np.isfinite(stimulus.intensity_ma[sweep]):
        elements.append(_element("intensity", float(stimulus.intensity_ma[sweep]), mode="current", unit="mA"))
    if stimulus.intensity_v is not None and np.isfinite(stimulus.intensity_v[sweep]):
        elements.append(_element("intensity", float(stimulus.intensity_v[sweep]), mode="voltage", unit="V"))
    if stimulus.duration_ms is not None:
        elements.insert(0, _element("duration", float(stimulus.duration_ms), unit="ms"))
    if trace.stimulation_site is not None:
        side = f"{study.side.value} " if study.side is not None else ""
        elements.append(_element("position", side + trace.stimulation_site))
    if trace.distance_mm is not None:
        elements.append(_element("distance", float(trace.distance_mm), mode="stimulus to recording", unit="mm"))
    if has_time(trace, sweep) and elements:
        tag = re.sub(r"\W+", "_", label.partition(" ")[0], flags=re.ASCII).strip("_") or "Stimulus"
        elements = [f"<{tag}>{''.join(elements)}</{tag}>"]
    if study.recording_site is not None:
        elements.append(_element("recording", study.recording_site))
    if trace.averaged_count is not None:
        elements.append(_element("averaged", trace.averaged_count))
    if trace.elapsed_s is not None and np.isfinite(trace.elapsed_s[sweep]):
        elements.append(_element("elapsed", float(trace.elapsed_s[sweep]), unit="s"))
    texts = [_note(*elements)]
    if sweep == 0:
        texts.append(_note(*_what_the_header_lacks(trace, label, written)))
        texts.append(_note(*_measurements(trace)))
        texts.extend(_free_note(note) for note in trace.notes)
    return [text for text in texts if text]


def _measurements(trace: Trace) -> list[str]:
    tags = {"latency_ms": ("latency", "ms"), "amplitude_uv": ("amplitude", "uV"), "velocity_m_s": ("velocity", "m/s")}
    inner = []
    for value in trace.reported:
        if value.kind in tags:
            tag, unit = tags[value.kind]
            inner.append(_element(tag, float(value.value), mode=value.mode, unit=unit))
    return [f"<measurements>{''.join(inner)}</measurements>"] if inner else []


def _free_note(note: str) -> str:
    """Return a note such that reading it gives the same note: an unknown element as it was, text as a comment."""
    if note.startswith("<"):
        wrapped = _note(note)
        if read_note(wrapped).notes == (note,):
            return wrapped
    return _note(_element("comments", note))


def study_note(study: Study, covariates: Mapping[str, float | str]) -> str:
    """Return the note of what holds for the whole study, and of what belongs to the visit."""
    elements = []
    if study.skin_temperature_c is not None:
        elements.append(_element("temperature", float(study.skin_temperature_c), unit="degree C",
                                 position=study.temperature_site or ""))  # fmt: skip
    elif study.temperature_site is not None:
        elements.append(_element("temperature_site", study.temperature_site))
    for tag, value in (("nerve", study.nerve), ("side", study.side), ("technique", study.technique)):
        if value is not None:
            elements.append(_element(tag, str(value)))
    if study.distance_sd_mm is not None:
        elements.append(_element("distance_sd", float(study.distance_sd_mm), unit="mm"))
    elements += [
        _element("segment", float(one.distance_mm), distal=one.distal_site, proximal=one.proximal_site, unit="mm")
        for one in study.segments
    ]
    elements += [
        _element("covariate", repr(float(value)), name=name, type="number")
        if not isinstance(value, str)
        else _element("covariate", value, name=name)
        for name, value in covariates.items()
    ]
    return _note(*elements)


def _what_the_header_lacks(trace: Trace, label: str, written: Written) -> list[str]:
    """Return elements for texts that a header field had to shorten, and for a stimulus that got another name."""
    said = [("channel", trace.channel, written.channel), ("prefilter", trace.filters.text, written.prefilter)]
    said.append(("label", trace.stimulus.label, label if trace.stimulus_ms is not None else ""))
    return [_element(tag, text) for tag, text, known in said if text and text != known]


def has_time(trace: Trace, sweep: int) -> bool:
    """Return whether it is known when a sweep was stimulated."""
    return trace.stimulus_ms is not None and bool(np.isfinite(trace.stimulus_ms[sweep]))


def encode_annotations(onset: Decimal, trace: Trace, sweep: int, label: str, texts: Sequence[str]) -> bytes:
    """Return the annotations of one record: its onset, its stimulus, and notes."""
    stamp = f"+{onset}".encode()
    content = stamp + b"\x14\x14\0"
    if trace.stimulus_ms is not None and has_time(trace, sweep):
        moment = onset + Decimal(repr(float(trace.stimulus_ms[sweep]))) / 1000
        content += f"{moment:+.30f}".rstrip("0").rstrip(".").encode() + b"\x14" + label.encode() + b"\x14\0"
    return content + b"".join([stamp + b"\x14" + text.encode() + b"\x14\0" for text in texts if text])
