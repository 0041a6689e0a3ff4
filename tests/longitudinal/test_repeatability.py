"""Repeatability: published figures, and own repeated recordings."""

import datetime as dt
import math

import numpy as np
import pytest

import ncs
from ncs.errors import InvalidInputError
from ncs.longitudinal import default_repeatability, repeatability
from ncs.results import Reason
from tests.longitudinal.build import course, day, recording, store_of


def repeated(rng, n, cv=0.03, days=(0, 7)):
    """Return ``n`` subjects examined on several days without change."""
    return [
        recording(f"S{k:02}", day(0) + dt.timedelta(days=d), true * (1 + cv * rng.standard_normal()))
        for k, true in enumerate(rng.uniform(35, 60, n))
        for d in days
    ]


def test_published_figures():
    assert default_repeatability("motor_conduction_velocity", "median").cv_percent == 3.0
    assert default_repeatability("sensory_conduction_velocity", "sural").cv_percent == 4.0
    assert default_repeatability("cmap_amplitude", "ulnar").cv_percent == 10.0
    assert default_repeatability("cmap_amplitude", "tibial").cv_percent == 13.0
    assert default_repeatability("snap_amplitude", "superficial fibular").cv_percent == 16.0
    assert default_repeatability("snap_amplitude", "superficial radial").cv_percent == 11.0
    for quantity, nerve in (("cmap_amplitude", "facial"), ("distal_motor_latency", "median")):
        with pytest.raises(InvalidInputError, match="use your own repeated recordings"):
            default_repeatability(quantity, nerve)


def test_pairs_give_the_textbook_numbers():
    pairs = {"S1": (50.0, 52.0), "S2": (40.0, 39.0), "S3": (45.0, 45.6)}
    results = [
        recording(code, day(0) + dt.timedelta(days=7 * k), value)
        for code, v in pairs.items()
        for k, value in enumerate(v)
    ]
    with store_of(*results) as store:
        found = repeatability(store)
    assert found.sd == pytest.approx(math.sqrt((2.0**2 + 1.0**2 + 0.6**2) / 2 / 3))
    relative = [(2.0 / 51), (1.0 / 39.5), (0.6 / 45.3)]
    assert found.cv_percent == pytest.approx(100 * math.sqrt(sum(r**2 for r in relative) / 2 / 3))
    assert (found.n, found.degrees_of_freedom) == (3, 3)
    assert found.source == "own repeated recordings: 3 groups of visits within 14 days, 3 subjects"
    # chi-squared, 3 degrees of freedom: 9.3484 and 0.21580
    assert found.sd_low == pytest.approx(found.sd * math.sqrt(3 / 9.3484), rel=1e-4)
    assert found.sd_high == pytest.approx(found.sd * math.sqrt(3 / 0.21580), rel=1e-4)


def test_many_pairs_give_the_true_coefficient_of_variation():
    with store_of(*repeated(np.random.default_rng(1), 300)) as store:
        found = repeatability(store)
    standard_error = 3.0 / math.sqrt(2 * 300)
    assert found.degrees_of_freedom == 300
    assert found.cv_percent == pytest.approx(3.0, abs=3 * standard_error)


def test_the_interval_holds_the_truth_as_often_as_it_says():
    rng, held = np.random.default_rng(5), 0
    for _ in range(40):
        with store_of(*repeated(rng, 6)) as store:
            found = repeatability(store)
        held += found.cv_low < 3.0 < found.cv_high
    assert held >= 34  # of 40 at 95 %, fewer happen once in two hundred times


def test_more_than_two_visits_near_to_each_other_are_one_group():
    with store_of(*repeated(np.random.default_rng(6), 4, days=(0, 5, 13, 120))) as store:
        found = repeatability(store)
    assert (found.n, found.degrees_of_freedom) == (4, 8)


def test_recordings_of_one_visit_are_used_only_when_asked_for():
    results = [
        recording(f"S{k}", day(0), value, copy=copy)
        for k, pair in enumerate([(50.0, 50.5), (41.0, 40.6)])
        for copy, value in enumerate(pair)
    ]
    with store_of(*results) as store:
        with pytest.raises(InvalidInputError, match=r"found 0\. There are 2 visits with several recordings"):
            repeatability(store)
        found = repeatability(store, within_days=0)
    assert found.sd == pytest.approx(math.sqrt((0.5**2 + 0.4**2) / 2 / 2))
    assert "2 groups of recordings of one visit" in found.source


def test_too_few_repeats_are_refused_with_what_is_there():
    with store_of(*course("S1", 35.0, 36.0, 37.0)) as store:
        with pytest.raises(InvalidInputError, match=r"at least 2 groups .* found 0\. .* nearest .* 182 days apart"):
            repeatability(store)
        with pytest.raises(InvalidInputError, match="within_days: expected 0 or more"):
            repeatability(store, within_days=-1)
    with ncs.open_store(":memory:") as store, pytest.raises(InvalidInputError, match="found 0"):
        repeatability(store)


def test_what_is_not_recordable_repeats_nothing():
    results = [
        recording(f"S{k}", day(0) + dt.timedelta(days=7 * visit), value)
        for k, pair in enumerate([(50.0, Reason.NO_RESPONSE), (41.0, 40.0), (39.0, 40.0)])
        for visit, value in enumerate(pair)
    ]
    with store_of(*results) as store:
        assert repeatability(store).n == 2


def test_the_same_recording_under_two_names_is_no_repeat():
    results = [recording(f"S{k}", day(0) + dt.timedelta(days=7 * v), 40.0) for k in range(3) for v in range(2)]
    with store_of(*results) as store, pytest.raises(InvalidInputError, match="3 groups with equal values"):
        repeatability(store)


def test_own_recordings_decide_a_change():
    steady = repeated(np.random.default_rng(7), 12, cv=0.01)
    with store_of(*steady, *course("T1", 35.0, 37.0)) as store:
        own = repeatability(store)
        rows = {row.subject: row for row in ncs.change(store, repeatability=own).rows}
        published = {row.subject: row for row in ncs.change(store).rows}
    assert 0.6 < own.cv_percent < 1.6
    assert rows["T1"].verdict.value == "increased"
    assert published["T1"].verdict.value == "unchanged within error"
