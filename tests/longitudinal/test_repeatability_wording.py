"""What an estimate of repeatability says, what it refuses, and which recordings it takes."""

import datetime as dt
import math

import pytest

import ncs
from ncs.errors import InvalidInputError
from ncs.longitudinal import Repeatability, default_repeatability, repeatability
from ncs.results import Reason
from tests.longitudinal.build import NR, START, recording, store_of


def on_days(subject, values, **more):
    """Return one recording per day after the start and its value."""
    return [
        recording(subject, START + dt.timedelta(days=days), value, copy=copy, **more)
        for copy, (days, value) in enumerate(values)
    ]


def refusal(*results, **arguments):
    with store_of(*results) as store, pytest.raises(InvalidInputError) as caught:
        repeatability(store, **arguments)
    return str(caught.value)


def test_every_number_of_an_estimate():
    """Two groups, of two and of three: 3 degrees of freedom; chi-squared 9.3484 and 0.21580."""
    results = [*on_days("S1", ((0, 50.0), (14, 52.0))), *on_days("S2", ((0, 40.0), (1, 41.0), (2, 42.0)))]
    with store_of(*results) as store:
        found = repeatability(store)
    sd = math.sqrt((2.0 + 2.0) / 3)  # squares about the mean: 1 + 1, and 1 + 0 + 1
    cv = 100 * math.sqrt((2.0 / 51**2 + 2.0 / 41**2) / 3)
    low, high = math.sqrt(3 / 9.34840), math.sqrt(3 / 0.215795)
    expected = {"cv_percent": cv, "sd": sd, "degrees_of_freedom": 3, "n": 2}
    expected |= {"cv_low": cv * low, "cv_high": cv * high, "sd_low": sd * low, "sd_high": sd * high}
    assert {name: getattr(found, name) for name in expected} == pytest.approx(expected, rel=1e-5)
    assert found.source == "own repeated recordings: 2 groups of visits within 14 days, 2 subjects"


def test_days_are_counted_from_the_first_visit_of_a_group():
    days = (0, 14, 15, 29, 30)  # 0 with 14; 15 with 29; 30 alone
    with store_of(*on_days("S1", [(day, 50.0 + k * k) for k, day in enumerate(days)])) as store:
        found = repeatability(store)
        wider = repeatability(store, within_days=15)  # 0 with 14 and 15; 29 with 30
    assert (found.n, found.degrees_of_freedom) == (2, 2)
    assert found.sd == pytest.approx(math.sqrt((1.0 + 25.0) / 2 / 2))  # 50 and 51, 54 and 59
    assert (wider.n, wider.degrees_of_freedom) == (2, 3)
    assert found.source == "own repeated recordings: 2 groups of visits within 14 days, 1 subject"


def test_a_lost_response_does_not_end_a_group():
    results = [*on_days("S1", ((0, 50.0), (2, NR), (5, 51.0))), *on_days("S2", ((0, NR), (1, 40.0), (2, 41.0)))]
    with store_of(*results) as store:
        found = repeatability(store)
    assert (found.n, found.sd) == (2, pytest.approx(math.sqrt(0.5)))


def test_a_visit_at_another_place_repeats_nothing():
    results = [
        *on_days("S1", ((0, 50.0), (1, 51.0))), *on_days("S2", ((0, 40.0), (1, 41.0))),
        recording("S1", START + dt.timedelta(days=2), 70.0, segment="wrist-axilla"),
    ]  # fmt: skip
    with store_of(*results) as store:
        assert repeatability(store).degrees_of_freedom == 2


def test_recordings_of_one_visit_in_words():
    results = [recording(f"S{k}", START, 40.0 + k + copy, copy=copy) for k in range(3) for copy in range(k + 1)]
    with store_of(*results) as store:
        found = repeatability(store, within_days=0)
    assert (found.n, found.degrees_of_freedom) == (2, 3)
    assert found.source == "own repeated recordings: 2 groups of recordings of one visit, 2 subjects"


