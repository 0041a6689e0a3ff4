"""Reader of what mne reads: BrainVision, GDF, Nihon Kohden, FIF, and by ``format="mne"`` any other format of its own.

mne gives volts and annotations; what they mean is decided in ``_continuous``. A further format that mne can read and
that is to be recognised by its content is one line in ``_KNOWN``.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from ncs.io._companions import BRAINVISION, NIHON_KOHDEN
from ncs.io._continuous import Channel, Recording, attempt, to_visit
from ncs.io._faults import Faults
from ncs.io._stimuli import Mark
from ncs.io._units import voltage_factor
from ncs.model import Calibration, Filters, Subject, Visit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from ncs.io._recording import ReadRequest

__all__ = ["MNE", "MneReader"]

_FIF = bytes.fromhex("000000640000001f00000014")
_KNOWN: tuple[tuple[str, Callable[[bytes], object]], ...] = (
    ("read_raw_brainvision", BRAINVISION.match),
    ("read_raw_gdf", lambda head: head[:4] == b"GDF "),
    ("read_raw_nihon", NIHON_KOHDEN.match),
    ("read_raw_fif", lambda head: head[:12] == _FIF),
)
_UV_PER_V = 1e6
_BREAKS = ("new segment", "boundary", "edge boundary", "bad boundary", "bad_acq_skip")
_STORED_AS = {"short": 16, "int": 32}
_CARRIES = MappingProxyType(
    {
        "waveforms": "yes",
        "site": "marker, with a sidecar or protocol",
        "distance": "no",
        "intensity": "no",
        "units": "yes",
        "filters": "BrainVision, GDF",
        "stimulus time": "marker, trigger channel",
        "temperature": "no",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class MneReader:
    """Reader of continuous recordings through mne; see ``ncs.io._recording.Reader``."""

    name: str = "mne"
    description: str = "BrainVision, GDF, Nihon Kohden EEG, FIF, and what else mne.io.read_raw reads"
    extensions: tuple[str, ...] = (".vhdr", ".gdf", ".fif")
    carries: Mapping[str, str] = field(default_factory=lambda: _CARRIES)
    experimental: bool = False
    requires: tuple[str, ...] = ("mne",)

    def sniff(self, head: bytes, path: Path) -> float:
        """Return 0.8 for the formats that are recognised by their content, 0 for all others."""
        del path
        return 0.8 if any(recognises(head) for _, recognises in _KNOWN) else 0.0

    def read(self, request: ReadRequest) -> Visit:
        """Read a recording.

        Raises
        ------
        ReadError
            With everything that is wrong with the file.
        """
        faults = Faults(file=str(request.path))
        raw = attempt("mne", faults, lambda: _open(request))
        faults.raise_if_fatal()
        recording = attempt("mne", faults, lambda: _recording(raw, faults, keep_identifiers=request.keep_identifiers))
        faults.raise_if_fatal()
        assert recording is not None  # raise_if_fatal has raised otherwise
        return to_visit([recording], request, faults)


MNE = MneReader()


def _open(request: ReadRequest) -> Any:
    import mne

    name = next((name for name, recognises in _KNOWN if recognises(request.content)), "read_raw")
    return getattr(mne.io, name)(request.path, preload=True, verbose="ERROR")


def _recording(raw: Any, faults: Faults, *, keep_identifiers: bool) -> Recording:
    start = float(raw.first_time) if raw.annotations.orig_time is not None else 0.0
    onsets = [float(onset) - start for onset in raw.annotations.onset]
    texts = [str(text) for text in raw.annotations.description]
    marks = []
    for number, (onset, text) in enumerate(zip(onsets, texts, strict=True), start=1):
        if not text.strip().rstrip("/").casefold().startswith(_BREAKS):
            marks.append(Mark(repr(onset), text, f"annotation {number} at {onset:g} s"))
    firsts = _first_samples(raw, onsets, texts)
    lengths = tuple(int(length) for length in np.diff([*firsts, raw.n_times]))
    rate = float(raw.info["sfreq"])
    filters = _filters(raw, faults)
    kinds = raw.get_channel_types()
    channels = [_channel(raw, index, kind, lengths, filters) for index, kind in enumerate(kinds)]
    return Recording(
        channels=tuple(channels),
        library="mne",
        onsets_s=tuple(first / rate for first in firsts),
        marks=tuple(marks),
        subject=_subject(raw, keep_identifiers=keep_identifiers),
        date=_date(raw),
    )


def _first_samples(raw: Any, onsets: list[float], texts: list[str]) -> list[int]:
    """Return the first sample of every stretch without a gap; recorders mark where they were stopped and started."""
    breaks = {0}
    for onset, duration, text in zip(onsets, raw.annotations.duration, texts, strict=True):
        if text.strip().rstrip("/").casefold().startswith(_BREAKS):
            ends = (onset, onset + float(duration)) if duration > 1.5 / raw.info["sfreq"] else (onset,)
            breaks.update(round(end * float(raw.info["sfreq"])) for end in ends)
    return sorted(sample for sample in breaks if 0 <= sample < raw.n_times)


def _channel(raw: Any, index: int, kind: str, lengths: tuple[int, ...], filters: Filters) -> Channel:
    from mne._fiff.constants import FIFF

    label, what = raw.ch_names[index], raw.info["chs"][index]
    stated = str(raw._orig_units.get(label, ""))  # noqa: SLF001  # mne gives the unit of the file nowhere else
    is_volts = what["unit"] == FIFF.FIFF_UNIT_V and kind != "stim"
    if not is_volts:
        unit = "" if kind == "stim" else (stated if stated and voltage_factor(stated) is None else "no unit")
        return Channel(
            label=label, unit=unit, rate_hz=float(raw.info["sfreq"]), lengths=lengths,
            values=lambda: raw.get_data(picks=[index])[0], is_coded=kind == "stim",
        )  # fmt: skip
    unit = stated if voltage_factor(stated) is not None else "V"
    factor = _UV_PER_V / (voltage_factor(unit) or 1.0)
    return Channel(
        label=label, unit=unit, rate_hz=float(raw.info["sfreq"]), lengths=lengths, filters=filters,
        values=lambda: raw.get_data(picks=[index])[0] * factor, calibration=_calibration(raw, what, unit, factor),
    )  # fmt: skip


def _calibration(raw: Any, what: Mapping[str, Any], unit: str, factor: float) -> Calibration:
    """Return how integers became volts, where the file holds integers and a factor."""
    bits = _STORED_AS.get(str(getattr(raw, "orig_format", "")))
    if type(raw).__name__ != "RawBrainVision" or bits is None:
        return Calibration(unit=unit)
    step = float(what["cal"]) * float(what["range"]) * factor
    low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    return Calibration(unit=unit, digital_min=low, digital_max=high, physical_min=low * step, physical_max=high * step)


def _filters(raw: Any, faults: Faults) -> Filters:
    """Return the filters of the file; what mne puts in where none is stated is none, and so is a mixture."""
    if any("different" in problem.found and "filter" in problem.found for problem in faults.noted):
        return Filters()
    low, high = raw.info["highpass"], raw.info["lowpass"]
    nyquist = float(raw.info["sfreq"]) / 2
    return Filters(
        low_cut_hz=float(low) if low else None,
        high_cut_hz=float(high) if high is not None and float(high) < nyquist * (1 - 1e-9) else None,
    )


def _subject(raw: Any, *, keep_identifiers: bool) -> Subject:
    said = raw.info["subject_info"] or {}
    code = str(said.get("his_id") or "").strip()
    sex = {1: "M", 2: "F"}.get(said.get("sex") or 0)
    if not keep_identifiers:
        return Subject(id=code or None, sex=sex)
    name = " ".join(str(said.get(part) or "") for part in ("first_name", "middle_name", "last_name")).split()
    born = said.get("birthday")
    birth_date = born if isinstance(born, dt.date) else None
    return Subject(id=code or None, sex=sex, name=" ".join(name) or None, birth_date=birth_date)


def _date(raw: Any) -> dt.date | None:
    started = raw.info["meas_date"]
    return started.date() if isinstance(started, dt.datetime) else None
