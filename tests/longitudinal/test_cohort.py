"""All subjects together: counts, tests, correlations, sentences."""

import subprocess
import sys

import numpy as np
import pytest

import ncs
from ncs.errors import InvalidInputError
from ncs.longitudinal import Covariate, Verdict, cohort, covariates, import_covariates
from ncs.longitudinal._covariates import Direction, compare, is_normal
from ncs.longitudinal._slope import slope
from tests.longitudinal.build import NR, START, course, covariate_csv, paper_store, store_of


@pytest.fixture(scope="module")
def paper(tmp_path_factory):
    """Return table, covariates and cohort of nine invented subjects."""
    with paper_store() as store:
        import_covariates(store, covariate_csv(tmp_path_factory.mktemp("csv") / "c.csv"), upper_limits={"VEGF": 38.3})
        table = ncs.change(store)
        values = covariates(store)
    return table, values, cohort(table, values)


def test_the_sentence_of_the_study(paper):
    table, _, together = paper
    assert together.sentence == (
        "Median motor conduction velocity increased beyond error in 7 of 9 subjects, was unchanged within error in 1 "
        "and could not be compared in 1 (1 no longer recordable) after 12 months."
    )
    assert together.sentences[0] == together.sentence
    text = " ".join(together.sentences)
    assert "VEGF fell in 9 and normalised in 5 (of 9 that began above 38.3 pg/mL)" in text
    assert "ONLS improved in 6 and was stable in 3" in text
    assert "The response became unrecordable in 1." in text
    assert together.counts == table.counts()
    assert together.counts[Verdict.INCREASED] == 7


def test_the_lost_response_is_in_no_mean(paper):
    table, _, together = paper
    assert together.shift.n == 8
    assert together.slope.n_subjects == 8
    assert together.slope.n_values == 24
    differences = [row.difference for row in table.last() if row.difference is not None]
    assert together.shift.low >= min(differences) > 0
    assert all("S09" not in {pair[0] for pair in one.pairs} for one in together.correlations)


def test_every_p_value_is_listed_and_corrected(paper):
    together = paper[2]
    assert len(together.tests) == 4
    assert "4 p values were computed here" in together.multiplicity
    assert together.multiplicity in together.sentences
    assert all(test.p <= test.p_holm <= 1 for test in together.tests)
    assert together.tests[0].p == pytest.approx(2 / 2**8)


def test_correlation_is_between_the_same_visits(paper):
    table, values, together = paper
    vegf = next(one for one in together.correlations if one.name == "VEGF")
    assert vegf.n == 8
    assert "1 with a value beyond a detection limit" in vegf.note
    (subject, changed, difference) = vegf.pairs[0]
    assert (subject, changed, difference) == ("S01", 22 - 1520, 11.0)
    moved = [one for one in values if one.date == START]
    assert cohort(table, moved).correlations[0].note.startswith("fewer than 4 subjects")


def test_few_subjects_are_warned_of():
    for n, few in ((5, True), (6, False)):
        with store_of(*(one for k in range(n) for one in course(f"S{k}", 30.0 + k, 36.0 + 1.1 * k))) as store:
            together = cohort(ncs.change(store))
        assert any("few subjects" in warning for warning in together.warnings) is few
        assert (together.shift.low is None) is few
        assert ("too few for a 95 % interval" in " ".join(together.sentences)) is few


def test_without_a_second_visit_nothing_is_claimed():
    with store_of(*course("S1", 35.0)) as store:
        together = cohort(ncs.change(store))
    assert (together.n, together.shift, together.tests) == (0, None, ())
    assert together.sentence == "No subject has a second visit with median motor conduction velocity."
    assert together.warnings == ("no subject has a second visit",)
    assert together.multiplicity == "No p value was computed."


def test_responses_lost_and_regained_are_counted_at_any_visit():
    with store_of(*course("S1", 35.0, NR, 36.0), *course("S2", NR, 30.0, 31.0), *course("S3", 35.0, 35.0, NR)) as store:
        together = cohort(ncs.change(store))
    assert (together.lost, together.lost_at_any_visit) == (1, 2)
    assert (together.regained, together.regained_at_any_visit) == (1, 1)
    text = " ".join(together.sentences)
    assert "The response became unrecordable in 2, in 1 at the last visit." in text
    assert "A response that was not recordable at baseline returned in 1." in text


def of(value, *, date=START, limit=None):
    if isinstance(value, str):
        number = float(value[1:])
        return Covariate(
            subject="S", date=date, name="x", text=value, upper_limit=limit,
            below=number if value[0] == "<" else None, above=number if value[0] == ">" else None,
        )  # fmt: skip
    return Covariate(subject="S", date=date, name="x", number=value, upper_limit=limit)


