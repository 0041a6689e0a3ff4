"""The mean slope per year: what goes into it, which model, and what is said of it."""

import numpy as np
import pytest

from ncs.longitudinal import Slope, cohort
from ncs.longitudinal import _slope as slope_module
from ncs.longitudinal._slope import slope
from ncs.longitudinal._words import p_value
from tests.longitudinal.build import table_of


def test_the_slope_is_per_year_and_its_sentence_has_its_numbers():
    """Six subjects rise by 4 to 8 m/s in a year, the same in each half of it: 6 m/s per year on average."""
    per_year = (4.0, 5.0, 6.0, 6.0, 7.0, 8.0)
    wobble = (0.1, -0.1, 0.05, -0.05, 0.1, -0.1)
    table = table_of({
        f"S{k}": (30.0 + k, 30.0 + k + rise / 2 + off, 30.0 + k + rise)
        for k, (rise, off) in enumerate(zip(per_year, wobble, strict=True))
    })  # fmt: skip
    together = cohort(table)
    found = together.slope
    assert found.per_year == pytest.approx(6.0, abs=0.05)
    assert found.low < found.per_year < found.high
    assert found.high - found.per_year == pytest.approx(found.per_year - found.low)
    assert (found.n_subjects, found.n_values, found.reason) == (6, 18, "")
    assert "Student's t with 5 degrees of freedom" in found.method
    (said,) = [one for one in together.sentences if "slope" in one]
    assert said == (
        f"The mean slope was {found.per_year:+.1f} m/s per year (95 % interval {found.low:+.1f} to {found.high:+.1f}, "
        f"{p_value(found.p)}; {found.method}; 18 values of 6 subjects)."
    )


def test_the_slope_takes_what_can_be_compared_and_each_baseline_once(monkeypatch):
    """Of the third subject one visit is lost, of the fourth the baseline: nothing of it can be compared."""
    given = []
    monkeypatch.setattr("ncs.longitudinal._cohort.slope", lambda *columns: given.append(columns) or Slope())
    cohort(table_of({"S1": (30.0, 31.0, 32.0), "S3": (33.0, None, 35.0), "S4": (None, 36.0, 37.0)}))
    ((subjects, years, values),) = given
    assert subjects == ["S1", "S1", "S1", "S3", "S3"]
    assert years == pytest.approx([0.0, 0.5, 1.0, 0.0, 1.0], abs=0.003)
    assert values == [30.0, 31.0, 32.0, 33.0, 35.0]


@pytest.mark.parametrize(
    ("subjects", "found"),
    [(["A", "A", "B", "B", "C"], 2), (["A", "A", "B", "B"], 2), (["A", "B", "C", "D"], 0), ([], 0)],
)
def test_the_slope_needs_three_subjects_with_two_values(subjects, found):
    made = slope(subjects, [float(k) for k in range(len(subjects))], [30.0] * len(subjects))
    assert made == Slope(
        n_subjects=len(set(subjects)), n_values=len(subjects),
        reason=f"the slope per year needs 3 subjects with two comparable visits, found {found}",
    )  # fmt: skip


def test_the_slope_falls_back_to_a_random_intercept_and_then_to_none(monkeypatch):
    tried, answers = [], [None, (2.0, 0.5)]

    def fitted(subjects, years, values, random):
        tried.append((subjects, years, values, random))
        return answers[len(tried) - 1] if len(tried) <= len(answers) else None

    monkeypatch.setattr(slope_module, "_fit", fitted)
    columns = (["A", "A", "B", "B", "C", "C"], [0.0, 1.0] * 3, [30.0, 32.0] * 3)
    found = slope(*columns)
    assert tried == [(*columns, "1 + years"), (*columns, "1")]
    # Student's t, 2 degrees of freedom: 4.3027 at 97.5 %; 2 / 0.5 = 4 leaves 5.72 %
    assert (found.per_year, found.low, found.high) == pytest.approx((2.0, 2.0 - 2.15135, 2.0 + 2.15135), abs=1e-4)
    assert found.p == pytest.approx(0.0572, abs=1e-4)
    assert found.method == (
        "linear mixed model (REML), random intercept per subject; Student's t with 2 degrees of freedom"
    )
    none = slope(*columns)
    assert none.reason == "the slope per year: the mixed model does not converge on these visits"
    assert (none.per_year, none.n_subjects, none.n_values) == (None, 3, 6)


def test_the_error_of_the_slope_is_that_of_the_lines_within_subjects():
    """Subjects seen at the same times: restricted likelihood divides by 20 values - 5 subjects - 1 slope."""
    rng = np.random.default_rng(2)
    years, start = np.array([0.0, 0.5, 1.0, 2.0]), rng.normal(40.0, 5.0, (5, 1))
    values = start + 6.0 * years + rng.normal(0.0, 1.0, (5, 4))
    subjects = np.repeat(list("ABCDE"), 4)
    per_year, error = slope_module._fit(subjects, np.tile(years, 5), values.ravel(), "1")
    x, y = years - years.mean(), values - values.mean(axis=1, keepdims=True)
    within = float((y @ x).sum() / (5 * x @ x))
    rest = float(((y - within * x) ** 2).sum())
    assert per_year == pytest.approx(within, rel=1e-4)
    assert error == pytest.approx((rest / (20 - 5 - 1) / (5 * x @ x)) ** 0.5, rel=1e-3)


def test_a_random_slope_goes_first():
    found = slope(["A", "A", "A", "B", "B", "B", "C", "C", "C"], [0.0, 0.5, 1.0] * 3,
                  [30.0, 33.1, 36.0, 31.0, 33.4, 36.0, 29.0, 32.6, 36.0])  # fmt: skip
    assert found.method.startswith("linear mixed model (REML), random intercept")
    assert found.per_year == pytest.approx(6.0, abs=0.1)  # the mean of 6, 5 and 7
