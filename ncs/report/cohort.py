"""A cohort as a page: the sentence, the rule behind it, every subject, pictures, statistics, and the sources."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from ncs.quantities import quantity
from ncs.report._page import PageFigure, file_entries, page, page_figure
from ncs.report.covariates import against_covariate_svg
from ncs.report.numbers import Notes, clean, display_unit, fixed, quantity_words, signed
from ncs.report.tables import Column, TextTable, technique_of
from ncs.report.trajectories import change_words, trajectories_svg
from ncs.report.waveforms import waveforms_svg

if TYPE_CHECKING:
    from ncs.longitudinal import Change, ChangeTable, Cohort, Covariate, VisitValue
    from ncs.results import VisitResult

__all__ = ["cohort_page"]


def cohort_page(
    table: ChangeTable,
    cohort: Cohort,
    *,
    covariates: Iterable[Covariate] = (),
    results: Sequence[VisitResult] = (),
    limit: float | None = None,
    limit_label: str = "",
    notice: str = "",
) -> str:
    """Return the change of a cohort as a self-contained HTML page.

    Parameters
    ----------
    table, cohort
        As ``ncs.change`` and ``ncs.longitudinal.cohort`` return them.
    covariates
        Covariates of any names; a figure per name.
    results
        Results of the visits whose waveforms are to be shown, of one subject or of several; their files' hashes are
        listed. A figure per subject and side of the nerve, and per technique where the quantity belongs to none.
    limit, limit_label
        Limit of normal in the unit of the quantity, and what it is.
    notice
        Stands above everything and in the title, such as that the data are simulated.

    Returns
    -------
    str
        Text of an HTML file that refers to nothing outside itself. The same input gives the same text.

    Raises
    ------
    InvalidInputError
        When the table has no subject.
    """
    notes = Notes()
    changes = _changes(table, notes)
    places = {series.place for series in table.series}
    name = quantity_words(table.quantity)
    return page(
        "cohort.html",
        title=f"{name[:1].upper()}{name[1:]} of the {table.nerve} nerve over the visits",
        notice=notice,
        sentence=cohort.sentence,
        sentences=[words for words in cohort.sentences if words != cohort.sentence],
        warnings=cohort.warnings,
        rule=table.rule,
        repeatability=_repeatability(table),
        table_notes=table.notes,
        counts=_counts(table, cohort),
        changes=changes,
        place=next(iter(places)) if len(places) == 1 else "",
        change_notes=notes.lines(),
        figures=_figures(table, list(covariates), results, (limit, limit_label)),
        statistics=_statistics(table, cohort),
        covariates=_covariates(cohort),
        tests=_tests(cohort),
        multiplicity=cohort.multiplicity,
        recordings=_recordings(table),
        sources=file_entries(source for result in results for source in result.sources),
    )


def _repeatability(table: ChangeTable) -> list[tuple[str, str]]:
    known = table.repeatability
    if known.cv_percent is not None:
        words = f"coefficient of variation {known.cv_percent:g} %{_interval(known.cv_low, known.cv_high, ' %')}"
    else:
        words = f"standard deviation {_shown(table, known.sd)}{_shown_interval(table, known.sd_low, known.sd_high)}"
    facts = [("repeatability of one visit", words), ("its source", known.source)]
    if known.n is not None:
        facts.append(("repeated recordings", f"{known.n}"))
    facts.append(("not compared beyond", f"{table.temperature_limit_c:g} °C difference of skin temperature"))
    facts.append(("", f"{table.distance_tolerance_percent:g} % difference of distance"))
    return facts


def _interval(low: float | None, high: float | None, unit: str) -> str:
    return "" if low is None or high is None else f" (95 % interval {low:.3g} to {high:.3g}{unit})"


def _shown(table: ChangeTable, value: float | None) -> str:
    """Return a value of the table's quantity in its display unit."""
    if value is None:
        return ""
    row = quantity(table.quantity)
    return f"{fixed(value * row.display_factor, row.decimals)} {display_unit(table.quantity)}".rstrip()


