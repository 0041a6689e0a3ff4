"""Marks and measurements compared with those that are expected, within the tolerances of the reference set."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

    from ncs.detect.marks import Marks
    from ncs.regression import Tolerances
    from ncs.results import Measurement, VisitResult

__all__ = ["assert_marks_close", "assert_measurements_close"]

ToleranceChoice: TypeAlias = "Mapping[str, float] | Tolerances | None"

_CODES = ("outcome", "flags")
_MARK_COLUMNS = (
    ("sweep", "right"), ("field", "left"), ("expected", "right"), ("found", "right"), ("difference", "right"),
    ("tolerance", "right"),
)  # fmt: skip


def assert_marks_close(
    actual: Marks,
    expected: Marks | Mapping[str, ArrayLike],
    *,
    response: str | None = None,
    tolerance: ToleranceChoice = None,
    fields: Collection[str] | None = None,
) -> None:
    """Assert that marks are those that are expected, sweep by sweep.

    A number may move as far as its tolerance; a number in the place of NaN, NaN in the place of a number, another
    outcome and other flags are never close.

    Parameters
    ----------
    actual
        As returned by ``ncs.detect.mark``.
    expected
        Marks, or some fields of them: ``{"onset_ms": [3.40, 3.42], "outcome": [0, 0]}``; only those are compared.
    response
        What was marked, a key of ``ncs.detect.RESPONSES``: the voltages of a sensory response may move by less than
        those of a motor one. Without it, the reference set's table of marks counts, whose voltages are those of a CMAP.
    tolerance
        By field, in the unit that its name ends in: instead of that of the reference set. Or the tolerances of another
        set (``ncs.regression.read_tolerances``).
    fields
        Fields to compare; default all that ``expected`` has.

    Raises
    ------
    AssertionError
        With a table of what is farther off: sweep (from 0), field, expected, found, difference, tolerance.
    InvalidInputError
        When there is no such field or response.

    Examples
    --------
    >>> from ncs import detect, simulate
    >>> sweeps = simulate.cmap(3, seed=1)
    >>> marks = detect.mark(sweeps.samples_uv, 20_000.0, stimulus_ms=sweeps.stimulus_ms)
    >>> assert_marks_close(marks, marks)
    >>> assert_marks_close(marks, {"onset_ms": marks.onset_ms - [0, 0, 0.1]})  # doctest: +ELLIPSIS
    Traceback (most recent call last):
      ...
    AssertionError: marks are not as expected: 1 difference in 1 of 3 sweeps
    sweep  field     expected    found  difference  tolerance
        2  onset_ms   7.59...  7.69...        +0.1       0.02
    """
    __tracebackhide__ = True
    allowed = _mark_tolerances(tolerance, response)
    columns = _columns(expected, fields)
    rows: list[list[str]] = []
    for name, wanted in columns.items():
        found = _array(getattr(actual, name))
        if wanted.shape != found.shape:
            raise AssertionError(f"marks are not as expected: {name}: expected {_count(wanted)}, found {_count(found)}")
        rows += _mark_rows(name, wanted, found, allowed.get(name))
    if rows:
        rows.sort(key=lambda row: int(row[0]))  # sweep by sweep; fields in their own order
        touched = len({row[0] for row in rows})
        sweeps = f"{touched} of {len(actual)} sweeps"
        raise AssertionError(_message("marks", len(rows), f" in {sweeps}", _MARK_COLUMNS, rows))


def _count(values: NDArray[Any]) -> str:
    if values.ndim != 1:
        return f"an array of shape {values.shape}"
    return f"{values.shape[0]} sweep" + ("" if values.shape[0] == 1 else "s")


def _array(values: ArrayLike) -> NDArray[np.float64]:
    import numpy as np

    return np.atleast_1d(np.asarray(values, np.float64))


def _columns(
    expected: Marks | Mapping[str, ArrayLike], chosen: Collection[str] | None
) -> dict[str, NDArray[np.float64]]:
    """Return what is expected, by the fields to compare, in the order of the fields of marks."""
    from ncs.detect.marks import Marks

    known = tuple(each.name for each in fields(Marks))
    there = tuple(expected) if isinstance(expected, Mapping) else known
    _refuse_unknown("fields", {*there, *(chosen or ())}, known)
    wanted = [name for name in known if name in (there if chosen is None else chosen)]
    if absent := [name for name in wanted if name not in there]:
        from ncs.errors import InvalidInputError

        raise InvalidInputError(f"expected: nothing is expected of {', '.join(absent)}; found {', '.join(there)}")
    values = expected if isinstance(expected, Mapping) else {name: getattr(expected, name) for name in known}
    return {name: _array(values[name]) for name in wanted}


def _mark_tolerances(choice: ToleranceChoice, response: str | None) -> dict[str, float]:
    from ncs._tolerances import tolerances_of_marks, usual_tolerances
    from ncs.detect import RESPONSES
    from ncs.detect.marks import Marks

    if response is not None:
        _refuse_unknown("response", [response], tuple(RESPONSES))
    own = choice if isinstance(choice, Mapping) else {}
    numbers = tuple(each.name for each in fields(Marks) if each.name not in _CODES)
    _refuse_unknown("tolerance", own, numbers)
    base = usual_tolerances() if choice is None or isinstance(choice, Mapping) else choice
    return tolerances_of_marks(base, response) | _checked(own)


def _checked(tolerances: Mapping[str, float]) -> dict[str, float]:
    from ncs.errors import InvalidInputError

    for name, value in tolerances.items():
        if not value >= 0:
            raise InvalidInputError(f"tolerance: {name}: expected 0 or more, found {value!r}")
    return dict(tolerances)


def _refuse_unknown(what: str, names: Iterable[str], known: Collection[str]) -> None:
    from ncs.errors import InvalidInputError

    if odd := sorted(set(names) - set(known)):
        raise InvalidInputError(f"{what}: expected one of {', '.join(known)}, found {', '.join(map(repr, odd))}")


def _mark_rows(
    name: str, expected: NDArray[np.float64], found: NDArray[np.float64], tolerance: float | None
) -> Iterator[list[str]]:
    """Yield a row for each sweep in which a field is not as expected; without a tolerance it may not move at all."""
    from ncs._moves import exceeds

    for sweep, (old, new) in enumerate(zip(expected.tolist(), found.tolist(), strict=True)):
        if old == new or (math.isnan(old) and math.isnan(new)):
            continue
        if name in _CODES:
            yield [str(sweep), name, _code(name, old), _code(name, new), "", ""]
            continue
        by = new - old
        if math.isnan(by) or exceeds(abs(by), tolerance or 0.0):
            amount = "" if math.isnan(by) else f"{by:+.4g}"
            yield [str(sweep), name, f"{old:.6g}", f"{new:.6g}", amount, f"{tolerance or 0.0:g}"]


def _code(name: str, value: float) -> str:
    """Return an outcome, or flags, by name."""
    from ncs.detect.marks import Flag, Outcome

    try:
        if name == "outcome":
            return Outcome(int(value)).name.lower()
        return "|".join(flag.name.lower() for flag in Flag(int(value)) if flag.name) or "none"
    except ValueError:
        return f"{value:g}"


def _message(what: str, n_rows: int, where: str, columns: Any, rows: list[list[str]]) -> str:
    from ncs.testing._tables import text_table

    differences = "1 difference" if n_rows == 1 else f"{n_rows} differences"
    return f"{what} are not as expected: {differences}{where}\n{text_table(columns, rows)}"


def assert_measurements_close(
    actual: VisitResult | Iterable[Measurement],
    expected: VisitResult | Iterable[Measurement],
    *,
    tolerance: ToleranceChoice = None,
) -> None:
    """Assert that measurements are those that are expected, as ``ncs check`` compares them.

    A value and its standard deviation may move as far as the tolerance of the quantity. Never close are a reason in the
    place of a value or the other way round, another reason, other flags, a measurement that is missing and one that was
    not expected.

    Parameters
    ----------
    actual, expected
        As returned by ``ncs.analyze``, or measurements; those of several results are told apart by ``study_index``.
    tolerance
        By quantity, in its unit, instead of that of the reference set; or the tolerances of another set
        (``ncs.regression.read_tolerances``).

    Raises
    ------
    AssertionError
        With a table of what is farther off.
    InvalidInputError
        When there is no such quantity.
    """
    __tracebackhide__ = True
    from ncs._moves import COLUMNS, cells, measurement_entries, moves
    from ncs._tolerances import usual_tolerances
    from ncs.quantities import QUANTITIES

    own = tolerance if isinstance(tolerance, Mapping) else {}
    _refuse_unknown("tolerance", own, tuple(QUANTITIES))
    base = usual_tolerances() if tolerance is None or isinstance(tolerance, Mapping) else tolerance
    allowed = replace(base, measurements={**base.measurements, **_checked(own)})
    old, new = (measurement_entries(_measurements(each)) for each in (expected, actual))
    rows = [cells(move) for move in moves(old, new, allowed) if move.breach]
    if rows:
        raise AssertionError(_message("measurements", len(rows), f" in {len(old)} expected", COLUMNS, rows))


def _measurements(result: VisitResult | Iterable[Measurement]) -> Iterable[Measurement]:
    from ncs.results import VisitResult

    return result.measurements if isinstance(result, VisitResult) else result
