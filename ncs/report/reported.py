"""What the recording machine itself measured, beside what ncs measured, and the difference.

Which of our quantities a machine's value is compared with stands in ``_QUANTITIES``; a value whose kind the machine
leaves open is shown without a comparison, never guessed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ncs.model import Side, Technique
from ncs.quantities import QUANTITIES
from ncs.report.numbers import Notes, clean, display_unit, fixed, quantity_words, signed
from ncs.report.tables import Column, TextTable, study_name
from ncs.results import in_one_cell

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ncs.model import ReportedValue, Study
    from ncs.results import Measurement, VisitResult

__all__ = ["Comparison", "comparisons", "reported_table", "with_reported"]

_UNITS = {"latency_ms": "ms", "amplitude_uv": "uV", "velocity_m_s": "m/s"}
_NAMES = {"latency_ms": "latency", "amplitude_uv": "amplitude", "velocity_m_s": "velocity"}
_M, _S = Technique.MOTOR, Technique.SENSORY
_QUANTITIES: dict[tuple[Technique, str, str], str] = {
    # A motor latency is one to the onset, and its amplitude one from the baseline, where nothing else is said.
    (_M, "latency_ms", ""): "motor_latency",
    (_M, "latency_ms", "onset"): "motor_latency",
    (_M, "amplitude_uv", ""): "cmap_amplitude",
    (_M, "amplitude_uv", "baseline to peak"): "cmap_amplitude",
    (_M, "amplitude_uv", "peak to peak"): "cmap_peak_to_peak_amplitude",
    (_M, "velocity_m_s", ""): "motor_conduction_velocity",
    (_M, "velocity_m_s", "segmental"): "motor_conduction_velocity",
    (_S, "latency_ms", "onset"): "sensory_onset_latency",
    (_S, "latency_ms", "peak"): "sensory_peak_latency",
    (_S, "amplitude_uv", "baseline to peak"): "snap_amplitude",
    (_S, "amplitude_uv", "peak to peak"): "snap_peak_to_peak_amplitude",
    (_S, "velocity_m_s", ""): "sensory_conduction_velocity",
    (_S, "velocity_m_s", "segmental"): "sensory_conduction_velocity",
}
_UNSAID = "the machine does not say what it measured (onset or peak, from the baseline or peak to peak)"
_UNKNOWN = "ncs has no such quantity"
_NONE = "ncs has no number for it"
_SEVERAL = "ncs has several numbers for it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A value of the machine and ours.

    Parameters
    ----------
    kind, mode
        What the machine calls it: ``latency_ms``, ``amplitude_uv`` or ``velocity_m_s``, and its own qualification.
    reported
        Its value, in ``unit``.
    quantity, segment
        What it is compared with; ``None`` where it is compared with nothing.
    computed, difference
        Our value, and the machine's less ours; ``None`` where there is none, and ``remark`` says why.
    """

    nerve: str | None
    side: Side | None
    technique: Technique | None
    recording_site: str | None
    site: str | None
    kind: str
    mode: str
    reported: float
    unit: str
    quantity: str | None = None
    segment: str | None = None
    computed: float | None = None
    difference: float | None = None
    remark: str = ""
    study: Study


def comparisons(results: Iterable[VisitResult]) -> tuple[Comparison, ...]:
    """Return every value that the machine reported beside a waveform, in the order of studies and sites.

    Parameters
    ----------
    results
        Of one visit, or of several.
    """
    return tuple(
        _compared(result, index, study, trace.stimulation_site, value)
        for result in results
        for index, study in enumerate(result.visit.studies)
        for trace in study.traces
        for value in trace.reported
    )


def _compared(result: VisitResult, index: int, study: Study, site: str | None, value: ReportedValue) -> Comparison:
    quantity, remark = _quantity(study, value)
    ours: Measurement | None = None
    if quantity is not None:
        found = [m for m in result.measurements if m.study_index == index and m.quantity == quantity]
        found = _of_site(found, study, site, value)
        ours = found[0] if len(found) == 1 else None
        if ours is None:
            remark = _SEVERAL if found else _NONE
        elif ours.reason is not None:
            remark = ours.reason.sentence
    computed = ours.value if ours is not None else None
    return Comparison(
        nerve=study.nerve, side=study.side, technique=study.technique, recording_site=study.recording_site, site=site,
        kind=value.kind, mode=value.mode, reported=value.value, unit=_UNITS.get(value.kind, ""),
        quantity=quantity if ours is not None else None, segment=ours.segment if ours is not None else None,
        computed=computed, difference=value.value - computed if computed is not None else None, remark=remark,
        study=study,
    )  # fmt: skip


def _quantity(study: Study, value: ReportedValue) -> tuple[str | None, str]:
    """Return the quantity that a machine's value is one of, or why there is none."""
    if study.technique is None:
        return None, "the technique is not stated"
    mode = " ".join(value.mode.lower().replace("-", " ").split())
    quantity = _QUANTITIES.get((study.technique, value.kind, mode))
    if quantity is not None:
        return quantity, ""
    return None, _UNSAID if not mode and study.technique is _S else _UNKNOWN