EXPECTED = "repeatability: expected at least 2 groups of "
OF = " with a value of motor_conduction_velocity of the median nerve, found "


def test_refusals_in_full():
    apart = [*on_days("S1", ((0, 50.0), (40, 51.0), (70, 52.0))), *on_days("S2", ((0, 50.0), (60, 50.0)))]
    assert (
        refusal(*apart)
        == f"{EXPECTED}visits within 14 days of each other{OF}0. The visits nearest to each other are 30 days apart"
    )
    assert refusal(*apart[:1]) == f"{EXPECTED}visits within 14 days of each other{OF}0"
    assert refusal(*apart, within_days=35) == (
        f"{EXPECTED}visits within 35 days of each other{OF}1. The visits nearest to each other are 30 days apart"
    )
    assert refusal(*apart, within_days=0) == (
        f"{EXPECTED}several recordings of one visit{OF}0. The visits nearest to each other are 30 days apart"
    )
    twice = [recording(f"S{k}", START, 40.0 + copy, copy=copy) for k in range(2) for copy in range(2)]
    assert refusal(*twice) == (
        f"{EXPECTED}visits within 14 days of each other{OF}0. There are 2 visits with several recordings: try "
        "within_days 0"
    )
    assert refusal(*twice[:2]) == f"{EXPECTED}visits within 14 days of each other{OF}0"
    assert refusal(*twice[:3], within_days=0) == f"{EXPECTED}several recordings of one visit{OF}1"
    assert refusal(within_days=-1) == "within_days: expected 0 or more, found -1"
    same = [one for k in range(2) for one in on_days(f"S{k}", ((0, 40.0), (1, 40.0)))]
    assert refusal(*same) == (
        "repeatability: expected recordings that differ, found 2 groups with equal values; the same recording may be "
        "stored under several names"
    )


def test_values_that_are_missing_are_no_recordings_of_a_visit():
    results = [recording(f"S{k}", START, value, copy=copy) for k in range(2) for copy, value in enumerate((40.0, NR))]
    assert refusal(*results).endswith("found 0")
    results = [recording("S1", START, Reason.CLIPPED), *on_days("S1", ((1, 40.0), (2, 41.0)))]
    assert "found 1" in refusal(*results)


@pytest.mark.parametrize(
    ("quantity", "nerve", "percent"),
    [
        ("motor_conduction_velocity", "any", 3.0), ("sensory_conduction_velocity", "any", 4.0),
        ("cmap_amplitude", "Median", 10.0), ("cmap_amplitude", "radial", 10.0),
        ("cmap_amplitude", "deep peroneal", 13.0),
        ("cmap_amplitude", "fibular", 13.0), ("snap_amplitude", "sural", 16.0), ("snap_amplitude", "ulnar", 11.0),
    ],
)  # fmt: skip
def test_published_figures_by_quantity_and_nerve(quantity, nerve, percent):
    assert default_repeatability(quantity, nerve) == Repeatability(
        cv_percent=percent, source="Muscle Nerve 1998;21:1368"
    )


def test_no_published_figure_in_full():
    with pytest.raises(InvalidInputError) as caught:
        default_repeatability("cmap_amplitude", "facial")
    assert str(caught.value) == (
        "repeatability: expected one for cmap_amplitude of the facial nerve, because no published figure comes with "
        "ncs; give a coefficient of variation in percent, or use your own repeated recordings (ncs repeatability)"
    )


def test_the_estimate_can_be_handed_to_change():
    results = [*on_days("S1", ((0, 50.0), (1, 51.0))), *on_days("S2", ((0, 40.0), (1, 41.0)))]
    with store_of(*results) as store:
        own = repeatability(store)
        table = ncs.change(store, repeatability=own)
    assert table.repeatability is own
    assert table.factor == pytest.approx(4.3027, abs=1e-4)  # Student's t, 2 degrees of freedom
