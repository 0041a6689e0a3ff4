"""Change against baseline: verdicts, what is not compared, and the error rates of the rule."""

import math

import numpy as np
import pytest

import ncs
from ncs.errors import InvalidInputError
from ncs.longitudinal import CHANGE_COLUMNS, NotComparable, Repeatability, Series, Verdict, VisitValue
from ncs.longitudinal._change import change_of
from ncs.model import Side
from ncs.results import Reason
from tests.longitudinal.build import NR, course, day, paper_store, recording, store_of

THREE_PERCENT = Repeatability(cv_percent=3.0, source="test")


def only(table):
    (row,) = table.rows
    return row


def test_the_numbers_of_a_change_follow_the_formula():
    with store_of(*course("S1", 36.0, 42.0, sd=0.3, step_months=12)) as store:
        row = only(ncs.change(store))
    assert row.difference == pytest.approx(6.0)
    assert row.percent == pytest.approx(100 * 6 / 36)
    assert row.months == pytest.approx(12.0, abs=0.02)
    assert row.sd == pytest.approx(math.hypot(0.3, 0.3))
    assert row.repeatability_sd == pytest.approx(math.sqrt(2) * 0.03 * 39.0)
    assert row.error_95 == pytest.approx(1.96 * math.sqrt(2 * 0.3**2 + 2 * (0.03 * 39.0) ** 2))
    assert row.verdict is Verdict.INCREASED
    assert (row.subject, row.side, row.segment, row.unit) == ("S1", "right", "wrist-elbow", "m/s")


def test_the_verdict_does_not_depend_on_which_visit_came_first():
    for first, second in ((30.0, 32.6), (30.0, 32.5), (40.0, 43.5), (40.0, 43.3)):
        with store_of(*course("S1", first, second), *course("S2", second, first)) as store:
            up, down = ncs.change(store).rows
        assert up.difference == -down.difference
        assert up.error_95 == down.error_95
        opposite = {Verdict.INCREASED: Verdict.DECREASED, Verdict.UNCHANGED: Verdict.UNCHANGED}
        assert down.verdict is opposite[up.verdict]


def test_trap_12_a_rise_below_repeatability_is_not_called_improved():
    # 3 % of 35 m/s: two visits of an unchanged nerve differ by up to 2.9 m/s; the marks alone would call 1 m/s a rise.
    with store_of(*course("S1", 35.0, 37.5, sd=0.1)) as store:
        row = only(ncs.change(store))
    assert row.difference > 1.96 * row.sd
    assert row.verdict is Verdict.UNCHANGED
    assert row.error_95 > 2.5
    with store_of(*course("S1", 35.0, 38.5, sd=0.1)) as store:
        assert only(ncs.change(store)).verdict is Verdict.INCREASED


def test_trap_4_not_recordable_is_not_a_velocity_of_zero():
    with store_of(*course("LOST", 35.0, NR), *course("BACK", NR, 35.0), *course("NEVER", NR, NR)) as store:
        table = ncs.change(store)
        by_subject = {row.subject: row for row in table.rows}
    assert by_subject["LOST"].reason is NotComparable.NOT_RECORDABLE_NOW
    assert by_subject["BACK"].reason is NotComparable.NOT_RECORDABLE_AT_BASELINE
    assert by_subject["NEVER"].reason is NotComparable.NOT_RECORDABLE_AT_BOTH
    for row in table.rows:
        assert row.verdict is Verdict.NOT_COMPARABLE
        assert (row.difference, row.percent, row.sd, row.error_95) == (None, None, None, None)
    assert by_subject["LOST"].lost
    assert by_subject["BACK"].regained
    together = ncs.longitudinal.cohort(table)
    assert (together.lost, together.regained, together.shift) == (1, 1, None)
    frame = table.to_dataframe()
    assert frame["difference"].isna().all()
    assert frame.loc[frame["subject"] == "LOST", "value"].isna().all()


