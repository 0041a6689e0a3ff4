"""The sentences of a cohort and the numbers in them, from hand-made tables."""

import pytest

from ncs.longitudinal import _cohort_nouns as nouns
from ncs.longitudinal import cohort
from ncs.longitudinal._words import amount, multiplicity, p_value, quantity_in_words
from tests.longitudinal.build import RISING, covariate, table_of

VELOCITY = "motor_conduction_velocity"


def test_the_first_sentence_has_every_verdict_with_its_count():
    table = table_of({**RISING, "S5": (40.0, 40.0), "S6": (40.0, 30.0), "S7": (40.0, None), "S8": (40.0, 30.0, None)})
    assert cohort(table).sentence == (
        "Median motor conduction velocity increased beyond error in 4 of 8 subjects, decreased beyond error in 1, was "
        "unchanged within error in 1 and could not be compared in 2 (2 no longer recordable) after 6 to 12 months "
        "(median 12)."
    )


def test_reasons_are_counted_one_by_one():
    unlike = {"S3": {1: {"skin_temperature_c": 20.0}, 0: {"skin_temperature_c": 33.0}}}
    table = table_of({"S1": (40.0, None), "S2": (None, 40.0), "S3": (40.0, 41.0), "S4": (40.0, None)}, **unlike)
    together = cohort(table)
    assert together.not_comparable == {
        "no longer recordable": 2, "recordable now, not recordable at baseline": 1, "other skin temperature": 1,
    }  # fmt: skip
    assert together.sentence == (
        "Median motor conduction velocity could not be compared in 4 of 4 subjects (2 no longer recordable; 1 "
        "recordable now, not recordable at baseline; 1 other skin temperature) after 6 months."
    )
    assert (together.n, together.shift, together.tests) == (4, None, ())


def test_one_subject_is_told_in_the_singular():
    table = table_of({"S1": (4000.0, 8000.0)}, quantity="cmap_amplitude", unit="uV", months=(0, 12))
    first, shift, *rest = cohort(table).sentences
    assert first == "Median CMAP amplitude increased beyond error in 1 of 1 subject after 12 months."
    assert shift == (
        "The Hodges-Lehmann shift from baseline to last visit was +4.00 mV (too few for a 95 % interval); exact "
        "signed-rank test p = 1.000, n = 1."
    )
    assert rest == ["One p value was computed here. Every further quantity, nerve or segment looked at adds its own."]


def test_months_are_those_from_baseline_to_the_last_visit():
    table = table_of(
        {"S1": (30.0, 30.1), "S2": (30.0, 30.1, 30.2, 30.3), "S3": (30.0, 30.1, 30.2)}, months=(0, 6, 12, 24)
    )
    together = cohort(table)
    low, middle, high = together.months_low, together.median_months, together.months_high
    assert (low, middle, high) == pytest.approx((6.0, 12.0, 24.0), abs=0.03)
    empty = cohort(table_of({"S1": (30.0,)}))
    assert (empty.months_low, empty.median_months, empty.months_high) == (None, None, None)


def test_the_shift_with_and_without_an_interval():
    eight = table_of({f"S{k}": (30.0, 34.0 + k) for k in range(8)}, months=(0, 12))
    shift = cohort(eight).sentences[1]
    # n = 8: P(T+ <= 3) = 5 / 256, so the fourth smallest and largest Walsh means hold 96.1 %
    assert shift == (
        "The Hodges-Lehmann shift from baseline to last visit was +7.5 m/s (96.1 % interval +5.0 to +10.0); exact "
        "signed-rank test p = 0.0078, n = 8."
    )
    still = table_of({f"S{k}": (30.0 + k, 30.0 + k) for k in range(3)}, months=(0, 12))
    assert cohort(still).sentences[1] == (
        "The Hodges-Lehmann shift from baseline to last visit was 0.0 m/s (too few for a 95 % interval); every "
        "difference is zero, n = 3."
    )


def test_every_test_has_its_name():
    values = [one for code, fall in zip(RISING, (1, 2, 4, 3), strict=True)
              for one in (covariate(code, 0, 10.0), covariate(code, 12, 10.0 - fall))]  # fmt: skip
    together = cohort(table_of(RISING), values)
    assert [test.name for test in together.tests] == [
        "Wilcoxon signed-rank, last visit against baseline",
        "slope per year, mixed model",
        "rank correlation with the change of VEGF",
    ]
    assert [test.p for test in together.tests] == [
        together.shift.p, together.slope.p, together.correlations[0].p
    ]  # fmt: skip
    assert together.tests[0].p_holm <= 3 * together.tests[0].p


def test_warnings_in_full():
    few = cohort(table_of({"S1": (30.0, 36.0), "S2": (30.0, 37.0)}))
    assert few.warnings == (
        (
            "few subjects: 2 can be compared. Below 6 no signed-rank test can reach 5 % and there is no 95 % interval "
            "of the shift; read the subjects one by one"
        ),
        "the slope per year needs 3 subjects with two comparable visits, found 2",
    )
    assert cohort(table_of({f"S{k}": (30.0 + k, 36.0 + 1.1 * k, 42.0 + 2 * k) for k in range(6)})).warnings == ()


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ((35.0, None, 36.0), "The response became unrecordable in 1, in none at the last visit."),
        ((35.0, 36.0, None), "The response became unrecordable in 1."),
        ((None, 36.0, 37.0), "A response that was not recordable at baseline returned in 1."),
    ],
)
def test_what_was_lost_or_came_back_has_a_sentence(values, said):
    assert cohort(table_of({"S1": values})).sentences[1] == said


def test_how_many_p_values_there_are():
    one = nouns.Test(name="x", p=0.1, p_holm=0.1)
    assert multiplicity(()) == "No p value was computed."
    assert multiplicity([one]) == (
        "One p value was computed here. Every further quantity, nerve or segment looked at adds its own."
    )
    assert multiplicity([one, one, one]) == (
        "3 p values were computed here; those in the sentences are not corrected, and Holm's correction for all 3 "
        "stands beside each in the list of tests. Every further quantity, nerve or segment looked at adds its own."
    )


@pytest.mark.parametrize(
    ("p", "said"),
    [
        (0.00009, "p < 0.0001"), (0.0001, "p = 0.0001"), (0.00345, "p = 0.0034"), (0.0099, "p = 0.0099"),
        (0.01, "p = 0.010"), (0.0123, "p = 0.012"), (1.0, "p = 1.000"),
    ],
)  # fmt: skip
def test_p_values_in_words(p, said):
    assert p_value(p) == said


@pytest.mark.parametrize(
    ("quantity", "number", "options", "said"),
    [
        (VELOCITY, 6.04, {}, "6.0 m/s"), (VELOCITY, 6.04, {"sign": True}, "+6.0 m/s"),
        (VELOCITY, -0.04, {"sign": True}, "0.0 m/s"), (VELOCITY, -0.04, {}, "0.0 m/s"),
        (VELOCITY, -6.0, {"unit": False}, "-6.0"), ("cmap_amplitude_ratio", 0.5, {}, "0.50"),
    ],
)  # fmt: skip
def test_amounts_in_words(quantity, number, options, said):
    assert amount(quantity, number, **options) == said


def test_quantities_in_words():
    assert quantity_in_words("snap_peak_to_peak_amplitude") == "SNAP peak to peak amplitude"
    assert quantity_in_words(VELOCITY) == "motor conduction velocity"
