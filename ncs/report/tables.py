"""The tables of a visit as plain text cells, after the usual clinical form; the terminal and the page print the same.

A technique with its own ``Form`` here is laid out as clinicians expect it; any other shows all its numbers, in the
order in which they were measured.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ncs.model import Origin, Technique
from ncs.quantities import QUANTITIES, TEMPERATURE_CORRECTED
from ncs.report.numbers import FLAGS, Notes, clean, display_unit, flag_words, number, quantity_words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from ncs.model import Filters, Study
    from ncs.results import Measurement, VisitResult

__all__ = [
    "Column", "Form", "StudyRows", "TextTable", "corrected_table", "facts", "filter_words", "index_rows", "index_table",
    "index_words", "legend", "others_table", "segment_table", "sides_table", "site_table", "sites_table", "study_name",
    "technique_of", "technique_words", "temperature_words", "visit_forms",
]  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """Which quantities of a technique stand in its table, and which in the line of indices.

    ``is_plain`` marks the form of a technique that has none of its own; what it leaves out has to be shown beside it.
    """

    title: str
    site: tuple[str, ...]
    velocity: str = ""
    indices: tuple[str, ...] = ()
    is_plain: bool = False


_FORMS: dict[Technique, Form] = {
    Technique.MOTOR: Form(
        title="Motor",
        site=("motor_latency", "cmap_amplitude", "cmap_area", "cmap_duration"),
        velocity="motor_conduction_velocity",
        indices=(
            "cmap_amplitude_ratio", "cmap_area_ratio", "cmap_duration_ratio", "terminal_latency_index",
            "residual_latency",
        ),
    ),
    Technique.SENSORY: Form(
        title="Sensory",
        site=("sensory_onset_latency", "sensory_peak_latency", "snap_amplitude", "snap_peak_to_peak_amplitude"),
        velocity="sensory_conduction_velocity",
    ),
    Technique.MIXED: Form(
        title="Mixed",
        site=("mixed_onset_latency", "mixed_peak_latency", "mixed_amplitude", "mixed_peak_to_peak_amplitude"),
        velocity="mixed_conduction_velocity",
    ),
    Technique.INCHING: Form(
        title="Inching",
        site=("motor_latency", "cmap_amplitude", "cmap_area"),
        velocity="latency_step",
        indices=("cmap_amplitude_ratio", "cmap_area_ratio", "latency_step_per_10_mm", "latency_step_maximum",
                 "amplitude_step_maximum"),
    ),
    Technique.REPETITIVE_STIMULATION: Form(
        title="Repetitive stimulation",
        site=(),
        indices=(
            "train_first_amplitude", "decrement_4th", "decrement_5th", "decrement_maximum", "decrement_last",
            "area_decrement_4th", "increment_maximum", "exercise_increment", "stimulation_rate",
        ),
    ),
}  # fmt: skip


_NAMED_BESIDE_OTHERS = {"cmap_amplitude": "M wave"}
"""Headings that would not be clear beside the quantities of another response."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """Heading of a column, with the unit that stands below it; numbers stand to the right."""

    label: str
    unit: str = ""
    is_number: bool = False
    is_unbroken: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TextTable:
    """A table of cells that are text; what came out of a file is not cleaned yet."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(slots=True)
class Row:
    """One line of a table: a site, a segment, or both."""

    site: str | None = None
    at_site: dict[str, Measurement] = field(default_factory=dict)
    segment: str = ""
    of_segment: dict[str, Measurement] = field(default_factory=dict)
    distance_mm: float | None = None


@dataclass(frozen=True, slots=True)
class StudyRows:
    """A study, its lines, what was measured of it as a whole, and what its form has no place for."""

    study: Study
    rows: list[Row]
    whole: dict[str, Measurement]
    others: tuple[Measurement, ...]


def visit_forms(results: Sequence[VisitResult]) -> Iterator[tuple[Form, list[StudyRows]]]:
    """Yield the studies of every technique that a visit has, with the form they are shown in."""
    parts = [
        (study, [m for m in result.measurements if m.study_index == index])
        for result in results
        for index, study in enumerate(result.visit.studies)
    ]
    techniques = [*_FORMS, *(study.technique for study, _ in parts)]
    for technique in dict.fromkeys(techniques):
        chosen = [part for part in parts if part[0].technique is technique]
        if chosen:
            form = _FORMS.get(technique) if technique is not None else None
            form = form or _plain_form(technique, [m for _, mine in chosen for m in mine])
            yield form, [_study_rows(form, study, mine) for study, mine in chosen]