@pytest.mark.parametrize(
    ("first", "last", "direction"),
    [
        (20.0, 10.0, Direction.FELL), (10.0, 20.0, Direction.ROSE), (5.0, 5.0, Direction.SAME),
        (20.0, "<15", Direction.FELL), (15.0, "<15", Direction.FELL), (10.0, "<15", Direction.UNDETERMINED),
        ("<15", "<15", Direction.SAME), ("<15", "<20", Direction.UNDETERMINED), ("<15", 15.0, Direction.ROSE),
        (">2000", 900.0, Direction.FELL), (">2000", ">2000", Direction.SAME), (">2000", 2500.0, Direction.UNDETERMINED),
        (2000.0, ">2000", Direction.ROSE),
    ],
)  # fmt: skip
def test_values_beyond_a_detection_limit_are_compared_as_far_as_they_allow(first, last, direction):
    assert compare(of(first), of(last)) is direction


def test_normal_is_at_or_below_the_limit():
    assert is_normal(of(38.3), 38.3) is True
    assert is_normal(of(38.4), 38.3) is False
    assert is_normal(of("<15"), 38.3) is True
    assert is_normal(of("<50"), 38.3) is None
    assert is_normal(of(">2000"), 38.3) is False


def test_text_is_no_number():
    first, last = (Covariate(subject="S", date=START, name="drug", text=text) for text in ("100 mg", "200 mg"))
    assert compare(first, last) is Direction.UNDETERMINED
    assert compare(first, first) is Direction.SAME
    assert is_normal(first, 3.0) is None


def test_the_better_direction_of_other_scores_is_said_by_the_user(paper):
    table, values, _ = paper
    for direction, words in (("lower", "improved"), ("higher", "worsened")):
        together = cohort(table, values, better={"VEGF": direction})
        assert f"VEGF {words} in 9" in " ".join(together.sentences)
    with pytest.raises(InvalidInputError, match="'lower' or 'higher', found 'up'"):
        cohort(table, values, better={"VEGF": "up"})


def visits(rng, n, per_year, *, spread=0.0, noise=1.0):
    """Return subjects, years and values of unequal visits."""
    subjects, years, values = [], [], []
    for k in range(n):
        times = np.concatenate([[0.0], np.sort(rng.uniform(0.2, 2.0, rng.integers(1, 4)))])
        slope_here = per_year + spread * rng.standard_normal()
        for t in times:
            subjects.append(f"S{k}")
            years.append(float(t))
            values.append(float(35 + 4 * np.sin(k) + slope_here * t + noise * rng.standard_normal()))
    return subjects, years, values


def test_slope_of_unequal_visits_finds_the_truth():
    found = slope(*visits(np.random.default_rng(1), 30, 6.0, spread=1.0))
    assert found.low < 6.0 < found.high
    assert found.high - found.low < 3
    assert found.p < 0.001
    assert "mixed model" in found.method


def test_slope_without_change_is_seldom_significant():
    hits = sum(slope(*visits(np.random.default_rng(seed), 9, 0.0)).p < 0.05 for seed in range(24))
    assert hits <= 4  # of 24 at 5 %; more happens less than once in a hundred times


def test_slope_needs_three_subjects_with_two_visits():
    found = slope(["A", "A", "B", "B", "C"], [0, 1, 0, 1, 0], [30, 31, 32, 33, 34])
    assert found.per_year is None
    assert "needs 3 subjects with two comparable visits, found 2" in found.reason


def test_values_without_any_scatter_do_not_break_the_model():
    found = slope(["A", "A", "B", "B", "C", "C"], [0, 1, 0, 1, 0, 1], [30.0] * 6)
    assert found.per_year is None or found.per_year == pytest.approx(0.0, abs=1e-6)


def test_a_missing_extra_is_named_and_the_rest_goes_on(paper, monkeypatch):
    table, values, _ = paper
    monkeypatch.setitem(sys.modules, "statsmodels", None)
    together = cohort(table, values)
    assert together.slope.per_year is None
    assert "the slope per year needs statsmodels, which is not installed: pip install 'ncs[stats]'" in together.warnings
    assert together.shift.n == 8
    assert len(together.tests) == 3


def test_importing_loads_nothing_heavy():
    code = (
        "import sys, ncs.longitudinal as l; l.ChangeTable; import ncs; ncs.ChangeTable\n"
        "bad = {'numpy', 'pandas', 'scipy', 'statsmodels', 'sqlalchemy'} & set(sys.modules); assert not bad, bad\n"
        "assert ncs.change is l.change"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_visits_that_cannot_be_compared_stay_out_of_the_slope():
    results = [one for k in range(4) for one in course(f"S{k}", 30.0 + k, 31.0 + 1.2 * k)]
    odd = course("S9", 30.0, 90.0)
    odd[1] = course("S9", 30.0, 90.0, distance_mm=400.0)[1]
    with store_of(*results, *odd) as store:
        together = cohort(ncs.change(store))
    assert together.slope.n_subjects == 4
    assert together.not_comparable == {"other distance": 1}
