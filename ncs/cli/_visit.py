"""One visit on one screen: motor table, sensory table, indices, footnotes, and where it all comes from.

The tables follow the usual clinical form. A quantity of a new technique needs a ``_Form`` here to be shown.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ncs.cli._numbers import FLAGS, Notes, heading, number
from ncs.cli._output import clean, fits, print_lines, print_table, table
from ncs.model import Origin, Technique
from ncs.quantities import QUANTITIES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from rich.table import Table

    from ncs.model import Filters, Study
    from ncs.results import Measurement, VisitResult

__all__ = ["print_visit"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Form:
    """Which quantities of a technique stand in its table, and which in the line of indices."""

    title: str
    site: tuple[str, ...]
    velocity: str
    indices: tuple[str, ...] = ()


_FORMS = {
    Technique.MOTOR: _Form(
        title="Motor",
        site=("motor_latency", "cmap_amplitude", "cmap_area", "cmap_duration"),
        velocity="motor_conduction_velocity",
        indices=(
            "cmap_amplitude_ratio", "cmap_area_ratio", "cmap_duration_ratio", "terminal_latency_index",
            "residual_latency",
        ),
    ),
    Technique.SENSORY: _Form(
        title="Sensory",
        site=("sensory_onset_latency", "sensory_peak_latency", "snap_amplitude", "snap_peak_to_peak_amplitude"),
        velocity="sensory_conduction_velocity",
    ),
    None: _Form(title="Technique not stated", site=("onset_latency",), velocity=""),
}  # fmt: skip


@dataclass(slots=True)
class _Row:
    """One line of a table: a site, a segment, or both."""

    site: str | None = None
    at_site: dict[str, Measurement] = field(default_factory=dict)
    segment: str = ""
    of_segment: dict[str, Measurement] = field(default_factory=dict)
    distance_mm: float | None = None


@dataclass(frozen=True, slots=True)
class _StudyRows:
    study: Study
    rows: list[_Row]
    whole: dict[str, Measurement]


def print_visit(results: Sequence[VisitResult]) -> None:
    """Print the tables of one visit, put together from the results of all its files."""
    first = results[0]
    sexes = {result.subject.sex for result in results} - {None}
    sex = f", {sexes.pop()}" if len(sexes) == 1 else ""
    print_lines(f"{clean(first.subject)}{clean(sex)}, {first.date if first.date is not None else 'no date'}", "")
    studies = [each for result in results for each in _studies(result)]
    notes = Notes()
    for technique, form in _FORMS.items():
        chosen = [each for each in studies if each.study.technique is technique]
        if chosen:
            _print_form(form, chosen, notes)
    print_lines(*notes.lines(), *_facts(results))


def _studies(result: VisitResult) -> Iterable[_StudyRows]:
    for index, study in enumerate(result.visit.studies):
        mine = [m for m in result.measurements if m.study_index == index]
        yield _study_rows(study, mine)


def _study_rows(study: Study, measurements: Sequence[Measurement]) -> _StudyRows:
    form = _FORMS[study.technique]
    rows: list[_Row] = []
    whole: dict[str, Measurement] = {}
    for m in measurements:
        if m.segment is not None:
            row = _segment_row(rows, m)
            row.of_segment[m.quantity] = m
            row.distance_mm = row.distance_mm if m.distance_mm is None else m.distance_mm
        elif m.quantity in form.site:
            if not rows or rows[-1].site != m.site or m.quantity in rows[-1].at_site:
                rows.append(_Row(site=m.site))
            rows[-1].at_site[m.quantity] = m
        else:
            whole[m.quantity] = m
    if rows and not rows[0].segment:
        _name_distal_segment(rows[0], study, whole, form)
    return _StudyRows(study, rows, whole)


def _segment_row(rows: list[_Row], m: Measurement) -> _Row:
    """Return the row of a segment: that of its proximal site where it is free, else one of its own."""
    name = m.segment or ""
    for row in rows:
        if row.segment == name:
            return row
    proximal = [row for row in rows if row.site is not None and not row.segment and name.endswith(f"-{row.site}")]
    if m.site is not None:
        proximal = [row for row in proximal if row.site == m.site]
    if proximal:
        best = max(proximal, key=lambda row: len(row.site or ""))
    else:
        best = _Row()
        rows.append(best)
    best.segment = name
    return best


def _name_distal_segment(row: _Row, study: Study, whole: dict[str, Measurement], form: _Form) -> None:
    """Put the distance to the recording electrode, and why a lone site has no velocity, into the distal line."""
    distances = [m.distance_mm for m in row.at_site.values() if m.distance_mm is not None]
    if distances and row.site is not None:
        row.segment, row.distance_mm = f"{study.recording_site or 'electrode'}-{row.site}", distances[0]
    if form.velocity in whole:
        row.of_segment[form.velocity] = whole[form.velocity]


def _print_form(form: _Form, studies: Sequence[_StudyRows], notes: Notes) -> None:
    """Print the studies of one technique: as one table, or in a narrow window study by study."""
    print_lines(form.title, "")
    tables = [_sites(form, studies, notes)]
    if form.indices and any(form.indices[0] in row.of_segment for each in studies for row in each.rows):
        tables.append(_indices(form, studies, notes))
    if all(fits(made) for made in tables):
        for made in tables:
            print_table(made)
            print_lines("")
    else:
        for each in studies:
            _print_narrow(form, each, notes)
    if len(tables) > 1:
        print_lines(_legend(form), "")


def _sites(form: _Form, studies: Sequence[_StudyRows], notes: Notes) -> Table:
    columns = [("nerve", "left"), ("record", "left"), ("site", "left")]
    columns += [(heading(name), "right") for name in form.site]
    if form.velocity:
        columns += [("segment", "left"), ("distance\nmm", "right"), (heading(form.velocity), "right")]
    lines = []
    for each in studies:
        for position, row in enumerate(each.rows):
            cells = [_nerve(each.study), each.study.recording_site or "?"] if position == 0 else ["", ""]
            cells += [_site(row, notes), *(number(row.at_site.get(name), notes) for name in form.site)]
            if form.velocity:
                cells += [row.segment, _distance(row, each.study, notes)]
                cells.append(number(row.of_segment.get(form.velocity), notes))
            lines.append(cells)
    return table(columns, lines)


def _print_narrow(form: _Form, each: _StudyRows, notes: Notes) -> None:
    """Print one study as two small tables and a list."""
    print_lines(clean(f"{_nerve(each.study)}, recorded from {each.study.recording_site or '?'}"))
    columns = [("site", "left"), *((heading(name), "right") for name in form.site)]
    sites = [row for row in each.rows if row.at_site]
    lines = [[_site(row, notes), *(number(row.at_site.get(name), notes) for name in form.site)] for row in sites]
    print_table(table(columns, lines))
    if form.velocity:
        columns = [("segment", "left"), ("distance\nmm", "right"), (heading(form.velocity), "right")]
        lines = [
            [row.segment, _distance(row, each.study, notes), number(row.of_segment.get(form.velocity), notes)]
            for row in each.rows
        ]
        print_lines("")
        print_table(table(columns, lines))
    for row, found in _index_rows(form, each):
        words = [_index_words(found[name], notes) for name in form.indices if name in found]
        print_lines("", clean(f"{row.segment}:"), *(f"  {word}" for word in words))
    print_lines("")


def _nerve(study: Study) -> str:
    return f"{study.side.value if study.side is not None else 'side?'} {study.nerve or 'nerve?'}"


def _site(row: _Row, notes: Notes) -> str:
    if not row.at_site:
        return ""
    flags = {flag for m in row.at_site.values() for flag in m.flags}
    marks = [notes.mark(words) for flag, words in FLAGS.items() if flag in flags]
    return " ".join([row.site or "?", *marks])


def _distance(row: _Row, study: Study, notes: Notes) -> str:
    if row.distance_mm is None:
        return ""
    text = f"{row.distance_mm:.0f}" if float(row.distance_mm).is_integer() else f"{row.distance_mm:.1f}"
    origins = {trace.provenance["distance_mm"] for trace in study.traces if trace.stimulation_site in {row.site, None}}
    if Origin.PROTOCOL in origins:
        text = f"{text} {notes.mark('distance from the protocol, not measured at this visit')}"
    return text


def _index_words(m: Measurement, notes: Notes) -> str:
    row = QUANTITIES[m.quantity]
    unit = "" if m.value is None or row.display_unit == "1" else row.display_unit
    return f"{row.label} {number(m, notes)} {unit}".rstrip()


def _index_rows(form: _Form, each: _StudyRows) -> Iterator[tuple[_Row, dict[str, Measurement]]]:
    """Yield the segments that have indices; those of the whole study stand with the first."""
    whole = each.whole
    for row in each.rows:
        if form.indices and form.indices[0] in row.of_segment:
            yield row, {**whole, **row.of_segment}
            whole = {}


def _indices(form: _Form, studies: Sequence[_StudyRows], notes: Notes) -> Table:
    columns = [("nerve", "left"), ("segment", "left"), *((heading(name), "right") for name in form.indices)]
    lines = []
    for each in studies:
        name = _nerve(each.study)
        for row, found in _index_rows(form, each):
            lines.append([name, row.segment, *(number(found.get(index), notes) for index in form.indices)])
            name = ""
    return table(columns, lines)


def _legend(form: _Form) -> str:
    """Return what the headings of the indices stand for."""
    names = [(QUANTITIES[name].label, name.replace("_", " ")) for name in form.indices]
    words = [f"{label}: {name}" for label, name in names if "p/d" not in label]
    return ", ".join(["p/d: proximal over distal", *words])


def _facts(results: Sequence[VisitResult]) -> list[str]:
    studies = [study for result in results for study in result.visit.studies]
    lines = [
        "",
        f"skin temperature  {_per_study(studies, _temperature)}",
        f"filters           {_per_study(studies, _filters)}",
    ]
    files = ", ".join(dict.fromkeys(source.name for result in results for source in result.sources))
    methods = {str(result.parameters.get("onset_method", "?")) for result in results}
    versions = {result.version for result in results}
    lines.append(f"files             {clean(files)}")
    lines.append(
        f"analysed by       ncs {clean(', '.join(sorted(versions)))}, onset {clean(', '.join(sorted(methods)))}"
    )
    covariates = {name: value for result in results for name, value in result.visit.covariates.items()}
    if covariates:
        lines.append(f"covariates        {', '.join(f'{clean(n)} {clean(v)}' for n, v in covariates.items())}")
    return lines


def _per_study(studies: Sequence[Study], describe: Callable[[Study], str]) -> str:
    """Return what holds for every study, said once where it is the same."""
    said: dict[str, list[str]] = {}
    for study in studies:
        technique = study.technique.value if study.technique is not None else "study"
        said.setdefault(describe(study), []).append(f"{_nerve(study)} {technique}")
    if len(said) == 1:
        return clean(next(iter(said)))
    return clean("; ".join(f"{words} ({', '.join(dict.fromkeys(names))})" for words, names in said.items()))


def _temperature(study: Study) -> str:
    if study.skin_temperature_c is None:
        return "not stated"
    place = f" at {study.temperature_site}" if study.temperature_site else ""
    return f"{study.skin_temperature_c:.1f} °C{place}"


def _filters(study: Study) -> str:
    return " / ".join(dict.fromkeys(_filter(trace.filters) for trace in study.traces)) or "not stated"


def _filter(filters: Filters) -> str:
    if filters.low_cut_hz is None and filters.high_cut_hz is None:
        return filters.text or "not stated"
    low = f"{filters.low_cut_hz:g}" if filters.low_cut_hz is not None else "?"
    high = f"{filters.high_cut_hz:g}" if filters.high_cut_hz is not None else "?"
    return f"{low} to {high} Hz"
