"""Which place of a subject is compared: what the arguments choose, what counts when several are stored."""

import datetime as dt

import pytest

import ncs
from ncs.errors import InvalidInputError
from ncs.longitudinal import NotComparable, Series, Verdict, VisitValue, repeatability
from ncs.longitudinal._change import change_of
from ncs.longitudinal._repeatability import default_repeatability
from ncs.longitudinal._series import checked_quantity, series_of
from ncs.model import Side
from tests.longitudinal.build import NR, START, course, day, recording, store_of

VELOCITY = "motor_conduction_velocity"
AMPLITUDE = {"quantity": "cmap_amplitude", "segment": None, "sd": 20.0}


@pytest.fixture(scope="module")
def places():
    """A store of one quantity at several places: sites, sides, subjects; a velocity of two segments, two nerves."""
    results = [
        *course("S1", 4000.0, 4100.0, site="wrist", copy=1, **AMPLITUDE),
        *course("S1", 3900.0, 4000.0, site="elbow", copy=2, **AMPLITUDE),
        *course("S1", 3800.0, 3900.0, site="wrist", side=Side.LEFT, copy=3, **AMPLITUDE),
        *course("S2", 3000.0, 3100.0, site="wrist", copy=4, **AMPLITUDE),
        *course("S1", 50.0, 51.0, segment="wrist-elbow", copy=5),
        *course("S1", 60.0, 61.0, segment="elbow-axilla", copy=6),
        *course("S1", 52.0, 53.0, nerve="ulnar", copy=7),
    ]
    with store_of(*results) as store:
        yield store


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({}, [("S1", "right", "wrist"), ("S1", "right", "elbow"), ("S1", "left", "wrist"), ("S2", "right", "wrist")]),
        ({"site": "WRIST"}, [("S1", "right", "wrist"), ("S1", "left", "wrist"), ("S2", "right", "wrist")]),
        ({"side": "left"}, [("S1", "left", "wrist")]),
        ({"subject": "S2"}, [("S2", "right", "wrist")]),
        ({"subject": ["S2"], "site": "elbow"}, []),
        ({"site": "wrist", "side": "right", "subject": "S1"}, [("S1", "right", "wrist")]),
    ],
)
def test_side_site_and_subject_choose_the_series(places, wanted, found):
    table = ncs.change(places, "cmap_amplitude", **wanted)
    assert [(row.subject, row.side, row.site) for row in table.rows] == found
    assert {(one.subject, one.side, one.site) for one in table.series} == set(found)


def test_segment_and_nerve_choose_the_series(places):
    everything = ncs.change(places)
    assert (everything.quantity, everything.nerve, everything.unit) == (VELOCITY, "median", "m/s")
    assert [row.segment for row in everything.rows] == ["wrist-elbow", "elbow-axilla"]
    assert [row.segment for row in ncs.change(places, segment="elbow-axilla").rows] == ["elbow-axilla"]
    assert [row.baseline.value for row in ncs.change(places, nerve="ulnar").rows] == [52.0]
    row = ncs.change(places, "cmap_amplitude", subject="S2").rows[0]
    assert (row.quantity, row.nerve, row.unit, row.series.recording_site) == ("cmap_amplitude", "median", "uV", "APB")


def test_repeatability_is_estimated_from_the_chosen_places_only():
    """Two subjects; what they repeat differs by 1 at one place and by 10 at every other."""
    results, copy = [], 0
    for subject in ("S1", "S2", "S3", "S4"):
        for site in ("wrist", "elbow"):
            for side in (Side.RIGHT, Side.LEFT):
                copy += 1
                chosen = subject in {"S1", "S2"} and site == "wrist" and side is Side.RIGHT
                for days, value in ((0, 5000.0), (7, 5001.0 if chosen else 5010.0)):
                    date = START + dt.timedelta(days=days)
                    results.append(recording(subject, date, value, site=site, side=side, copy=copy, **AMPLITUDE))
    with store_of(*results) as store:
        for without, n in (("site", 4), ("side", 4), ("subject", 4), (None, 2)):
            wanted = {"site": "wrist", "side": "right", "subject": ["S1", "S2"]}
            wanted.pop(without, None)
            found = repeatability(store, "cmap_amplitude", **wanted)
            assert found.n == n
            assert (found.sd == pytest.approx(0.5**0.5)) is (without is None)