def _plain_form(technique: Technique | None, measurements: Iterable[Measurement]) -> Form:
    """Return a form for a technique without one of its own: sites, and segments where they have one quantity."""
    names = dict.fromkeys(m.quantity for m in measurements)
    per_site = tuple(name for name in names if QUANTITIES[name].per == "site")
    per_segment = [name for name in names if QUANTITIES[name].per == "segment"]
    velocity = per_segment[0] if len(per_segment) == 1 else ""
    return Form(title=technique_words(technique).capitalize(), site=per_site, velocity=velocity, is_plain=True)


def technique_of(quantity: str) -> Technique | None:
    """Return the technique whose form has a place for a quantity."""
    for technique, form in _FORMS.items():
        if quantity in {*form.site, *form.indices, form.velocity}:
            return technique
    return None


def technique_words(technique: Technique | None) -> str:
    """Return the name of a technique as a person writes it."""
    return technique.value.replace("_", " ") if technique is not None else "technique not stated"


def _study_rows(form: Form, study: Study, measurements: Sequence[Measurement]) -> StudyRows:
    rows: list[Row] = []
    whole: dict[str, Measurement] = {}
    placed = {*form.site, *form.indices, form.velocity}
    for m in (m for m in measurements if m.quantity in placed):
        if m.segment is not None:
            row = _segment_row(rows, m)
            row.of_segment[m.quantity] = m
            row.distance_mm = row.distance_mm if m.distance_mm is None else m.distance_mm
        elif m.quantity in form.site:
            if not rows or rows[-1].site != m.site or m.quantity in rows[-1].at_site:
                rows.append(Row(site=m.site))
            rows[-1].at_site[m.quantity] = m
        else:
            whole[m.quantity] = m
    if rows and not rows[0].segment:
        _name_distal_segment(rows[0], study, whole, form)
    return StudyRows(study, rows, whole, tuple(m for m in measurements if m.quantity not in placed))


def _segment_row(rows: list[Row], m: Measurement) -> Row:
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
        best = Row()
        rows.append(best)
    best.segment = name
    return best


def _name_distal_segment(row: Row, study: Study, whole: dict[str, Measurement], form: Form) -> None:
    """Put the distance to the recording electrode, and why a lone site has no velocity, into the distal line."""
    distances = [m.distance_mm for m in row.at_site.values() if m.distance_mm is not None]
    if distances and row.site is not None:
        row.segment, row.distance_mm = f"{study.recording_site or 'electrode'}-{row.site}", distances[0]
    if form.velocity in whole:
        row.of_segment[form.velocity] = whole[form.velocity]


def _quantity(name: str) -> Column:
    return Column(label=QUANTITIES[name].label, unit=display_unit(name), is_number=True)


def _site_columns(form: Form) -> tuple[Column, ...]:
    names = _NAMED_BESIDE_OTHERS if form.is_plain else {}
    columns = (replace(_quantity(name), label=names.get(name, _quantity(name).label)) for name in form.site)
    return (Column(label="site"), *columns)


def _segment_columns(form: Form) -> tuple[Column, ...]:
    if not form.velocity:
        return ()
    distance = Column(label="distance", unit="mm", is_number=True)
    return (Column(label="segment"), distance, _quantity(form.velocity))


def _site_cells(form: Form, row: Row, notes: Notes) -> tuple[str, ...]:
    return (_site(row, notes), *(number(row.at_site.get(name), notes) for name in form.site))


def _segment_cells(form: Form, row: Row, study: Study, notes: Notes) -> tuple[str, ...]:
    if not form.velocity:
        return ()
    return _segment(row, notes), _distance(row, study, notes), number(row.of_segment.get(form.velocity), notes)


def sites_table(form: Form, studies: Sequence[StudyRows], notes: Notes) -> TextTable:
    """Return all studies of a technique as one table: a line per site, beside it the segment that ends there."""
    columns = (Column(label="nerve"), Column(label="record"), *_site_columns(form), *_segment_columns(form))
    lines = []
    for each in studies if form.site else ():
        name = (study_name(each.study), each.study.recording_site or "?")
        for row in each.rows:
            cells = (*name, *_site_cells(form, row, notes), *_segment_cells(form, row, each.study, notes))
            lines.append(cells)
            name = ("", "")
    return TextTable(columns=columns, rows=tuple(lines))


