"""Covariates beside a change table: how they went, and how they go together with the change of the quantity."""

import pytest

from ncs.errors import InvalidInputError
from ncs.longitudinal import Correlation, CovariateSummary, Slope, cohort
from ncs.longitudinal._words import _correlation, _covariate, p_value
from tests.longitudinal.build import RISING, below, covariate, table_of


@pytest.fixture(autouse=True)
def without_slope(monkeypatch):
    """Leave the mixed model out: it is slow, and has tests of its own."""
    monkeypatch.setattr("ncs.longitudinal._cohort.slope", lambda *columns: Slope())


def correlation(table, values):
    (found,) = cohort(table, values).correlations
    return found


def test_the_correlation_pairs_changes_between_the_same_visits():
    """The covariate falls where the velocity rises most; other subjects, other days and text take no part."""
    falls = {"S1": 10.0, "S2": 20.0, "S3": 30.0, "S4": 40.0}
    values = [
        one for code, fall in falls.items() for one in (covariate(code, 0, 100.0), covariate(code, 12, 100.0 - fall))
    ]
    values += [
        covariate("S9", 0, 5.0),
        covariate("S9", 12, 1.0),
        covariate("S1", 6, 999.0),
        covariate("S1", 12, 7.0, days=1),
    ]
    found = correlation(table_of(RISING), values)
    assert [(code, changed) for code, changed, _ in found.pairs] == [(code, -fall) for code, fall in falls.items()]
    assert [difference for *_, difference in found.pairs] == pytest.approx([6.0, 6.2, 6.4, 6.6])
    assert (found.name, found.n, found.rho, found.note) == ("VEGF", 4, pytest.approx(-1.0), "")
    assert found.p == pytest.approx(2 / 24)


def test_the_correlation_says_why_there_is_none():
    three = [one for code in ("S1", "S2", "S3") for one in (covariate(code, 0, 9.0), covariate(code, 12, 8.0))]
    found = correlation(table_of(RISING), [*three, covariate("S4", 0, 9.0)])
    assert (found.rho, found.p, found.n) == (None, None, 3)
    assert len(found.pairs) == 3
    assert found.note == "fewer than 4 subjects with VEGF at both visits"
    same = correlation(table_of(RISING), [*three, covariate("S4", 0, 9.0), covariate("S4", 12, 8.0)])
    assert (same.rho, same.p, same.n, len(same.pairs)) == (None, None, 4, 4)
    assert same.note == "VEGF or the quantity changed by the same amount in all"
    words = cohort(table_of(RISING), three).sentences
    assert (
        "No rank correlation with the change of VEGF: fewer than 4 subjects with VEGF at both visits." in words
    )  # fmt: skip


def test_the_correlation_counts_values_beyond_a_detection_limit():
    values = [
        covariate("S1", 0, 100.0), below("S1", 12, 15.0), below("S2", 0, 15.0), covariate("S2", 12, 90.0),
        below("S3", 0, 15.0), below("S3", 12, 20.0), covariate("S4", 0, 100.0), covariate("S4", 12, 50.0),
    ]  # fmt: skip
    found = correlation(table_of(RISING), values)
    assert [changed for _, changed, _ in found.pairs] == [-85.0, 75.0, 5.0, -50.0]
    assert found.note == "3 with a value beyond a detection limit, which enters as the limit"
    (said,) = [one for one in cohort(table_of(RISING), values).sentences if "rank correlation" in one]
    assert said == (
        f"The change of motor conduction velocity and that of VEGF had a rank correlation of {found.rho:+.2f} "
        f"(Spearman, {p_value(found.p)}, n = 4; 3 with a value beyond a detection limit, which enters as the limit)."
    )


def test_text_takes_no_part_in_a_correlation():
    values = [
        one
        for code in RISING
        for one in (covariate(code, 0, None, text="100 mg"), covariate(code, 12, None, text="50 mg"))
    ]
    assert correlation(table_of(RISING), values).n == 0


def test_a_correlation_without_a_note():
    table = table_of(RISING)
    found = Correlation(name="x", rho=-0.5, p=0.2, n=5)
    assert _correlation(found, table) == (
        "The change of motor conduction velocity and that of x had a rank correlation of -0.50 (Spearman, p = 0.200, "
        "n = 5)."
    )
    for partial in ({"rho": None, "p": 0.2}, {"rho": 0.1, "p": None}):
        said = _correlation(Correlation(name="x", n=5, note="why", **partial), table)
        assert said == "No rank correlation with the change of x: why."


def summary(values, better=None, table=None):
    (found,) = cohort(table if table is not None else table_of(RISING), values, better=better).covariates
    return found


def test_a_summary_compares_the_first_with_the_last_value_of_a_subject():
    values = [
        covariate("S1", 12, 10.0), covariate("S1", 6, 99.0), covariate("S1", 0, 20.0),  # in no order: 20 fell to 10
        covariate("S2", 0, 10.0), covariate("S2", 6, 30.0),
        covariate("S3", 0, 10.0), covariate("S3", 12, 10.0),
        below("S4", 12, 15.0), covariate("S4", 0, 10.0),
    ]  # fmt: skip
    found = summary(values)
    assert (found.n, found.fell, found.rose, found.same, found.undetermined) == (4, 1, 1, 1, 1)
    assert (found.above_limit, found.normalised, found.upper_limit, found.unit, found.better) == (
        None,
        None,
        None,
        "",
        "",
    )
    assert _covariate(found) == (
        "VEGF fell in 1, rose in 1, was unchanged in 1 and could not be told in 1 (beyond a detection limit); 4 "
        "subjects with two values or more."
    )