def test_repeatability_is_estimated_from_the_chosen_segment_and_nerve():
    results = [
        recording(subject, START + dt.timedelta(days=days), 50.0 + change * (days > 0), segment=segment, nerve=nerve)
        for subject in ("S1", "S2")
        for days in (0, 7)
        for nerve, segment, change in (
            ("median", "wrist-elbow", 1.0), ("median", "elbow-axilla", 3.0), ("ulnar", "wrist-elbow", 5.0)
        )
    ]  # fmt: skip
    with store_of(*results) as store:
        for nerve, segment, change in (("median", "elbow-axilla", 3.0), ("ulnar", None, 5.0)):
            assert repeatability(store, nerve=nerve, segment=segment).sd == pytest.approx(change / 2**0.5)
        assert repeatability(store).n == 4


def series(*values, subject="S1", start=0, side="right", site=None, segment="wrist-elbow", distance_mm=None):
    return Series(
        subject=subject, quantity=VELOCITY, unit="m/s", nerve="median", side=side, site=site, segment=segment,
        visits=tuple(
            VisitValue(subject=subject, date=day(start + 6 * k), value=value, sd=0.1, distance_mm=distance_mm)
            for k, value in enumerate(values)
        ),
    )  # fmt: skip


def table_of(*these):
    return change_of(these, quantity=VELOCITY, nerve="median", repeatability=default_repeatability(VELOCITY, "median"))


@pytest.mark.parametrize(
    ("second", "first"),
    [
        (series(40.0, 41.0, 42.0, start=1), series(30.0, 31.0)),  # the earliest baseline before the most visits
        (series(40.0, 41.0), series(30.0, 31.0, 32.0, side="left")),  # the most visits before the side
        (series(40.0, 41.0, side="left"), series(30.0, 31.0)),
        (series(40.0, 41.0, side=None), series(30.0, 31.0, side="left")),
        (
            series(40.0, 41.0, site="elbow", distance_mm=300.0, segment=None),
            series(30.0, 31.0, site="wrist", distance_mm=80.0, segment=None),
        ),
        (  # the side before the distance
            series(40.0, 41.0, site="wrist", distance_mm=80.0, segment=None, side="left"),
            series(30.0, 31.0, site="elbow", distance_mm=300.0, segment=None),
        ),
    ],
)
def test_the_rank_of_several_series_of_a_subject(second, first):
    for order in ((first, second), (second, first)):
        assert table_of(*order).chosen() == (first,)


def test_of_equals_the_first_in_the_table_is_chosen():
    """Segments come distal first, as they were measured; their lengths say nothing about which is distal."""
    distal, proximal = series(30.0, 31.0, distance_mm=240.0), series(50.0, 51.0, segment="elbow-axilla", distance_mm=90)
    table = table_of(distal, proximal)
    assert table.chosen() == (distal,)
    assert [row.series for row in table.last()] == [distal]


def test_the_last_visit_of_each_subject_counts():
    table = table_of(series(30.0, 30.1, 40.0), series(30.0, 30.1, 20.0, 30.1, subject="S2"), series(35.0, subject="S3"))
    assert [(row.subject, row.visit.date) for row in table.last()] == [("S1", day(12)), ("S2", day(18))]
    assert table.counts() == {
        Verdict.INCREASED: 1, Verdict.DECREASED: 0, Verdict.UNCHANGED: 1, Verdict.NOT_COMPARABLE: 0,
    }  # fmt: skip
    assert len(table) == len(table.rows) == 5


def test_a_place_that_the_baseline_had_is_not_another_place():
    """The elbow is skipped at the second visit and the wrist at the third: neither stands for the other."""
    results = [
        *course("S1", 4000.0, 4100.0, site="wrist", copy=1, **AMPLITUDE),
        recording("S1", day(0), 3900.0, site="elbow", **AMPLITUDE),
        recording("S1", day(12), 3950.0, site="elbow", **AMPLITUDE),
    ]
    with store_of(*results) as store:
        wrist, elbow = series_of(store, "cmap_amplitude", "median")
    assert [visit.date for visit in wrist.visits] == [day(0), day(6)]
    assert [visit.date for visit in elbow.visits] == [day(0), day(12)]


def test_a_series_begins_with_its_own_first_visit():
    results = [
        recording("S1", day(0), 4000.0, site="wrist", **AMPLITUDE),
        *course("S1", 3900.0, 3950.0, site="elbow", copy=2, **AMPLITUDE)[1:],
    ]
    with store_of(*results) as store:
        wrist, elbow = series_of(store, "cmap_amplitude", "median")
    assert [(visit.date, visit.place) for visit in wrist.visits] == [
        (day(0), ""),
        (day(6), "right, elbow, recorded from APB"),
    ]
    assert [(visit.date, visit.value) for visit in elbow.visits] == [(day(6), 3950.0)]


