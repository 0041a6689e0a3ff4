"""Right against left from hand-made rows: what is compared with what, and what is said of it."""

import datetime as dt

import pytest

from ncs.measure._sides import side_differences
from ncs.model import Side, Subject, Technique, Visit
from ncs.quantities import QUANTITIES
from ncs.results import Measurement, Reason, VisitResult
from tests.measure.build import pick

VELOCITY = "motor_conduction_velocity"


def row(side, value, *, quantity=VELOCITY, sd=0.3, **more):
    usual = {
        "nerve": "median", "technique": Technique.MOTOR, "recording_site": "APB", "segment": "wrist-elbow",
        "distance_mm": 220.0,
    }  # fmt: skip
    reason = None if value is not None else Reason.NO_RESPONSE
    return Measurement(
        quantity=quantity, value=value, sd=sd if value is not None else None, unit=QUANTITIES[quantity].unit, side=side,
        **{"reason": reason, **usual, **more},
    )  # fmt: skip


def latency(side, value, **more):
    return row(
        side,
        value,
        **{"quantity": "distal_motor_latency", "segment": None, "site": "wrist", "distance_mm": 80.0, **more},
    )


def compared(*rows):
    visit = Visit(subject=Subject(id="P"), date=dt.date(2020, 5, 4), studies=())
    result = VisitResult(visit=visit, marks=(), measurements=rows, parameters={}, version="0", fingerprint="0")
    return side_differences([result])


def test_every_fact_of_a_difference():
    right = row(Side.RIGHT, 56.04, flags=("a", "b"), study_index=3, skin_temperature_c=33.0)
    (found,) = compared(row(Side.LEFT, 46.0, sd=0.4, flags=("b", "c"), study_index=1), right)
    assert found.quantity == "motor_conduction_velocity_side_difference"
    assert (found.value, found.sd, found.unit, found.reason) == (pytest.approx(10.04), pytest.approx(0.5), "m/s", None)
    assert found.method == "right minus left; right 56.0 m/s over 220 mm, left 46.0 m/s over 220 mm"
    assert (found.nerve, found.technique, found.recording_site) == ("median", Technique.MOTOR, "APB")
    assert (found.side, found.site, found.segment, found.study_index) == (None, None, "wrist-elbow", 3)
    assert found.flags == ("a", "b", "c")
    (at_site,) = compared(latency(Side.RIGHT, 3.4, distance_mm=None), latency(Side.LEFT, 4.1, distance_mm=None))
    assert (at_site.site, at_site.segment) == ("wrist", None)
    assert at_site.method == "right minus left; right 3.40 ms, left 4.10 ms"


@pytest.mark.parametrize("unknown", [Side.RIGHT, Side.LEFT])
def test_a_difference_has_a_deviation_where_both_have_one(unknown):
    sds = {Side.RIGHT: 0.3, Side.LEFT: 0.4, unknown: None}
    (found,) = compared(*(row(side, 50.0, sd=sd) for side, sd in sds.items()))
    assert (found.value, found.sd) == (0.0, None)


@pytest.mark.parametrize("missing", [Side.RIGHT, Side.LEFT])
def test_a_missing_side_is_the_reason_and_is_said(missing):
    values = {Side.RIGHT: 56.0, Side.LEFT: 46.0, missing: None}
    (found,) = compared(
        *(row(side, value, reason=Reason.CLIPPED if value is None else None) for side, value in values.items())
    )
    assert (found.value, found.sd, found.reason) == (None, None, Reason.CLIPPED)
    assert f"{missing.value} none over 220 mm" in found.method