def test_a_value_missing_for_another_reason_is_not_called_unrecordable():
    with store_of(
        *course("S1", 35.0, Reason.CLIPPED), *course("S2", Reason.NO_DISTANCE, 35.0), *course("S3", NR, Reason.CLIPPED)
    ) as store:
        first, second, third = ncs.change(store).rows
    assert (first.reason, first.detail) == (NotComparable.NOT_MEASURED_NOW, "the amplifier was saturated")
    assert (second.reason, second.detail) == (NotComparable.NOT_MEASURED_AT_BASELINE, "the distance is not stated")
    assert third.reason is NotComparable.NOT_MEASURED_NOW
    assert first.why == "not measured (the amplifier was saturated)"


def test_another_distance_is_not_compared_beyond_the_tolerance():
    results = [
        recording("S1", day(0), 35.0, distance_mm=220.0),
        recording("S1", day(3), 40.0, distance_mm=230.0),  # the tape: 10 mm
        recording("S1", day(6), 40.0, distance_mm=260.0),
    ]
    with store_of(*results) as store:
        near, far = ncs.change(store).rows
        assert near.verdict is Verdict.INCREASED
        assert far.reason is NotComparable.OTHER_DISTANCE
        assert far.detail == "260 mm, at baseline 220 mm"
        assert (far.difference, far.visit.value) == (None, 40.0)
        strict = ncs.change(store, distance_tolerance_percent=4)
        loose = ncs.change(store, distance_tolerance_percent=30)
    assert [row.reason for row in strict.rows] == [NotComparable.OTHER_DISTANCE] * 2
    assert [row.verdict for row in loose.rows] == [Verdict.INCREASED] * 2


def test_another_temperature_is_not_compared_beyond_the_limit():
    results = [
        recording("S1", day(0), 35.0, skin_temperature_c=32.0),
        recording("S1", day(3), 40.0, skin_temperature_c=34.0),
        recording("S1", day(6), 40.0, skin_temperature_c=29.9),
    ]
    with store_of(*results) as store:
        warm, cold = ncs.change(store).rows
        wide = ncs.change(store, temperature_limit_c=3.0)
    assert warm.verdict is Verdict.INCREASED  # exactly 2 degrees
    assert (cold.reason, cold.detail) == (NotComparable.TEMPERATURE, "29.9 °C, at baseline 32.0 °C")
    assert wide.rows[1].verdict is Verdict.INCREASED


def test_what_is_not_stated_is_noted_not_refused():
    results = [
        recording("S1", day(0), 35.0, skin_temperature_c=None, distance_mm=None, sd=None),
        recording("S1", day(3), 41.0, distance_mm=None),
    ]
    with store_of(*results) as store:
        row = only(ncs.change(store))
    assert row.verdict is Verdict.INCREASED
    assert row.sd == pytest.approx(0.1)  # what is known of it
    assert row.notes == (
        "no standard deviation of the marks at baseline",
        "skin temperature not stated at one of the visits",
        "distance not stated at both visits",
    )


def test_another_site_is_said_not_lost():
    results = [
        recording("S1", day(0), 35.0, segment="wrist-elbow"),
        recording("S1", day(3), 41.0, segment="wrist-axilla"),
        recording("S2", day(0), 35.0),
        recording("S2", day(3), 41.0, side=Side.LEFT),
        recording("S3", day(0), 35.0),
        recording("S3", day(3), 41.0, recording_site="lumbrical II"),
    ]
    with store_of(*results) as store:
        table = ncs.change(store)
    assert [row.reason for row in table.last()] == [NotComparable.OTHER_SITE] * 3
    assert table.last()[0].detail == (
        "measured right, wrist-axilla, recorded from APB; at baseline right median, wrist-elbow, recorded from APB"
    )


def test_a_segment_that_was_skipped_once_is_no_other_site():
    results = [
        recording("S1", day(0), 35.0, copy=0),
        recording("S1", day(0), 50.0, segment="elbow-axilla", copy=1),
        recording("S1", day(3), 36.0),
    ]
    with store_of(*results) as store:
        table = ncs.change(store)
    assert [(row.segment, row.verdict) for row in table.rows] == [("wrist-elbow", Verdict.UNCHANGED)]


def test_case_does_not_make_another_site():
    with store_of(
        recording("S1", day(0), 35.0, segment="Wrist-Elbow", recording_site="apb"), recording("S1", day(3), 41.0)
    ) as store:
        assert only(ncs.change(store)).verdict is Verdict.INCREASED
        assert len(ncs.change(store, segment="WRIST-elbow").rows) == 1
        assert ncs.change(store, segment="wrist-axilla").rows == ()


