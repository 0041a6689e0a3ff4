"""What a change table says: the rule, notes, details and reasons. They are printed and quoted."""

import math

import pandas as pd
import pytest

import ncs
from ncs.errors import InvalidInputError
from ncs.longitudinal import CHANGE_COLUMNS, Change, NotComparable, Repeatability, Verdict
from ncs.longitudinal._change import change_of
from ncs.model import Side
from ncs.results import Reason
from tests.longitudinal.build import NR, course, day, recording, store_of

HEAD = (
    "A quantity has increased or decreased when it differs from baseline by more than {} x sqrt(s_marks^2 + "
    "s_repeat^2), a 95 % two-sided limit; otherwise it is unchanged within error. s_marks: the standard deviations of "
    "the two measurements themselves, from their marks, combined as sqrt(s1^2 + s2^2). s_repeat: sqrt(2) x {} of one "
    "visit ({}). {}, so noise is counted twice, which makes the rule stricter, not looser. Baseline is the first visit "
    "at which the quantity was studied at that place. Not compared: not recordable or not measured at one of the "
    "visits, another site, distances more than {} % apart, skin temperatures more than {} degrees C apart. Nothing is "
    "corrected for temperature."
)
PUBLISHED = "It is taken to contain everything that differs between two sessions, the noise of the recording included"
ESTIMATED = "That estimate contains the noise of its own recordings"


def one_change(*results, **arguments):
    with store_of(*results) as store:
        (row,) = ncs.change(store, **arguments).rows
    return row


def pair(first, second, *, before=None, now=None):
    """Return two recordings of one subject, half a year apart."""
    return recording("S1", day(0), first, **(before or {})), recording("S1", day(6), second, **(now or {}))


def test_the_rule_in_full():
    with store_of(*course("S1", 35.0, 41.0)) as store:
        published = ncs.change(store)
        estimate = Repeatability(sd=0.5, source="own", degrees_of_freedom=4)
        own = ncs.change(store, repeatability=estimate, temperature_limit_c=1.5, distance_tolerance_percent=12.5)
    size = "3 % of the mean of the two values, the coefficient of variation"
    assert published.rule == HEAD.format("1.96", size, "Muscle Nerve 1998;21:1368", PUBLISHED, "8", "2")
    multiple = "2.78 (Student's t, 4 degrees of freedom behind the repeatability)"
    size = "0.5 m/s, the within-subject standard deviation"
    assert own.rule == HEAD.format(multiple, size, "own", ESTIMATED, "12.5", "1.5")
    assert (own.temperature_limit_c, own.distance_tolerance_percent, own.repeatability) == (1.5, 12.5, estimate)


def test_the_limits_of_change_of_are_those_of_change():
    with store_of(*course("S1", 35.0, 41.0)) as store:
        whole = ncs.change(store)
        parts = change_of(
            whole.series, quantity=whole.quantity, nerve=whole.nerve, repeatability=whole.repeatability
        )  # fmt: skip
    assert parts == whole


def test_notes_of_the_table_in_full():
    results = [
        *course("S1", 35.0, 41.0), *course("S1", 35.0, 36.0, side=Side.LEFT), *course("S0", 35.0, 36.0, 37.0),
        *course("S0", 35.0, 36.0, segment="elbow-axilla"), *course("S3", 35.0), *course("S2", 35.0),
        *course("S4", 35.0, 36.0),
    ]  # fmt: skip
    with store_of(*results) as store:
        several, single = ncs.change(store).notes
        alone = ncs.change(store, subject="S4").notes
    assert several == (
        "several sides, sites or segments in S0, S1: counted once per subject, by the earliest baseline, then the most "
        "visits, right before left, the distal site first; choose with side, segment or site"
    )
    assert single == "one visit only, so not counted: S2, S3"
    assert alone == ()


def test_one_visit_at_one_of_two_places_is_not_told_where_the_other_counts():
    with store_of(*course("S1", 35.0, 41.0), *course("S1", 35.0, side=Side.LEFT)) as store:
        notes = ncs.change(store).notes
    assert len(notes) == 1
    assert "one visit only" not in notes[0]


UNSTATED = {"sd": None, "skin_temperature_c": None, "distance_mm": None}


@pytest.mark.parametrize(
    ("before", "now", "notes"),
    [
        ({}, {}, ()),
        ({"sd": None}, {}, ("no standard deviation of the marks at baseline",)),
        ({}, {"sd": None}, ("no standard deviation of the marks at this visit",)),
        ({"skin_temperature_c": None}, {}, ("skin temperature not stated at one of the visits",)),
        ({}, {"distance_mm": None}, ("distance not stated at one of the visits",)),
        (
            UNSTATED,
            UNSTATED,
            (
                "no standard deviation of the marks at baseline",
                "no standard deviation of the marks at this visit",
                "skin temperature not stated at both visits",
                "distance not stated at both visits",
            ),
        ),
    ],
)
def test_what_is_not_stated_is_noted(before, now, notes):
    row = one_change(*pair(35.0, 41.0, before=before, now=now))
    assert row.notes == notes
    assert row.verdict is Verdict.INCREASED
    assert row.sd == (
        None if before == now == UNSTATED else pytest.approx(0.1 * math.sqrt(2 - len({*before, *now} & {"sd"})))
    )