def test_only_the_same_place_of_the_same_nerve_is_compared():
    other = {"nerve": "ulnar", "technique": Technique.SENSORY, "recording_site": "ADM", "segment": "elbow-axilla"}
    for name, value in other.items():
        assert compared(row(Side.RIGHT, 50.0), row(Side.LEFT, 50.0, **{name: value})) == ()
    assert compared(latency(Side.RIGHT, 3.0), latency(Side.LEFT, 3.0, site="palm")) == ()
    assert compared(row(Side.RIGHT, 50.0), row(None, 50.0)) == ()
    cases = {"nerve": "MEDIAN", "recording_site": "apb", "segment": "Wrist-Elbow"}
    assert len(compared(row(Side.RIGHT, 50.0), row(Side.LEFT, 50.0, **cases))) == 1
    assert len(compared(row(Side.RIGHT, 50.0, nerve=None), row(Side.LEFT, 50.0, nerve=None))) == 1
    # between two sites the segment counts, from one site the site
    assert len(compared(row(Side.RIGHT, 50.0, site="a"), row(Side.LEFT, 50.0, site="b"))) == 1


def test_a_side_measured_twice_is_said_without_values():
    for rows in ((Side.RIGHT, Side.RIGHT, Side.LEFT), (Side.RIGHT, Side.LEFT, Side.LEFT)):
        (found,) = compared(*(row(side, 50.0) for side in rows))
        assert (found.value, found.reason, found.method) == (None, Reason.SEVERAL_OF_A_SIDE, "right minus left")


@pytest.mark.parametrize(
    ("right", "left", "is_compared"),
    [
        (80.0, 90.0, True), (80.0, 90.1, False), (90.0, 80.0, True), (None, None, True), (80.0, None, False),
        (None, 80.0, False),
    ],
)  # fmt: skip
def test_latencies_are_compared_over_distances_within_a_centimetre(right, left, is_compared):
    (found,) = compared(latency(Side.RIGHT, 3.4, distance_mm=right), latency(Side.LEFT, 4.1, distance_mm=left))
    assert found.reason is (None if is_compared else Reason.DIFFERENT_DISTANCES)
    (velocity,) = compared(row(Side.RIGHT, 50.0, distance_mm=right), row(Side.LEFT, 50.0, distance_mm=left))
    assert velocity.reason is None


@pytest.mark.parametrize(
    ("quantity", "is_compared"),
    [
        ("sensory_onset_latency", False), ("sensory_conduction_velocity", False), ("sensory_peak_latency", True),
        ("motor_conduction_velocity", True),
    ],
)  # fmt: skip
def test_an_onset_at_a_positive_peak_is_compared_with_such_only(quantity, is_compared):
    flags = ("onset_at_positive_peak",)
    for first, second in ((flags, ()), ((), flags)):
        (found,) = compared(
            row(Side.RIGHT, 3.0, quantity=quantity, flags=first), row(Side.LEFT, 2.0, quantity=quantity, flags=second)
        )
        assert found.reason is (None if is_compared else Reason.DIFFERENT_ONSETS)
    (both,) = compared(
        row(Side.RIGHT, 3.0, quantity=quantity, flags=flags), row(Side.LEFT, 2.0, quantity=quantity, flags=flags)
    )
    assert both.value == pytest.approx(1.0)


def test_amplitudes_of_the_distal_site_are_compared():
    rows = []
    for index, side in enumerate((Side.RIGHT, Side.LEFT)):
        rows.append(latency(side, 3.0, study_index=index))
        for site, value in (("wrist", 8000.0), ("elbow", 7000.0)):
            rows.append(latency(side, value - index * 1000, quantity="cmap_amplitude", site=site, study_index=index))
        rows.append(latency(side, 5.0, quantity="cmap_duration", study_index=index))
    found = compared(*rows)
    assert [(one.quantity, one.site, one.value) for one in found] == [
        ("distal_motor_latency_side_difference", "wrist", 0.0), ("cmap_amplitude_side_difference", "wrist", 1000.0),
    ]  # fmt: skip
    assert pick(found, "cmap_amplitude_side_difference").method.endswith(
        "right 8.00 mV over 80 mm, left 7.00 mV over 80 mm"
    )
    elsewhere = [
        latency(one.side, one.value, quantity=one.quantity, site=one.site, study_index=5 + one.study_index)
        for one in rows
        if one.quantity == "cmap_amplitude"
    ]
    assert compared(*elsewhere) == ()  # of another study, which has no distal latency
