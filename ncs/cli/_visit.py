"""One visit on one screen: motor table, sensory table, indices, footnotes, and where it all comes from.

What the tables hold stands in ``ncs.report.tables``; here is how they fit into a window.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ncs.cli._output import clean, fits, print_lines, print_table, table
from ncs.io.merging import split_studies
from ncs.report import tables
from ncs.report.numbers import Notes
from ncs.report.reported import reported_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

    from ncs.report.tables import Form, StudyRows, TextTable
    from ncs.results import VisitResult

__all__ = ["print_visit"]

_LABEL_WIDTH = 18


def print_visit(results: Sequence[VisitResult]) -> None:
    """Print the tables of one visit, put together from the results of all its files."""
    first = results[0]
    sexes = {result.subject.sex for result in results} - {None}
    sex = f", {sexes.pop()}" if len(sexes) == 1 else ""
    print_lines(f"{clean(first.subject)}{clean(sex)}, {first.date if first.date is not None else 'no date'}", "")
    notes = Notes()
    for form, studies in tables.visit_forms(results):
        _print_form(form, studies, notes)
    _print_sides(results, notes)
    _print_reported(results, notes)
    print_lines(*notes.lines(), "", *(f"{label:<{_LABEL_WIDTH}}{words}" for label, words in tables.facts(results)))
    _print_apart(results)


def _print_sides(results: Sequence[VisitResult], notes: Notes) -> None:
    """Print what was corrected for temperature, and right minus left where a visit has both."""
    from ncs.measure._sides import side_differences

    corrected = tables.corrected_table(results, notes)
    if corrected is not None:
        print_lines("Corrected for skin temperature, which may be invalid in demyelination", "")
        print_table(_rich(corrected))
        print_lines("")
    found = tables.sides_table(side_differences(results), notes)
    if found is not None:
        print_lines("Side to side", "")
        print_table(_rich(found))
        print_lines("")


def _print_reported(results: Sequence[VisitResult], notes: Notes) -> None:
    """Print what the machine measured itself, beside our numbers."""
    found = reported_table(results, notes)
    if found is not None:
        print_lines("Measured by the machine itself (difference: machine less ncs)", "")
        print_table(_rich(found))
        print_lines("")


def _print_apart(results: Sequence[VisitResult]) -> None:
    """Say which studies lie in several files and were not joined, and why."""
    for problem in split_studies([result.visit for result in results])[1]:
        place = clean(f"{problem.place}: {problem.field}: expected {problem.expected}, found {problem.found}.")
        print_lines("", place, clean(problem.hint))


def _print_form(form: Form, studies: Sequence[StudyRows], notes: Notes) -> None:
    """Print the studies of one technique: as one table, or in a narrow window study by study."""
    print_lines(form.title, "")
    sites = tables.sites_table(form, studies, notes)
    indices = tables.index_table(form, studies, notes)
    made = [_rich(each) for each in (sites, indices) if each is not None and each.rows]
    if all(fits(each) for each in made):
        for each in made:
            print_table(each)
            print_lines("")
    else:
        for study in studies:
            _print_narrow(form, study, notes)
    if indices is not None:
        print_lines(tables.legend(form), "")
    others = tables.others_table([each for each in studies if form.is_plain or not each.rows], notes)
    if others is not None:
        print_table(_rich(others))
        print_lines("")


def _rich(plain: TextTable) -> Table:
    columns = [
        (f"{column.label}\n{column.unit}" if column.unit else column.label, "right" if column.is_number else "left")
        for column in plain.columns
    ]
    return table(columns, plain.rows)


def _print_narrow(form: Form, each: StudyRows, notes: Notes) -> None:
    """Print one study as two small tables and a list."""
    print_lines(clean(f"{tables.study_name(each.study)}, recorded from {each.study.recording_site or '?'}"))
    if form.site:
        print_table(_rich(tables.site_table(form, each, notes)))
    if form.velocity:
        print_lines("")
        print_table(_rich(tables.segment_table(form, each, notes)))
    for row, found in tables.index_rows(form, each):
        words = [tables.index_words(found[name], notes) for name in form.indices if name in found]
        print_lines("", clean(f"{row.segment}:"), *(f"  {word}" for word in words))
    print_lines("")