def test_what_is_not_stated_is_not_noted_where_a_value_is_missing():
    for first, second in ((NR, 41.0), (35.0, NR)):
        nothing = {"skin_temperature_c": None, "distance_mm": None}
        assert one_change(*pair(first, second, before=nothing, now=nothing)).notes == ()


def test_several_recordings_are_noted_with_those_that_lack_a_value():
    first = [recording("S1", day(0), value, copy=k) for k, value in enumerate((35.0, 35.0))]
    second = [recording("S1", day(6), value, copy=k) for k, value in enumerate((40.0, NR, 42.0))]
    notes = one_change(*first, *second).notes
    assert notes == ("2 recordings at baseline: mean", "3 recordings at this visit: mean, 1 without a value")
    nothing = [recording("S1", day(6), NR, copy=k) for k in range(2)]
    assert one_change(recording("S1", day(0), 35.0), *nothing).notes == ()


def test_of_several_reasons_the_one_that_is_not_no_response_is_told():
    def reason_of(*reasons):
        later = [recording("S1", day(6), reason, copy=k) for k, reason in enumerate(reasons)]
        row = one_change(recording("S1", day(0), 35.0), *later)
        return row.reason, row.detail

    clipped = (NotComparable.NOT_MEASURED_NOW, "the amplifier was saturated")
    assert reason_of(NR, Reason.CLIPPED) == reason_of(Reason.CLIPPED, NR) == clipped
    assert reason_of(Reason.CLIPPED, Reason.NO_DISTANCE) == clipped
    assert reason_of(NR, NR) == (NotComparable.NOT_RECORDABLE_NOW, "")


@pytest.mark.parametrize(
    ("first", "second", "reason", "why"),
    [
        (NR, 35.0, NotComparable.NOT_RECORDABLE_AT_BASELINE, "recordable now, not recordable at baseline"),
        (35.0, NR, NotComparable.NOT_RECORDABLE_NOW, "no longer recordable"),
        (NR, NR, NotComparable.NOT_RECORDABLE_AT_BOTH, "not recordable at both visits"),
        (
            Reason.NO_DISTANCE,
            NR,
            NotComparable.NOT_MEASURED_AT_BASELINE,
            "not measured at baseline (the distance is not stated)",
        ),
        (NR, Reason.NO_DISTANCE, NotComparable.NOT_MEASURED_NOW, "not measured (the distance is not stated)"),
        (
            Reason.NO_DISTANCE,
            Reason.CLIPPED,
            NotComparable.NOT_MEASURED_AT_BASELINE,
            "not measured at baseline (the distance is not stated)",
        ),
    ],
)
def test_why_two_visits_cannot_be_compared(first, second, reason, why):
    row = one_change(*pair(first, second))
    assert (row.verdict, row.reason, row.why) == (Verdict.NOT_COMPARABLE, reason, why)
    assert row.lost is (reason is NotComparable.NOT_RECORDABLE_NOW)
    assert row.regained is (reason is NotComparable.NOT_RECORDABLE_AT_BASELINE)
    assert row.months == pytest.approx(6.0, abs=0.02)
    assert (row.baseline.date, row.visit.date) == (day(0), day(6))


def test_the_limits_themselves_are_still_compared():
    far = pair(35.0, 41.0, before={"distance_mm": 96.0}, now={"distance_mm": 104.0})  # 8 % of their mean
    assert one_change(*far).verdict is Verdict.INCREASED
    assert one_change(*reversed(far)).verdict is Verdict.INCREASED
    farther = pair(35.0, 41.0, before={"distance_mm": 96.0}, now={"distance_mm": 104.1})
    assert one_change(*farther).reason is NotComparable.OTHER_DISTANCE
    cool = pair(35.0, 41.0, before={"skin_temperature_c": 33.0}, now={"skin_temperature_c": 31.0})
    assert one_change(*cool).verdict is Verdict.INCREASED
    cooler = pair(35.0, 41.0, before={"skin_temperature_c": 33.0}, now={"skin_temperature_c": 30.9})
    assert one_change(*cooler).why == "other skin temperature (30.9 °C, at baseline 33.0 °C)"


def test_a_difference_equal_to_the_error_is_no_change():
    steady = Repeatability(sd=1.0, source="test")
    error = 1.96 * math.sqrt(2)
    unmarked = {"before": {"sd": None}, "now": {"sd": None}}
    for far, verdict in (
        (error, Verdict.UNCHANGED),
        (-error, Verdict.UNCHANGED),
        (math.nextafter(error, 9), Verdict.INCREASED),
        (math.nextafter(-error, -9), Verdict.DECREASED),
    ):
        row = one_change(*pair(0.0, far, **unmarked), repeatability=steady)
        assert (row.error_95, row.difference, row.verdict) == (error, far, verdict)