def site_table(form: Form, each: StudyRows, notes: Notes) -> TextTable:
    """Return the sites of one study."""
    rows = tuple(_site_cells(form, row, notes) for row in each.rows if row.at_site)
    return TextTable(columns=_site_columns(form), rows=rows)


def segment_table(form: Form, each: StudyRows, notes: Notes) -> TextTable:
    """Return the segments of one study."""
    rows = tuple(_segment_cells(form, row, each.study, notes) for row in each.rows)
    return TextTable(columns=_segment_columns(form), rows=rows)


def study_name(study: Study) -> str:
    """Return side and nerve."""
    return f"{study.side.value if study.side is not None else 'side?'} {study.nerve or 'nerve?'}"


def _site(row: Row, notes: Notes) -> str:
    if not row.at_site:
        return ""
    found = list(row.at_site.values())
    flags = {flag for m in found for flag in m.flags}
    marks = [notes.mark(flag_words(flag, found)) for flag in FLAGS if flag in flags]
    return " ".join([row.site or "?", *marks])


def _segment(row: Row, notes: Notes) -> str:
    """Return the name of a segment with the flags that its sites do not have already."""
    known = {flag for m in row.at_site.values() for flag in m.flags}
    flags = {flag for m in row.of_segment.values() for flag in m.flags} - known
    return " ".join([row.segment, *(notes.mark(words) for flag, words in FLAGS.items() if flag in flags)]).strip()


def _distance(row: Row, study: Study, notes: Notes) -> str:
    if row.distance_mm is None:
        return ""
    text = f"{row.distance_mm:.0f}" if float(row.distance_mm).is_integer() else f"{row.distance_mm:.1f}"
    origins = {trace.provenance["distance_mm"] for trace in study.traces if trace.stimulation_site in {row.site, None}}
    if Origin.PROTOCOL in origins:
        text = f"{text} {notes.mark('distance from the protocol, not measured at this visit')}"
    return text


def index_words(m: Measurement, notes: Notes) -> str:
    """Return an index with its name and unit."""
    column = _quantity(m.quantity)
    unit = "" if m.value is None else column.unit
    return f"{column.label} {number(m, notes)} {unit}".rstrip()


def index_rows(form: Form, each: StudyRows) -> Iterator[tuple[Row, dict[str, Measurement]]]:
    """Yield the segments that have indices; those of the whole study stand with the first."""
    whole = each.whole
    for row in each.rows:
        if form.indices and form.indices[0] in row.of_segment:
            yield row, {**whole, **row.of_segment}
            whole = {}


def index_table(form: Form, studies: Sequence[StudyRows], notes: Notes) -> TextTable | None:
    """Return the indices of all studies of a technique, or ``None`` where there are none."""
    lines = []
    for each in studies:
        name = study_name(each.study)
        for row, found in index_rows(form, each):
            lines.append((name, row.segment, *(number(found.get(index), notes) for index in form.indices)))
            name = ""
    columns = (Column(label="nerve"), Column(label="segment"), *map(_quantity, form.indices))
    return TextTable(columns=columns, rows=tuple(lines)) if lines else None


def others_table(studies: Sequence[StudyRows], notes: Notes, *, with_missing: bool = True) -> TextTable | None:
    """Return what the forms of these studies have no place for, a line per number; ``None`` where there is nothing."""
    labels = ("nerve", "where", "quantity", "value", "unit", "how")
    rows = []
    for each in studies:
        name = study_name(each.study)
        for m in (m for m in each.others if with_missing or m.value is not None):
            unit = display_unit(m.quantity) if QUANTITIES[m.quantity].unit else m.unit
            where = m.segment or m.site or ""
            rows.append((name, where, quantity_words(m.quantity), number(m, notes), unit, m.method))
            name = ""
    columns = tuple(Column(label=label, is_number=label == "value") for label in labels)
    return TextTable(columns=columns, rows=tuple(rows)) if rows else None