def _shown_interval(table: ChangeTable, low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f" (95 % interval {_shown(table, low)} to {_shown(table, high)})"


def _counts(table: ChangeTable, cohort: Cohort) -> TextTable:
    columns = (Column(label="at the last visit"), Column(label="subjects", is_number=True), Column(label="which"))
    subjects: dict[str, list[str]] = {}
    for row in table.last():
        subjects.setdefault(row.verdict, []).append(row.subject)
    rows = [(str(verdict), f"{n}", ", ".join(subjects.get(verdict, ()))) for verdict, n in cohort.counts.items()]
    rows.append(("with a later visit", f"{cohort.n}", ""))
    return TextTable(columns=columns, rows=tuple(rows))


def _changes(table: ChangeTable, notes: Notes) -> TextTable:
    """Return a line per visit: the baseline, then every later visit against it."""
    unit = display_unit(table.quantity)
    columns = [
        Column(label="subject"),
        Column(label="place"),
        Column(label="visit", is_unbroken=True),
        Column(label="months", is_number=True),
        Column(label="value", unit=unit, is_number=True),
        Column(label="difference", unit=unit, is_number=True),
        Column(label="", unit="%", is_number=True),
        Column(label="has to exceed", unit=unit, is_number=True),
        Column(label="verdict"),
    ]
    rows: list[tuple[str, ...]] = []
    for series in table.series:
        first = ("baseline", "", _value(table, series.baseline, notes), "", "", "")
        later = [row for row in table.rows if row.series == series]
        rows.append((series.subject, series.place, series.baseline.date.isoformat(), *first[1:], *first[:1]))
        rows += [("", "", *_change_cells(table, change, notes)) for change in later]
    if len({series.place for series in table.series}) == 1:
        columns, rows = [columns[0], *columns[2:]], [(row[0], *row[2:]) for row in rows]
    return TextTable(columns=tuple(columns), rows=tuple(rows))


def _change_cells(table: ChangeTable, change: Change, notes: Notes) -> tuple[str, ...]:
    row = quantity(table.quantity)
    percent = "" if change.percent is None else signed(change.percent, 0)
    error = "" if change.error_95 is None else fixed(change.error_95 * row.display_factor, row.decimals)
    remarks = [notes.mark(words) for words in (change.why, *change.notes) if words]
    return (
        change.visit.date.isoformat(),
        f"{change.months:.1f}",
        _value(table, change.visit, notes),
        change_words(table, change).removesuffix(f" {display_unit(table.quantity)}"),
        percent,
        error,
        " ".join([str(change.verdict), *remarks]),
    )


def _value(table: ChangeTable, visit: VisitValue, notes: Notes) -> str:
    """Return the value of a visit, or why there is none; a person reads ``NR`` where there was no response."""
    if visit.value is None:
        mark = notes.mark(visit.reason_text or visit.reason or "not stated why")
        return f"NR {mark}" if visit.recordable is False else mark
    row = quantity(table.quantity)
    text = fixed(visit.value * row.display_factor, row.decimals)
    if visit.sd is not None:
        notes.has_sd = True
        text += f" ±{fixed(visit.sd * row.display_factor, row.decimals)}"
    return f"{text} {notes.mark(f'measured at {visit.place}')}" if visit.place else text


def _figures(
    table: ChangeTable, covariates: list[Covariate], results: Sequence[VisitResult], limit: tuple[float | None, str]
) -> list[PageFigure]:
    value, label = limit
    figures = [page_figure(trajectories_svg(table, limit=value, limit_label=label), title="Trajectories")]
    paired = {(visit.subject, visit.date) for s in table.chosen() for visit in s.visits if visit.value is not None}
    for number, name in enumerate(dict.fromkeys(covariate.name for covariate in covariates)):
        chosen = [c for c in covariates if c.name == name]
        if not any((c.subject, c.date) in paired and c.bound is not None for c in chosen):
            continue
        svg = against_covariate_svg(table, chosen, limit=value, limit_label=label, ident=f"covariate-{number}")
        figures.append(page_figure(svg, title=f"Against {name}"))
    return figures + _waveforms(table, results)


def _waveforms(table: ChangeTable, results: Sequence[VisitResult]) -> list[PageFigure]:
    """Return a figure for every subject, side and technique in which the nerve was studied for the quantity."""
    wanted = technique_of(table.quantity)
    found: dict[tuple[str | None, str, str], list[VisitResult]] = {}
    for result in results:
        for study in result.visit.studies:
            if study.nerve != table.nerve or study.technique is None or study.side is None:
                continue
            if wanted is None or study.technique is wanted:
                mine = found.setdefault((result.subject.id, study.side.value, study.technique.value), [])
                mine += [] if result in mine else [result]
    figures = []
    for number, ((subject, side, technique), mine) in enumerate(
        sorted(found.items(), key=lambda at: tuple(map(str, at[0])))
    ):
        svg = waveforms_svg(mine, nerve=table.nerve, technique=technique, side=side, ident=f"waveforms-{number}")
        figures.append(page_figure(svg, title=f"Waveforms of {subject}, {side} {table.nerve}, {technique}"))
    return figures


def _statistics(table: ChangeTable, cohort: Cohort) -> list[tuple[str, str]]:
    facts = []
    if cohort.median_months is not None:
        facts.append(("months followed", _months(cohort)))
    if cohort.shift is not None:
        facts += _shift(table, cohort)
    slope = cohort.slope
    if slope.per_year is None:
        facts.append(("change per year", f"not estimated: {slope.reason}"))
    else:
        words = f"{_shown(table, slope.per_year)}{_shown_interval(table, slope.low, slope.high)}"
        facts.append(("change per year", f"{words}, {_p(slope.p)}; {slope.method}"))
        facts.append(("", f"{slope.n_values} values of {slope.n_subjects} subjects"))
    facts.append(("lost since baseline", f"{cohort.lost} at the last visit, {cohort.lost_at_any_visit} at any visit"))
    regained = f"{cohort.regained} at the last visit, {cohort.regained_at_any_visit} at any visit"
    facts.append(("recordable again", regained))
    facts += [("not comparable", f"{n}: {why}") for why, n in cohort.not_comparable.items()]
    for found in cohort.correlations:
        words = found.note if found.rho is None else f"Spearman's rho {found.rho:.2f}, {_p(found.p)}, n = {found.n}"
        words += f"; {found.note}" if found.note and found.rho is not None else ""
        facts.append((f"change against change of {found.name}", words))
    return facts


def _months(cohort: Cohort) -> str:
    words = f"median {cohort.median_months:.1f}"
    if cohort.months_low is not None and cohort.months_high is not None:
        words += f", from {cohort.months_low:.1f} to {cohort.months_high:.1f}"
    return words


def _shift(table: ChangeTable, cohort: Cohort) -> list[tuple[str, str]]:
    shift = cohort.shift
    assert shift is not None  # the caller has asked
    words = _shown(table, shift.shift)
    if shift.low is not None and shift.high is not None:
        share = "95" if shift.confidence is None else f"{100 * shift.confidence:.1f}"
        words += f" ({share} % interval {_shown(table, shift.low)} to {_shown(table, shift.high)})"
    return [
        ("median change, last visit", f"{words}; Hodges-Lehmann, n = {shift.n}"),
        ("Wilcoxon's signed-rank test", _p(shift.p)),
    ]


def _p(p: float | None) -> str:
    if p is None:
        return "p not computed"
    return "p < 0.0001" if p < 0.0001 else f"p = {p:.2g}"


def _covariates(cohort: Cohort) -> TextTable | None:
    if not cohort.covariates:
        return None
    numbers = ("subjects", "fell", "rose", "same", "left open", "above limit at first", "of these normal at last")
    columns = [Column(label="covariate"), *(Column(label=label, is_number=True) for label in numbers)]
    columns.append(Column(label="upper limit", is_number=True))
    rows = []
    for each in cohort.covariates:
        counts = (each.n, each.fell, each.rose, each.same, each.undetermined, each.above_limit, each.normalised)
        limit = "none given" if each.upper_limit is None else f"{each.upper_limit:g} {each.unit}".strip()
        rows.append((each.name, *("" if n is None else f"{n}" for n in counts), limit))
    return TextTable(columns=tuple(columns), rows=tuple(rows))


def _tests(cohort: Cohort) -> TextTable | None:
    if not cohort.tests:
        return None
    columns = (Column(label="test"), Column(label="p", is_number=True), Column(label="p after Holm", is_number=True))
    rows = (
        (test.name, *(_p(p).removeprefix("p ").removeprefix("= ") for p in (test.p, test.p_holm)))
        for test in cohort.tests
    )
    return TextTable(columns=columns, rows=tuple(rows))


def _recordings(table: ChangeTable) -> TextTable:
    """Return the runs and files behind every value."""
    labels = ("subject", "date", "place", "runs", "files")
    columns = tuple(Column(label=label, is_unbroken=label == "date") for label in labels)
    rows = []
    for series in table.series:
        for visit in series.visits:
            runs = ", ".join(map(str, visit.runs))
            rows.append((series.subject, visit.date.isoformat(), visit.place or series.place, runs, visit.source))
    return TextTable(columns=columns, rows=tuple(tuple(map(clean, row)) for row in rows))