def test_a_baseline_of_zero_has_no_percentage():
    more = {"quantity": "cmap_amplitude", "segment": None, "site": "wrist"}
    row = one_change(*pair(0.0, 500.0, before=more, now=more), quantity="cmap_amplitude")
    assert (row.difference, row.percent) == (500.0, None)
    row = one_change(*pair(500.0, 0.0, before=more, now=more), quantity="cmap_amplitude")
    assert (row.difference, row.percent, row.visit.recordable) == (-500.0, -100.0, True)


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"temperature_limit_c": -1.0}, "temperature_limit_c: expected a number above 0, found -1.0"),
        ({"distance_tolerance_percent": 0}, "distance_tolerance_percent: expected a number above 0, found 0"),
        ({"repeatability": -3.0}, "repeatability: expected a coefficient of variation above 0 %, found -3.0"),
        ({"repeatability": math.inf}, "repeatability: expected a coefficient of variation above 0 %, found inf"),
    ],
)
def test_wrong_limits_are_named(wrong, text):
    with ncs.open_store(":memory:") as store, pytest.raises(InvalidInputError) as caught:
        ncs.change(store, **wrong)
    assert str(caught.value) == text


def test_a_coefficient_below_one_percent_is_one_as_well():
    with store_of(*course("S1", 35.0, 35.5, sd=0.01)) as store:
        table = ncs.change(store, repeatability=0.5)
    assert table.repeatability == Repeatability(cv_percent=0.5, source="given by the user without a source")
    assert table.rows[0].repeatability_sd == pytest.approx(math.sqrt(2) * 0.005 * 35.25)


def test_repeatability_asks_for_numbers_above_zero():
    with pytest.raises(ValueError, match=r"^repeatability: expected cv_percent or sd, found neither$"):
        Repeatability(source="x")
    for wrong in ({"cv_percent": 0.0}, {"sd": 0.0}, {"sd": math.inf}, {"cv_percent": 3.0, "sd": math.nan}):
        with pytest.raises(ValueError, match=r"^repeatability: expected a number above 0, found (0\.0|inf|nan)$"):
            Repeatability(source="x", **wrong)
    assert Repeatability(cv_percent=4.0, sd=9.0, source="x").sd_at(-50.0) == 2.0  # the percentage goes first
    assert Repeatability(sd=0.5, source="x").sd_at(50.0) == 0.5


def test_a_change_has_a_reason_exactly_when_it_is_not_comparable():
    row = one_change(*pair(35.0, 41.0))
    facts = {"series": row.series, "baseline": row.baseline, "visit": row.visit, "months": 6.0}
    for wrong in (
        {"verdict": Verdict.INCREASED, "reason": NotComparable.OTHER_SITE},
        {"verdict": Verdict.NOT_COMPARABLE},
    ):
        with pytest.raises(ValueError, match=r"^expected a reason exactly when the visits are not comparable$"):
            Change(**facts, **wrong)
    assert (row.why, row.lost, row.regained) == ("", False, False)


def test_every_cell_of_the_data_frame():
    results = pair(35.0, 41.0, before={"sd": 0.3}, now={"sd": None})
    with store_of(*results, recording("S1", day(9), NR)) as store:
        table = ncs.change(store)
    frame = table.to_dataframe()
    row = table.rows[0]
    cells = frame.iloc[0].to_dict()
    assert pd.isna(cells.pop("reason"))
    assert cells == pytest.approx(
        {
            "subject": "S1", "nerve": "median", "side": "right", "recording_site": "APB", "site": None,
            "segment": "wrist-elbow", "quantity": "motor_conduction_velocity", "unit": "m/s",
            "baseline_date": day(0).isoformat(), "date": day(6).isoformat(), "months": row.months, "baseline": 35.0,
            "baseline_sd": 0.3, "value": 41.0, "sd": math.nan, "difference": 6.0, "percent": 600 / 35,
            "difference_sd": 0.3, "repeatability_sd": row.repeatability_sd, "error_95": row.error_95,
            "verdict": "increased", "detail": "",
            "notes": "no standard deviation of the marks at this visit",
        },
        nan_ok=True,
    )  # fmt: skip
    lost = frame.iloc[1]
    assert (lost["verdict"], lost["reason"]) == ("not comparable", "not_recordable_now")
    assert lost[["value", "sd", "difference", "percent", "difference_sd", "repeatability_sd", "error_95"]].isna().all()
    assert tuple(frame.columns) == CHANGE_COLUMNS


def test_notes_are_joined_in_the_data_frame():
    with store_of(*pair(35.0, 41.0, before=UNSTATED, now=UNSTATED)) as store:
        told = ncs.change(store).to_dataframe().loc[0, "notes"]
    assert told.split("; ") == [
        "no standard deviation of the marks at baseline", "no standard deviation of the marks at this visit",
        "skin temperature not stated at both visits", "distance not stated at both visits",
    ]  # fmt: skip
