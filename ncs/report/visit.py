"""One visit as a page: tables, waveforms with numbered marks, what is missing and why, and where it all comes from."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Final

from ncs.errors import InvalidInputError
from ncs.report import tables
from ncs.report._page import file_entries, page, page_figure
from ncs.report._traces import MARK_NAMES, drawn_traces
from ncs.report.numbers import Notes, missing_sentence, quantity_words
from ncs.report.raster import has_raster, raster_svg
from ncs.report.recruitment import has_recruitment, recruitment_svg
from ncs.report.tables import Column, TextTable
from ncs.report.waveforms import study_svg
from ncs.results import Reason

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ncs.report._edits import MarkEdit
    from ncs.report._traces import DrawnTrace
    from ncs.results import Measurement, VisitResult

__all__ = ["visit_page"]

_CONDITIONS: Final = (
    Column(label="site"), Column(label="distance", unit="mm", is_number=True),
    Column(label="stimulus", is_unbroken=True), Column(label="sweeps"),
)  # fmt: skip
_MOST_LETTERS: Final = 110
_BETWEEN_LETTERS: Final = 3
"""A table of more letters than this is broken into several, one below the other."""


class _PageNotes(Notes):
    """Footnotes in which a response that could not be recorded is called so in its place: ``NR``."""

    has_nr = False

    def missing(self, measurement: Measurement) -> str:
        """Return what stands in the place of a number that is missing."""
        mark = super().missing(measurement)
        if measurement.reason is not Reason.NO_RESPONSE:
            return mark
        self.has_nr = True
        return f"NR {mark}"

    def lines(self) -> list[str]:
        """Return the footnotes, one per line."""
        return [*(["NR: not recordable"] if self.has_nr else []), *super().lines()]


def visit_page(results: Sequence[VisitResult], *, edits: Sequence[MarkEdit] = (), notice: str = "") -> str:
    """Return one visit as a self-contained HTML page.

    Parameters
    ----------
    results
        Results of all files of one visit, as ``Store.load_results`` returns them.
    edits
        Marks that a person moved; where there are none, the page says so.
    notice
        Stands above everything and in the title, such as that the data are simulated.

    Returns
    -------
    str
        Text of an HTML file that refers to nothing outside itself. The same results give the same text.

    Raises
    ------
    InvalidInputError
        When there is no result, or the results belong to several visits.
    """
    from ncs.measure._sides import side_differences

    first = _one_visit(results)
    notes = _PageNotes()
    laid_out = list(tables.visit_forms(results))
    forms = [_form(form, studies, notes) for form, studies in laid_out]
    sides = tables.sides_table(side_differences(results), notes)
    others = tables.others_table([each for _, studies in laid_out for each in studies], notes, with_missing=False)
    places = [(result, index) for result in results for index, study in enumerate(result.visit.studies) if study.traces]
    date = first.date.isoformat() if first.date is not None else "no date"
    return page(
        "visit.html",
        title=f"{first.subject}, {date}: nerve conduction study",
        notice=notice,
        head=_head(results, date),
        problems=[f"Reading: {problem}" for result in results for problem in result.visit.problems],
        forms=forms,
        sides=sides,
        others=others,
        notes=notes.lines(),
        studies=[part for number, place in enumerate(places) for part in _study(*place, number)],
        missing=_missing(results),
        edits=_edits(edits),
        sources=file_entries(source for result in results for source in result.sources),
        analysis=_analysis(results),
    )


def _one_visit(results: Sequence[VisitResult]) -> VisitResult:
    visits = dict.fromkeys((result.subject.id, result.date) for result in results)
    if len(visits) != 1:
        found = ", ".join(f"{subject} on {date}" for subject, date in visits) or "none"
        raise InvalidInputError(f"results: expected those of one visit, found {found}")
    return results[0]


def _head(results: Sequence[VisitResult], date: str) -> list[tuple[str, str]]:
    sexes = {result.subject.sex for result in results} - {None}
    subject = f"{results[0].subject}, {sexes.pop()}" if len(sexes) == 1 else str(results[0].subject)
    return [
        ("subject", subject),
        ("date", date),
        *((label, words) for label, words in tables.facts(results) if label != "files"),
        ("limits of normal", "none were applied: no number here is called normal or abnormal"),
    ]


def _form(form: tables.Form, studies: Sequence[tables.StudyRows], notes: Notes) -> dict[str, object]:
    sites = tables.sites_table(form, studies, notes)
    indices = tables.index_table(form, studies, notes)
    drawn = _narrow(sites) if form.is_plain else [sites]
    return {
        "title": form.title,
        "tables": [table for table in (*drawn, indices) if table is not None and table.rows],
        "legend": tables.legend(form) if indices is not None else "",
    }


def _narrow(table: TextTable) -> list[TextTable]:
    """Return a table as several that fit on the page, each with the leading columns that name its rows."""
    cells = [[column.label, column.unit, *(row[i] for row in table.rows)] for i, column in enumerate(table.columns)]
    widths = [_BETWEEN_LETTERS + max(map(len, column)) for column in cells]
    lead = next((i for i, column in enumerate(table.columns) if column.is_number), len(widths))
    room, n = _MOST_LETTERS - sum(widths[:lead]), len(widths) - lead
    if n == 0:
        return [table]
    size = next((size for size in range(n, 1, -1) if _widest(widths[lead:], size) <= room), 1)
    size = math.ceil(n / math.ceil(n / size))  # of equal length, as far as that goes
    return [
        TextTable(
            columns=(*table.columns[:lead], *table.columns[start : start + size]),
            rows=tuple((*row[:lead], *row[start : start + size]) for row in table.rows),
        )
        for start in range(lead, len(widths), size)
    ]


def _widest(widths: Sequence[int], size: int) -> int:
    """Return how many letters the widest of the pieces of so many columns has."""
    return max(sum(widths[start : start + size]) for start in range(0, len(widths), size))


def _study(result: VisitResult, index: int, number: int) -> list[dict[str, object]]:
    """Return the pictures of a study, the last one with a table."""
    ident, traces = f"figure-{number}", drawn_traces(result, index)
    late = [at for at in range(len(result.visit.studies[index].traces)) if has_raster(result, index, at)]
    if not late:
        return [_figure(study_svg(result, index, ident=ident), _mark_table(traces))]
    drawn = [raster_svg(result, index, trace_index=at, ident=f"{ident}-{at}") for at in late]
    drawn += [
        recruitment_svg(result, index, trace_index=at, ident=f"{ident}-{at}-recruitment")
        for at in late
        if has_recruitment(result, index, at)
    ]
    return [*(_figure(svg) for svg in drawn[:-1]), _figure(drawn[-1], _conditions_table(traces))]


def _figure(svg: str, marks: TextTable | None = None) -> dict[str, object]:
    return {"svg": page_figure(svg).svg, "caption": "", "marks": marks}


def _conditions_table(traces: Sequence[DrawnTrace]) -> TextTable:
    """Return how the sweeps of late responses were evoked; their onsets stand in the picture."""
    columns = (*_CONDITIONS, Column(label="remark"))
    rows = tuple(
        (*_mark_cells(trace, ())[:3], f"{trace.trace.n_sweeps}", "; ".join(trace.trace.notes)) for trace in traces
    )
    return _without_empty(TextTable(columns=columns, rows=rows))


def _without_empty(table: TextTable) -> TextTable:
    """Return the table without its last column where that says nothing."""
    if any(row[-1] for row in table.rows):
        return table
    return TextTable(columns=table.columns[:-1], rows=tuple(row[:-1] for row in table.rows))


def _mark_table(traces: Sequence[DrawnTrace]) -> TextTable:
    numbers = sorted({mark.number for trace in traces for mark in trace.marks})
    columns = list(_CONDITIONS)
    for number in numbers:
        label = f"{number} {MARK_NAMES[number - 1]}"
        columns.append(Column(label=label, unit="ms (95 % interval)" if number == 1 else "ms", is_number=True))
    remarks = ["; ".join(part for part in (trace.remark, *trace.trace.notes) if part) for trace in traces]
    rows = [(*_mark_cells(trace, numbers), remark) for trace, remark in zip(traces, remarks, strict=True)]
    return _without_empty(TextTable(columns=(*columns, Column(label="remark")), rows=tuple(rows)))


def _mark_cells(trace: DrawnTrace, numbers: Sequence[int]) -> tuple[str, ...]:
    stored = trace.trace
    cells = [stored.stimulation_site or "?", f"{stored.distance_mm:g}" if stored.distance_mm is not None else "?"]
    cells += [_stimulus_words(trace), _sweep_words(trace)]
    for number in numbers:
        mark = trace.mark(number)
        text = f"{mark.at_ms:.2f}" if mark is not None else ""
        if mark is not None and number == 1 and mark.interval_ms is not None:
            text += f" ({mark.interval_ms[0]:.2f} to {mark.interval_ms[1]:.2f})"
        cells.append(text)
    return tuple(cells)


def _stimulus_words(trace: DrawnTrace) -> str:
    """Return intensity and duration of the stimulus; a range where the sweeps differ."""
    stimulus, words = trace.trace.stimulus, []
    for intensity, unit in ((stimulus.intensity_ma, "mA"), (stimulus.intensity_v, "V")):
        known = [float(x) for x in intensity if math.isfinite(x)] if intensity is not None else []
        if known:
            low, high = f"{min(known):g}", f"{max(known):g}"
            words.append(f"{low} {unit}" if low == high else f"{low} to {high} {unit}")
    if stimulus.duration_ms is not None:
        words.append(f"{stimulus.duration_ms:g} ms")
    return ", ".join(words) or "not stated"


def _sweep_words(trace: DrawnTrace) -> str:
    stored = trace.trace
    words = f"{stored.n_sweeps}"
    if stored.n_sweeps > 1 and trace.averaged:
        words = (
            f"mean of {trace.averaged} of {stored.n_sweeps}" if trace.averaged < stored.n_sweeps else f"mean of {words}"
        )
    if stored.averaged_count is not None and stored.averaged_count > 1:
        words += f" (each of {stored.averaged_count}, averaged by the machine)"
    return words


def _missing(results: Sequence[VisitResult]) -> TextTable | None:
    """Return every number that could not be measured, those with the same reason together."""
    found: dict[tuple[str, str, str], list[str]] = {}
    for m in (m for result in results for m in result.measurements if m.value is None):
        side = m.side.value if m.side is not None else "side?"
        nerve = f"{side} {m.nerve or 'nerve?'}, {tables.technique_words(m.technique)}"
        name = quantity_words(m.quantity)
        found.setdefault((nerve, m.segment or m.site or "", missing_sentence(m)), []).append(name)
    if not found:
        return None
    columns = tuple(Column(label=label) for label in ("study", "where", "not measured", "reason"))
    rows = tuple((study, where, ", ".join(dict.fromkeys(names)), why) for (study, where, why), names in found.items())
    return TextTable(columns=columns, rows=rows)


def _edits(edits: Sequence[MarkEdit]) -> TextTable | None:
    if not edits:
        return None
    labels = ("study", "site", "mark", "from", "to", "by", "when", "why")
    columns = tuple(
        Column(label=label, unit="ms", is_number=True)
        if label in {"from", "to"}
        else Column(label=label, is_unbroken=label == "when")
        for label in labels
    )
    rows = tuple(
        (
            " ".join(part for part in (edit.side or "side?", edit.nerve or "nerve?", edit.technique) if part),
            edit.site or "?", edit.mark, _ms(edit.old_ms), _ms(edit.new_ms), edit.author,
            edit.when.isoformat(sep=" ", timespec="minutes"), edit.why,
        )
        for edit in edits
    )  # fmt: skip
    return TextTable(columns=columns, rows=rows)


def _ms(value: float | None) -> str:
    return "none" if value is None else f"{value:.2f}"


def _analysis(results: Sequence[VisitResult]) -> list[tuple[str, str]]:
    """Return version, fingerprint and every parameter of the analyses, each said once."""
    said: dict[tuple[str, str], None] = {}
    for result in results:
        said["version", f"ncs {result.version}"] = None
        said["fingerprint of the analysis", result.fingerprint] = None
        for name, value in result.parameters.items():
            words = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)
            said[name.replace("_", " "), words] = None
    order = dict.fromkeys(label for label, _ in said)
    return [(label, "; ".join(words for name, words in said if name == label)) for label in order]