def _of_site(found: Sequence[Measurement], study: Study, site: str | None, value: ReportedValue) -> list[Measurement]:
    """Return those that belong to a site; a velocity belongs to the site at the proximal end of its segment."""
    if value.kind != "velocity_m_s":
        return [m for m in found if m.site == site]
    here = [m for m in found if m.segment is not None and site is not None and m.segment.endswith(f"-{site}")]
    others = {trace.stimulation_site for trace in study.traces} - {site}
    between = [m for m in here if any(m.segment == f"{other}-{site}" for other in others)]
    return between or here


def reported_table(results: Iterable[VisitResult], notes: Notes) -> TextTable | None:
    """Return the machine's values beside ours, or ``None`` where it reported none."""
    rows = []
    last = ""
    for one in comparisons(results):
        name = study_name(one.study)
        row = QUANTITIES[one.quantity] if one.quantity is not None else None
        factor, decimals = (row.display_factor, row.decimals) if row is not None else _shown_as(one.unit)
        unit = display_unit(row.name) if row is not None else ("mV" if factor != 1 else one.unit)
        ours, difference = "", ""
        if one.computed is not None and one.difference is not None:
            ours, difference = fixed(one.computed * factor, decimals), signed(one.difference * factor, decimals)
        elif one.remark:
            ours = notes.mark(one.remark)
        words = quantity_words(row.name) if row is not None else " ".join((_NAMES.get(one.kind, one.kind), one.mode))
        rows.append((name if name != last else "", one.segment or one.site or "?", clean(words.strip()),
                     fixed(one.reported * factor, decimals), ours, difference, unit))  # fmt: skip
        last = name
    if not rows:
        return None
    labels = ("nerve", "where", "quantity", "machine", "ncs", "difference", "unit")
    numbers = {"machine", "ncs", "difference"}
    columns = tuple(Column(label=label, is_number=label in numbers) for label in labels)
    return TextTable(columns=columns, rows=tuple(rows))


def _shown_as(unit: str) -> tuple[float, int]:
    return (1.0, 1) if unit == "uV" else (1.0, 2)


def with_reported(frame: Any, results: Iterable[VisitResult]) -> Any:
    """Return a table of measurements with what the machine reported.

    Parameters
    ----------
    frame
        As ``Store.measurements`` gives it.
    results
        Those of the same visit or visits.

    Returns
    -------
    pandas.DataFrame
        With the columns ``reported``, ``reported_mode`` and ``difference`` (reported less value). What has no
        measurement of ours beside it comes last, as a row of the quantity ``reported_value``.
    """
    import pandas as pd

    frame = frame.assign(reported=float("nan"), reported_mode=None, difference=float("nan"))
    alone = []
    for result in results:
        date = result.date.isoformat() if result.date is not None else None
        of_visit = (frame["subject"] == result.subject.id) & (frame["date"] == date)
        for one in comparisons([result]):
            rows = frame.index[of_visit & _is_compared(frame, one)] if one.quantity is not None else []
            if len(rows) == 1 and pd.isna(frame.loc[rows[0], "reported"]):
                frame.loc[rows[0], "reported"] = one.reported
                frame.loc[rows[0], "reported_mode"] = one.mode or None
                frame.loc[rows[0], "difference"] = float("nan") if one.difference is None else one.difference
            else:
                alone.append(_row(one, result))
    if not alone:
        return frame
    more = pd.DataFrame(alone).reindex(columns=frame.columns)
    return pd.concat([frame.astype(object), more.astype(object)], ignore_index=True)


def _is_compared(frame: Any, one: Comparison) -> Any:
    """Return which rows hold the measurement that a value is compared with."""
    chosen = frame["quantity"] == one.quantity
    stated = {"nerve": one.nerve, "side": one.side, "technique": one.technique, "recording_site": one.recording_site}
    stated["segment" if one.segment is not None else "site"] = one.segment if one.segment is not None else one.site
    for name, value in stated.items():
        chosen &= frame[name].isna() if value is None else frame[name] == str(value)
    return chosen


def _row(one: Comparison, result: VisitResult) -> dict[str, Any]:
    return {
        "subject": result.subject.id, "date": result.date.isoformat() if result.date is not None else None,
        "nerve": one.nerve, "side": None if one.side is None else str(one.side),
        "technique": None if one.technique is None else str(one.technique), "recording_site": one.recording_site,
        "site": one.site, "quantity": "reported_value", "unit": one.unit, "method": _NAMES.get(one.kind, one.kind),
        "reason": None, "flags": "", "source": in_one_cell([source.name for source in result.sources]),
        "sha256": in_one_cell([source.sha256 for source in result.sources]), "version": result.version,
        "reported": one.reported, "reported_mode": one.mode or None,
    }  # fmt: skip