def test_an_unknown_side_or_site_is_not_compared():
    with store_of(
        *course("S1", 35.0, 41.0, side=None), *course("S2", 35.0, 41.0, segment="?-elbow"),
        *course("S3", 35.0, 41.0, segment=None),
    ) as store:  # fmt: skip
        assert [row.reason for row in ncs.change(store).rows] == [NotComparable.SITE_NOT_STATED] * 3


def test_baseline_is_the_first_visit_with_that_study():
    results = [
        recording("S1", day(-6), 30.0, quantity="sensory_conduction_velocity"),
        *course("S1", 35.0, 36.0, 41.0),
        *course("S2", 35.0),
    ]
    with store_of(*results) as store:
        table = ncs.change(store)
    assert [row.baseline.date for row in table.rows] == [day(0), day(0)]
    assert [row.visit.date for row in table.rows] == [day(6), day(12)]
    assert table.counts() == {
        Verdict.INCREASED: 1, Verdict.DECREASED: 0, Verdict.UNCHANGED: 0, Verdict.NOT_COMPARABLE: 0,
    }  # fmt: skip
    assert table.notes == ("one visit only, so not counted: S2",)


def test_several_recordings_of_one_visit_are_averaged_and_noted():
    results = [
        recording("S1", day(0), 34.0, sd=0.3, copy=0),
        recording("S1", day(0), 36.0, sd=0.4, copy=1),
        recording("S1", day(0), NR, copy=2),
        recording("S1", day(6), 41.0),
    ]
    with store_of(*results) as store:
        row = only(ncs.change(store))
    assert row.baseline.value == pytest.approx(35.0)
    assert row.baseline.sd == pytest.approx(0.25)
    assert row.baseline.values == (34.0, 36.0)
    assert row.notes[0] == "3 recordings at baseline: mean, 1 without a value"


def test_one_series_per_subject_is_counted():
    results = [*course("S1", 35.0, 41.0), *course("S1", 35.0, 35.5, side=Side.LEFT), *course("S2", 35.0, 41.0)]
    with store_of(*results) as store:
        table = ncs.change(store)
        left = ncs.change(store, side="left", subject="S1")
    assert len(table.rows) == 3
    assert [(row.subject, row.side) for row in table.last()] == [("S1", "right"), ("S2", "right")]
    assert "several sides, sites or segments in S1" in table.notes[0]
    assert [(row.subject, row.verdict) for row in left.last()] == [("S1", Verdict.UNCHANGED)]


def test_the_distal_site_is_counted_before_the_proximal_one():
    of_site = {"quantity": "cmap_amplitude", "segment": None, "sd": 20.0}
    results = [
        one
        for copy, (site, distance, values) in enumerate(
            [("elbow", 300.0, (4000.0, 4100.0)), ("wrist", 80.0, (4000.0, 8000.0))]
        )
        for one in course("S1", *values, site=site, distance_mm=distance, copy=copy, **of_site)
    ]
    with store_of(*results) as store:
        (row,) = ncs.change(store, "cmap_amplitude").last()
    assert (row.site, row.verdict) == ("wrist", Verdict.INCREASED)


def test_the_rule_is_told_with_its_numbers():
    with paper_store() as store:
        published, own = ncs.change(store), ncs.change(store, repeatability=5.5)
        absolute = ncs.change(store, repeatability=Repeatability(sd=1.25, source="Thesis 2001"))
    assert "more than 1.96 x sqrt(s_marks^2 + s_repeat^2)" in published.rule
    assert "3 % of the mean of the two values" in published.rule
    assert "Muscle Nerve 1998;21:1368" in published.rule
    assert "noise is counted twice" in published.rule
    assert "5.5 % of the mean" in own.rule
    assert "given by the user without a source" in own.rule
    assert "sqrt(2) x 1.25 m/s, the within-subject standard deviation of one visit (Thesis 2001)" in absolute.rule


def test_an_estimate_from_few_recordings_asks_for_more():
    estimated = Repeatability(cv_percent=3.0, source="own", degrees_of_freedom=5)
    with store_of(*course("S1", 35.0, 38.5)) as store:
        assert only(ncs.change(store)).verdict is Verdict.INCREASED
        table = ncs.change(store, repeatability=estimated)
    assert table.factor == pytest.approx(2.5706, abs=1e-4)
    assert only(table).verdict is Verdict.UNCHANGED
    assert "2.57 (Student's t, 5 degrees of freedom" in table.rule