def test_one_value_is_no_change():
    found = summary([covariate("S1", 0, 10.0), covariate("S2", 0, 10.0), covariate("S2", 12, 9.0)])
    assert (found.n, found.fell, found.same) == (1, 1, 0)
    assert _covariate(found) == "VEGF fell in 1; 1 subject with two values or more."
    alone = cohort(table_of(RISING), [covariate("S1", 0, 10.0)])
    assert alone.covariates[0].n == 0
    assert not any("covariates" in one or "VEGF fell" in one for one in alone.sentences)


def test_covariates_are_explained_once_after_all_of_them():
    values = [
        one for name in ("B", "a") for one in (covariate("S1", 0, 2.0, name=name), covariate("S1", 12, 1.0, name=name))
    ]
    together = cohort(table_of(RISING), values)
    assert [one.name for one in together.covariates] == [one.name for one in together.correlations] == ["a", "B"]
    start = next(k for k, one in enumerate(together.sentences) if one.startswith("a fell"))
    assert together.sentences[start : start + 3] == (
        "a fell in 1; 1 subject with two values or more.",
        "B fell in 1; 1 subject with two values or more.",
        "For covariates any difference between first and last value counts.",
    )


@pytest.mark.parametrize(
    ("pairs", "limits", "expected"),
    [
        (((50.0, 30.0), (50.0, 40.0), (30.0, 20.0)), (38.3,), (2, 1, 38.3)),
        (((30.0, 20.0), (38.3, 50.0)), (38.3,), (0, 0, 38.3)),
        (((50.0, 30.0), (50.0, 30.0)), (38.3, 40.0), (None, None, None)),
        (((50.0, 30.0),), (), (None, None, None)),
    ],
)
def test_normalised_are_those_that_began_above_the_one_limit(pairs, limits, expected):
    values = [
        one
        for k, (first, last) in enumerate(pairs)
        for one in (
            covariate(f"S{k + 1}", 0, first, unit="pg/mL", upper_limit=limits[k % len(limits)] if limits else None),
            covariate(f"S{k + 1}", 12, last, unit="pg/mL"),
        )
    ]
    found = summary(values)
    assert (found.above_limit, found.normalised, found.upper_limit) == expected
    assert found.unit == "pg/mL"
    said = "normalised in" in _covariate(found)
    assert said is bool(expected[0])


def test_the_sentence_of_a_limit():
    def said(**more):
        usual = {"name": "x", "unit": "pg/mL", "n": 2, "fell": 2, "rose": 0, "same": 0, "undetermined": 0}
        return _covariate(CovariateSummary(**{**usual, **more}))

    limit = {"above_limit": 2, "normalised": 0, "upper_limit": 38.3}
    tail = "; 2 subjects with two values or more."
    assert said(**limit) == f"x fell in 2 and normalised in 0 (of 2 that began above 38.3 pg/mL){tail}"
    assert said(**limit, unit="") == f"x fell in 2 and normalised in 0 (of 2 that began above 38.3){tail}"
    assert said(above_limit=0, normalised=0, upper_limit=38.3) == f"x fell in 2{tail}"
    assert said(same=1, better="lower") == f"x improved in 2 and was stable in 1{tail}"
    assert said(rose=1, same=1, better="higher") == f"x improved in 1, worsened in 2 and was stable in 1{tail}"


def test_two_units_are_no_unit():
    values = [covariate("S1", 0, 2.0, unit="a"), covariate("S1", 12, 1.0, unit="b")]
    assert summary(values).unit == ""
    assert summary([covariate("S1", 0, 2.0), covariate("S1", 12, 1.0, unit="b")]).unit == "b"


@pytest.mark.parametrize(
    ("name", "better"),
    [
        ("ONLS", "lower"), ("onls (0-12)", "lower"), ("ODSS total", "lower"), ("INCAT", "lower"), ("mRS", "lower"),
        ("NDS", "lower"), ("NIS", "lower"), ("Grip, right", "higher"), ("R-ODS", ""), ("I-RODS", "higher"),
        ("RODS", "higher"), ("MRC sum", "higher"), ("VEGF", ""), ("total ONLS", ""),
    ],
)  # fmt: skip
def test_the_better_direction_is_known_by_the_first_word(name, better):
    values = [covariate("S1", 0, 2.0, name=name), covariate("S1", 12, 1.0, name=name)]
    assert summary(values).better == better
    assert summary(values, better={name: "higher"}).better == "higher"


def test_a_direction_is_named_with_its_covariate():
    with pytest.raises(InvalidInputError) as caught:
        cohort(table_of(RISING), better={"VEGF": "lower", "ONLS": "down"})
    assert str(caught.value) == "better, ONLS: expected 'lower' or 'higher', found 'down'"
