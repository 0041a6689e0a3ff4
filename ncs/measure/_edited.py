"""A result with a person's marks in the place of automatic ones, everything measured again from them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np

from ncs import __version__
from ncs.detect.marks import Marks
from ncs.errors import InvalidInputError
from ncs.measure import MEASURE_VERSION
from ncs.measure._edits import MARK_WORDS, Edit, Moved, measured_wave, move, sweep_wave
from ncs.measure._temperature import TemperatureCorrection
from ncs.measure._visit import measure_visit, technique_of
from ncs.model import Trace, Visit
from ncs.results import TraceMarks, VisitResult

__all__ = ["edited", "is_measured", "trace_marks"]


def edited(result: VisitResult, edits: Sequence[Edit]) -> VisitResult:
    """Return a result as it is with a person's marks.

    Parameters
    ----------
    result
        With automatic marks.
    edits
        Oldest first; the last one of a mark counts.

    Returns
    -------
    VisitResult
        Every number is derived again from the marks. A number that rests on an edit has the flag ``edited``, says so in
        its method, and has no standard deviation. ``parameters`` has the edits, and the fingerprint is another one. The
        same ``result`` where there are no edits.

    Raises
    ------
    InvalidInputError
        When an edit names a mark, a trace or a sweep that the result does not have.
    """
    if not edits:
        return result
    marks = list(result.marks)
    moved: dict[tuple[int, int], Moved] = {}
    for place in dict.fromkeys((edit.study_index, edit.trace_index) for edit in edits):
        some = [edit for edit in edits if (edit.study_index, edit.trace_index) == place]
        moved[place] = _edit_trace(result.visit, marks, some)
    said = _said(edits)
    return replace(
        result,
        marks=tuple(marks),
        measurements=measure_visit(
            result.visit,
            marks,
            onset_method=str(result.parameters.get("onset_method", "?")),
            moved=moved,
            temperature=TemperatureCorrection.of(result.parameters),
        ),
        parameters={**result.parameters, "measure": MEASURE_VERSION, "edits": said},
        version=__version__,
        fingerprint=_fingerprint(result.fingerprint, said),
    )


def _said(edits: Iterable[Edit]) -> list[dict[str, Any]]:
    last = {(e.study_index, e.trace_index, e.response, e.sweep, e.mark): e for e in edits}
    chosen = sorted(last.items(), key=lambda item: [str(part) for part in item[0]])
    return [{f.name: getattr(edit, f.name) for f in fields(Edit)} for _, edit in chosen]


def _fingerprint(base: str, said: list[dict[str, Any]]) -> str:
    facts = {"base": base, "measure": MEASURE_VERSION, "edits": said}
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def trace_marks(visit: Visit, marks: Sequence[TraceMarks], edit: Edit) -> tuple[int, Trace]:
    """Return where in ``marks`` an edit belongs, and the trace.

    Raises
    ------
    InvalidInputError
        When there is no such mark, trace or sweep, or nothing was marked in the trace.
    """
    place = f"study {edit.study_index}, trace {edit.trace_index}"
    if edit.mark not in MARK_WORDS:
        raise InvalidInputError(f"mark: expected one of {', '.join(MARK_WORDS)}, found {edit.mark!r}")
    found = {
        _response(visit, entry): index
        for index, entry in enumerate(marks)
        if (entry.study_index, entry.trace_index) == (edit.study_index, edit.trace_index)
    }
    if not found:
        hint = "Marks are times after the stimulus: the file or its sidecar must state that time, and the technique."
        raise InvalidInputError(f"{place}: expected a trace with marks, found none. {hint}")
    response = edit.response or next(iter(found))
    if response not in found:
        raise InvalidInputError(f"{place}: response: expected one of {', '.join(found)}, found {response!r}")
    trace = visit.studies[edit.study_index].traces[edit.trace_index]
    if edit.sweep is not None and not 0 <= edit.sweep < trace.n_sweeps:
        raise InvalidInputError(f"{place}: sweep: expected 0 to {trace.n_sweeps - 1}, found {edit.sweep}")
    return found[response], trace


def _response(visit: Visit, entry: TraceMarks) -> str:
    technique = technique_of(visit.studies[entry.study_index])
    return entry.response or (technique.responses[0] if technique is not None else "")


def _edit_trace(visit: Visit, marks: list[TraceMarks], edits: Sequence[Edit]) -> Moved:
    """Put the edited marks of one trace into ``marks``; return what was done."""
    by_entry: dict[int, list[Edit]] = {}
    for edit in edits:
        by_entry.setdefault(trace_marks(visit, marks, edit)[0], []).append(edit)
    made, of_sweeps = Moved(), {}
    for index, some in by_entry.items():
        entry = marks[index]
        response = _response(visit, entry)
        trace = visit.studies[entry.study_index].traces[entry.trace_index]
        entry, of_sweeps[response] = _edit_sweeps(entry, trace, [e for e in some if not is_measured(e, entry)])
        entry, moved = _edit_measured(entry, trace, [e for e in some if is_measured(e, entry)])
        technique = technique_of(visit.studies[entry.study_index])
        if technique is None or response == technique.responses[0]:
            made = moved
        marks[index] = entry
    return replace(made, sweep_edits={name: said for name, said in of_sweeps.items() if said})


def is_measured(edit: Edit, entry: TraceMarks) -> bool:
    """Return whether an edit moves a mark of what is measured, not only of one sweep among several."""
    return edit.sweep is None or entry.measured_sweeps == (edit.sweep,)


def _edit_sweeps(entry: TraceMarks, trace: Trace, edits: Sequence[Edit]) -> tuple[TraceMarks, tuple[str, ...]]:
    sweeps, said = entry.sweeps, dict[str, None]()
    for sweep in dict.fromkeys(edit.sweep for edit in edits if edit.sweep is not None):
        own = [edit for edit in edits if edit.sweep == sweep]
        new, words, _ = move(sweeps.sweep(sweep), own, sweep_wave(trace, sweep))
        sweeps = _with_sweep(sweeps, sweep, new)
        said.update(dict.fromkeys(f"sweep {sweep + 1}: {word}" for each in words.values() for word in each))
    return replace(entry, sweeps=sweeps), tuple(said)


def _edit_measured(entry: TraceMarks, trace: Trace, edits: Sequence[Edit]) -> tuple[TraceMarks, Moved]:
    if not edits:
        return entry, Moved()
    measured, words, left_out = move(entry.measured, edits, measured_wave(trace, entry.measured_sweeps))
    sweeps = entry.sweeps
    if len(entry.measured_sweeps) == 1:
        sweeps = _with_sweep(sweeps, entry.measured_sweeps[0], measured)
    return replace(entry, sweeps=sweeps, measured=measured), Moved(edits=words, left_out=left_out)


def _with_sweep(marks: Marks, index: int, one: Marks) -> Marks:
    columns = {f.name: np.array(getattr(marks, f.name)) for f in fields(Marks)}
    for name, column in columns.items():
        column[index] = getattr(one, name)[0]
    return Marks(**columns)