@pytest.mark.parametrize(
    ("later", "said"),
    [
        ({"site": "elbow"}, "right, elbow, recorded from APB"),
        ({"site": None, "side": None}, "side not stated, recorded from APB"),
        ({"site": "elbow", "recording_site": None}, "right, elbow"),
    ],
)
def test_another_place_is_said_with_what_is_known_of_it(later, said):
    results = [
        recording("S1", day(0), 4000.0, site="wrist", **AMPLITUDE),
        recording("S1", day(6), 4100.0, **{**AMPLITUDE, **later}),
    ]
    with store_of(*results) as store:
        row = ncs.change(store, "cmap_amplitude").rows[0]
    assert row.reason is NotComparable.OTHER_SITE
    assert row.detail == f"measured {said}; at baseline right median, wrist, recorded from APB"
    assert row.why == f"other site ({row.detail})"


@pytest.mark.parametrize(
    ("more", "place"),
    [
        ({"side": None}, "side? median, wrist-elbow, recorded from APB"),
        ({"segment": "?-elbow"}, "right median, ?-elbow, recorded from APB"),
        ({"segment": "wrist-?", "recording_site": None}, "right median, wrist-?"),
        ({"segment": None}, "right median, recorded from APB"),
    ],
)
def test_an_unknown_place_is_said_with_what_is_known_of_it(more, place):
    with store_of(*course("S1", 35.0, 41.0, **more)) as store:
        row = ncs.change(store).rows[0]
    assert (row.verdict, row.reason, row.detail) == (Verdict.NOT_COMPARABLE, NotComparable.SITE_NOT_STATED, place)
    assert row.difference is None


def test_a_quantity_of_a_site_needs_the_site_and_one_of_a_segment_does_not():
    with store_of(*course("S1", 4000.0, 4100.0, site=None, **AMPLITUDE)) as store:
        assert ncs.change(store, "cmap_amplitude").rows[0].reason is NotComparable.SITE_NOT_STATED
    with store_of(*course("S1", 4000.0, 4100.0, site="wrist", **AMPLITUDE)) as store:
        assert ncs.change(store, "cmap_amplitude").rows[0].reason is None
    with store_of(*course("S1", 50.0, 51.0, site=None)) as store:
        assert ncs.change(store).rows[0].reason is None


def test_a_wrong_quantity_is_refused_with_the_nearest_name_if_one_is_near():
    expected = "quantity: expected a name in ncs.quantities.QUANTITIES, found "
    near = (("cmap_amplitud", "cmap_amplitude"), ("velocity", "motor_conduction_velocity"))
    for wrong, hint in (*((wrong, f" Did you mean {name!r}?") for wrong, name in near), ("zzzz", "")):
        with pytest.raises(InvalidInputError) as caught:
            checked_quantity(wrong)
        assert str(caught.value) == f"{expected}{wrong!r}.{hint}"


def test_what_several_recordings_of_a_visit_say_together():
    results = [
        recording(
            "S1",
            day(0),
            34.0,
            sd=0.3,
            copy=0,
            distance_mm=210.0,
            skin_temperature_c=32.0,
            flags=("multiple_peaks", "edited"),
        ),
        recording(
            "S1",
            day(0),
            36.0,
            sd=0.4,
            copy=1,
            distance_mm=230.0,
            skin_temperature_c=None,
            flags=("edited", "short_segment"),
        ),
        recording("S1", day(0), NR, copy=2, distance_mm=None, skin_temperature_c=33.0),
        recording("S2", day(0), 34.0, sd=0.3, copy=0),
        recording("S2", day(0), 36.0, sd=None, copy=1),
    ]
    with store_of(*results) as store:
        first, second = (one.baseline for one in series_of(store, VELOCITY, "median"))
    assert (first.subject, first.value, first.values, first.n_recordings) == ("S1", 35.0, (34.0, 36.0), 3)
    assert first.sd == pytest.approx(0.25)  # of the mean of two
    assert (first.distance_mm, first.skin_temperature_c) == (220.0, 32.5)
    assert (first.reason, first.reason_text, first.recordable) == (None, "", True)
    assert len(set(first.runs)) == 3
    assert (first.flags, second.flags) == (("multiple_peaks", "edited", "short_segment"), ())
    names = [f"S1_{day(0)}_{copy}.edf" for copy in range(3)]
    assert first.source == ", ".join(names)
    assert (second.value, second.sd) == (35.0, None)  # one of them unknown