def corrected_table(results: Sequence[VisitResult], notes: Notes) -> TextTable | None:
    """Return what was corrected for skin temperature beside what was measured; ``None`` where nothing was."""
    rows = []
    for result in results:
        measured = {(m.study_index, m.quantity, m.site, m.segment): m for m in result.measurements}
        for name, other in TEMPERATURE_CORRECTED.items():
            for m in (m for m in result.measurements if m.quantity == other):
                before = measured.get((m.study_index, name, m.site, m.segment))
                study = result.visit.studies[m.study_index]
                warmth = temperature_words(study)
                rows.append((study_name(study), m.segment or m.site or "", quantity_words(name), number(before, notes),
                             number(m, notes), display_unit(name), warmth))  # fmt: skip
    labels = ("nerve", "where", "quantity", "measured", "corrected", "unit", "skin")
    columns = tuple(
        Column(label=label, is_number=label in {"measured", "corrected"}, is_unbroken=label == "nerve")
        for label in labels
    )
    return TextTable(columns=columns, rows=tuple(rows)) if rows else None


def sides_table(differences: Sequence[Measurement], notes: Notes) -> TextTable | None:
    """Return what ``ncs.analysis.side_differences`` found, a line per quantity; ``None`` where there is nothing."""
    rows = []
    for m in differences:
        what = quantity_words(m.quantity.removesuffix("_side_difference"))
        sides = m.method.removeprefix("right minus left; ") if m.value is not None else ""
        rows.append((m.nerve or "nerve?", m.segment or m.site or "", what, number(m, notes),
                     display_unit(m.quantity), sides))  # fmt: skip
    labels = ("nerve", "where", "quantity", "right - left", "unit", "of")
    columns = tuple(
        Column(label=label, is_number=label == "right - left", is_unbroken=label == "nerve") for label in labels
    )
    return TextTable(columns=columns, rows=tuple(rows)) if rows else None


def legend(form: Form) -> str:
    """Return what the headings of the indices stand for."""
    names = [(QUANTITIES[name].label, quantity_words(name)) for name in form.indices]
    ratios = ["p/d: proximal over distal"] if any("p/d" in label for label, _ in names) else []
    return ", ".join([*ratios, *(f"{label}: {name}" for label, name in names if "p/d" not in label)])


def facts(results: Sequence[VisitResult]) -> list[tuple[str, str]]:
    """Return what has to be said beside the numbers: skin temperature, filters, files, analysis, covariates."""
    studies = [study for result in results for study in result.visit.studies]
    methods = {str(result.parameters.get("onset_method", "?")) for result in results}
    versions = {result.version for result in results}
    said = [
        ("skin temperature", _per_study(studies, temperature_words)),
        ("filters", _per_study(studies, filter_words)),
        ("files", ", ".join(dict.fromkeys(source.name for result in results for source in result.sources))),
        ("analysed by", f"ncs {', '.join(sorted(versions))}, onset {', '.join(sorted(methods))}"),
    ]
    covariates = {name: value for result in results for name, value in result.visit.covariates.items()}
    if covariates:
        said.append(("covariates", ", ".join(f"{clean(n)} {clean(v)}" for n, v in covariates.items())))
    return [(label, clean(words)) for label, words in said]


def _per_study(studies: Sequence[Study], describe: Callable[[Study], str]) -> str:
    """Return what holds for every study, said once where it is the same."""
    said: dict[str, list[str]] = {}
    for study in studies:
        technique = technique_words(study.technique) if study.technique is not None else "study"
        said.setdefault(describe(study), []).append(f"{study_name(study)} {technique}")
    if len(said) == 1:
        return next(iter(said))
    return "; ".join(f"{words} ({', '.join(dict.fromkeys(names))})" for words, names in said.items())


def temperature_words(study: Study) -> str:
    """Return the skin temperature of a study, and where it was taken."""
    if study.skin_temperature_c is None:
        return "not stated"
    place = f" at {study.temperature_site}" if study.temperature_site else ""
    return f"{study.skin_temperature_c:.1f} °C{place}"


def filter_words(study: Study) -> str:
    """Return the filters of a study; several, where its traces differ."""
    return " / ".join(dict.fromkeys(_filter(trace.filters) for trace in study.traces)) or "not stated"


def _filter(filters: Filters) -> str:
    if filters.low_cut_hz is None and filters.high_cut_hz is None:
        return filters.text or "not stated"
    low = f"{filters.low_cut_hz:g}" if filters.low_cut_hz is not None else "?"
    high = f"{filters.high_cut_hz:g}" if filters.high_cut_hz is not None else "?"
    return f"{low} to {high} Hz"