def test_wrong_arguments_are_refused():
    with paper_store() as store:
        for wrong, text in [
            ({"quantity": "motor_velocity"}, "Did you mean 'motor_conduction_velocity'"),
            ({"quantity": "distal_motor_latency"}, "no published figure comes with ncs"),
            ({"repeatability": 0.0}, "coefficient of variation above 0 %, found 0.0"),
            ({"repeatability": math.nan}, "found nan"),
            ({"temperature_limit_c": 0.0}, "temperature_limit_c: expected a number above 0"),
            ({"distance_tolerance_percent": math.nan}, "distance_tolerance_percent: expected a number above 0"),
        ]:
            with pytest.raises(InvalidInputError, match=text):
                ncs.change(store, **wrong)
    with pytest.raises(ValueError, match="found neither"):
        Repeatability(source="nothing")
    with pytest.raises(ValueError, match="above 0"):
        Repeatability(cv_percent=-1.0, source="x")


def test_an_empty_store_gives_an_empty_table():
    with ncs.open_store(":memory:") as store:
        table = ncs.change(store)
    assert len(table) == 0
    assert list(table.to_dataframe().columns) == list(CHANGE_COLUMNS)


def test_the_table_as_a_data_frame():
    with paper_store() as store:
        table = ncs.change(store)
    frame = table.to_dataframe()
    assert list(frame.columns) == list(CHANGE_COLUMNS)
    assert len(frame) == len(table) == 18
    first = frame.iloc[0]
    assert (first["subject"], first["baseline"], first["value"], first["verdict"]) == ("S01", 31.0, 36.5, "increased")
    assert frame.iloc[-1]["reason"] == "not_recordable_now"


def simulated(rng, rise, cv_percent, n):
    """Return one series of two visits per subject: true velocity, between-visit noise, noise of the marks."""
    marks_sd = rng.uniform(0.05, 0.3, (n, 2))
    true = rng.uniform(30, 40, n)[:, None] + np.array([0.0, rise])
    measured = true * (1 + cv_percent / 100 * rng.standard_normal((n, 2))) + marks_sd * rng.standard_normal((n, 2))
    return [
        Series(
            subject=str(index), quantity="motor_conduction_velocity", unit="m/s", nerve="median", side="right",
            segment="wrist-elbow",
            visits=tuple(
                VisitValue(subject=str(index), date=day(12 * k), value=float(value), sd=float(sd))
                for k, (value, sd) in enumerate(zip(values, sds, strict=True))
            ),
        )
        for index, (values, sds) in enumerate(zip(measured, marks_sd, strict=True))
    ]  # fmt: skip


def share(series, *verdicts):
    table = change_of(series, quantity="motor_conduction_velocity", nerve="median", repeatability=THREE_PERCENT)
    return sum(table.counts()[verdict] for verdict in verdicts) / len(series)


@pytest.mark.parametrize(("cv_percent", "rate"), [(3.0, 0.050), (2.0, 0.0033), (1.0, 0.0)])
def test_unchanged_nerves_are_called_changed_as_often_as_stated(cv_percent, rate):
    """200 cohorts of nine: noise as large as the repeatability gives the nominal 5 %, smaller noise gives less."""
    series = simulated(np.random.default_rng(11), 0.0, cv_percent, 200 * 9)
    wrongly = share(series, Verdict.INCREASED, Verdict.DECREASED)
    assert wrongly == pytest.approx(rate, abs=3 * math.sqrt(max(rate, 0.001) / 1800))


@pytest.mark.parametrize(("cv_percent", "lowest", "highest"), [(3.0, 0.84, 0.92), (2.0, 0.93, 1.0), (1.0, 0.99, 1.0)])
def test_a_rise_of_5_m_s_is_found_as_often_as_the_noise_allows(cv_percent, lowest, highest):
    series = simulated(np.random.default_rng(12), 5.0, cv_percent, 200 * 9)
    assert lowest <= share(series, Verdict.INCREASED) <= highest
    assert share(series, Verdict.DECREASED) == 0
