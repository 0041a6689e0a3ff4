"""Motor studies from hand-made marks: every quantity, the order of sites, and the reason for everything missing."""

import pytest

from ncs.detect.marks import Flag, Outcome
from ncs.measure import motor
from ncs.measure._study import StudyPart
from ncs.model import Origin, Provenance, Segment, Side, Technique
from ncs.quantities import QUANTITIES
from ncs.results import Reason
from tests.measure.build import CMAP, marked, marks, part, pick

PER_SITE = {
    "motor_latency": ("onset_ms", "onset_sd_ms"),
    "cmap_amplitude": ("peak_uv", "peak_sd_uv"),
    "cmap_peak_to_peak_amplitude": ("peak_to_peak_uv", "peak_to_peak_sd_uv"),
    "cmap_area": ("area_uv_ms", "area_sd_uv_ms"),
    "cmap_duration": ("duration_ms", "duration_sd_ms"),
    "cmap_total_duration": ("total_duration_ms", "duration_sd_ms"),
}
PER_SEGMENT = {
    "cmap_amplitude_ratio", "cmap_area_ratio", "cmap_duration_ratio", "motor_conduction_velocity",
}  # fmt: skip
PER_STUDY = {"distal_motor_latency", "terminal_latency_index", "residual_latency"}
WRIST = marks(onset_ms=3.8)
ELBOW = marks(onset_ms=7.8, peak_uv=3600.0, area_uv_ms=5000.0, duration_ms=11.0)


def measured(at: StudyPart):
    motor.measure(at)
    for row in at.rows:
        assert row.value != 0, "absent is not zero"
        assert row.unit == QUANTITIES[row.quantity].unit
    return at.rows


def two_sites(wrist=WRIST, elbow=ELBOW, near=65.0, far=285.0, names=("wrist", "elbow"), **study):
    return measured(part(marked(names[0], near, wrist), marked(names[1], far, elbow), **study))


def reasons(rows):
    return {(row.quantity, row.site or row.segment): row.reason for row in rows if row.reason is not None}


def test_every_quantity_of_a_complete_study():
    rows = two_sites(nerve="median", side=Side.RIGHT, technique=Technique.MOTOR, skin_temperature_c=33.2)
    assert {row.quantity for row in rows} == {*PER_SITE, *PER_SEGMENT, *PER_STUDY}
    assert not reasons(rows)
    for name, (value, sd) in PER_SITE.items():
        row = pick(rows, name, site="wrist")
        assert (row.value, row.sd, row.distance_mm) == (CMAP[value], CMAP[sd], 65.0)
    velocity = pick(rows, "motor_conduction_velocity", segment="wrist-elbow")
    assert velocity.value == pytest.approx(55.0)
    assert velocity.distance_mm == pytest.approx(220.0)
    assert pick(rows, "distal_motor_latency").value == 3.8
    assert pick(rows, "cmap_amplitude_ratio").value == pytest.approx(0.5)
    assert pick(rows, "cmap_area_ratio").value == pytest.approx(0.25)
    assert pick(rows, "cmap_duration_ratio").value == pytest.approx(2.0)
    for row in rows:
        assert (row.nerve, row.side, row.technique, row.skin_temperature_c) == (
            "median", Side.RIGHT, Technique.MOTOR, 33.2,
        )  # fmt: skip
        assert row.method.startswith("by hand")


def test_total_duration_states_the_voltage_below_which_peaks_do_not_count():
    rows = two_sites()
    assert "peaks above 360 uV counted" in pick(rows, "cmap_total_duration", site="wrist").method
    assert "peaks above" not in pick(rows, "cmap_duration", site="wrist").method


def test_flags_reach_the_measurements_of_their_site_only():
    rows = two_sites(wrist=marks(flags=Flag.INITIAL_POSITIVITY | Flag.MULTIPLE_PEAKS))
    assert pick(rows, "cmap_amplitude", site="wrist").flags == ("initial_positivity", "multiple_peaks")
    assert pick(rows, "cmap_amplitude", site="elbow").flags == ()


def test_distances_order_the_sites_whatever_the_order_of_recording():
    rows = two_sites(ELBOW, WRIST, near=285.0, far=65.0, names=("elbow", "wrist"))
    assert pick(rows, "distal_motor_latency").site == "wrist"
    assert pick(rows, "motor_conduction_velocity", segment="wrist-elbow").value == pytest.approx(55.0)
    assert pick(rows, "cmap_amplitude_ratio").value == pytest.approx(0.5)


def test_without_distances_the_order_is_not_known():
    missing = reasons(two_sites(near=None, far=None))
    assert missing == {
        ("distal_motor_latency", None): Reason.NO_SITE_ORDER,
        ("cmap_amplitude_ratio", "wrist-elbow"): Reason.NO_SITE_ORDER,
        ("cmap_area_ratio", "wrist-elbow"): Reason.NO_SITE_ORDER,
        ("cmap_duration_ratio", "wrist-elbow"): Reason.NO_SITE_ORDER,
        ("motor_conduction_velocity", "wrist-elbow"): Reason.NO_DISTANCE,
        ("terminal_latency_index", None): Reason.NO_SITE_ORDER,
        ("residual_latency", None): Reason.NO_SITE_ORDER,
    }


def test_the_protocols_order_is_enough_for_latency_and_ratios_but_not_for_a_velocity():
    rows = two_sites(near=None, far=None, provenance=Provenance(site_order=Origin.PROTOCOL))
    assert pick(rows, "distal_motor_latency").value == 3.8
    assert pick(rows, "cmap_amplitude_ratio").value == pytest.approx(0.5)
    assert set(reasons(rows).values()) == {Reason.NO_DISTANCE}


def test_one_missing_distance():
    rows = two_sites(near=None)
    assert pick(rows, "motor_conduction_velocity").reason is Reason.NO_DISTANCE
    assert pick(rows, "distal_motor_latency").reason is Reason.NO_SITE_ORDER


def test_a_measured_segment_gives_velocity_and_order_without_any_cathode_distance():
    segment = Segment(distal_site="wrist", proximal_site="elbow", distance_mm=220.0)
    for first, second, names in ((WRIST, ELBOW, ("wrist", "elbow")), (ELBOW, WRIST, ("elbow", "wrist"))):
        rows = two_sites(first, second, near=None, far=None, names=names, segments=(segment,))
        assert pick(rows, "motor_conduction_velocity", segment="wrist-elbow").value == pytest.approx(55.0)
        assert pick(rows, "distal_motor_latency").value == 3.8
        assert pick(rows, "cmap_amplitude_ratio").value == pytest.approx(0.5)
        assert reasons(rows) == {
            ("terminal_latency_index", None): Reason.NO_DISTAL_DISTANCE,
            ("residual_latency", None): Reason.NO_DISTAL_DISTANCE,
        }


def test_a_measured_segment_goes_before_the_difference_of_cathode_distances():
    segment = Segment(distal_site="wrist", proximal_site="elbow", distance_mm=200.0)
    row = pick(two_sites(segments=(segment,)), "motor_conduction_velocity")
    assert row.value == pytest.approx(50.0)
    assert "measured between the sites" in row.method


def test_a_segment_stated_upside_down_is_used_in_the_direction_of_the_distances():
    segment = Segment(distal_site="elbow", proximal_site="wrist", distance_mm=200.0)
    rows = two_sites(segments=(segment,))
    assert pick(rows, "motor_conduction_velocity", segment="wrist-elbow").value == pytest.approx(50.0)
    assert pick(rows, "cmap_amplitude_ratio").value == pytest.approx(0.5)
    assert not reasons(rows)


def test_segments_find_their_sites_whatever_the_case_of_the_letters():
    segment = Segment(distal_site="wrist", proximal_site="elbow", distance_mm=220.0)
    rows = two_sites(near=None, far=None, names=("Wrist", "ELBOW"), segments=(segment,))
    assert pick(rows, "motor_conduction_velocity", segment="Wrist-ELBOW").value == pytest.approx(55.0)


AXILLA = marks(onset_ms=9.8)


def three_sites(distances=(65.0, 285.0, 405.0), **study):
    names, found = ("wrist", "elbow", "axilla"), (WRIST, ELBOW, AXILLA)
    return measured(part(*(marked(*each) for each in zip(names, distances, found, strict=True)), **study))


def test_three_sites_give_two_velocities_and_the_nearest_counts_for_the_terminal_index():
    rows = three_sites()
    assert pick(rows, "motor_conduction_velocity", segment="wrist-elbow").value == pytest.approx(55.0)
    assert pick(rows, "motor_conduction_velocity", segment="elbow-axilla").value == pytest.approx(60.0)
    assert pick(rows, "terminal_latency_index").value == pytest.approx(65.0 / (55.0 * 3.8))
    assert sum(row.quantity == "motor_conduction_velocity" for row in rows) == 2


def test_a_measured_segment_over_two_neighbours_is_added():
    rows = three_sites(segments=(Segment(distal_site="wrist", proximal_site="axilla", distance_mm=330.0),))
    assert pick(rows, "motor_conduction_velocity", segment="wrist-axilla").value == pytest.approx(55.0)
    assert sum(row.quantity == "motor_conduction_velocity" for row in rows) == 3


def test_a_chain_of_measured_segments_orders_three_sites():
    chain = (
        Segment(distal_site="elbow", proximal_site="axilla", distance_mm=120.0),
        Segment(distal_site="wrist", proximal_site="elbow", distance_mm=220.0),
    )
    at = part(
        marked("axilla", None, AXILLA), marked("wrist", None, WRIST), marked("elbow", None, ELBOW), segments=chain
    )
    rows = measured(at)
    assert pick(rows, "distal_motor_latency").site == "wrist"
    assert pick(rows, "motor_conduction_velocity", segment="wrist-elbow").value == pytest.approx(55.0)
    assert pick(rows, "motor_conduction_velocity", segment="elbow-axilla").value == pytest.approx(60.0)


@pytest.mark.parametrize(
    "segments",
    [
        [("wrist", "elbow")],
        [("wrist", "elbow"), ("wrist", "axilla")],
        [("wrist", "elbow"), ("elbow", "axilla"), ("axilla", "wrist")],
    ],
    ids=["one site left out", "a fork", "a circle"],
)
def test_segments_that_leave_the_order_open_give_no_distal_latency(segments):
    stated = tuple(Segment(distal_site=d, proximal_site=p, distance_mm=220.0) for d, p in segments)
    rows = three_sites(distances=(None, None, None), segments=stated)
    assert pick(rows, "distal_motor_latency").reason is Reason.NO_SITE_ORDER
    assert pick(rows, "motor_conduction_velocity", segment="wrist-elbow").value == pytest.approx(55.0)


def test_two_known_distances_of_three_give_their_velocity_in_their_own_order():
    at = part(marked("elbow", 285.0, ELBOW), marked("wrist", 65.0, WRIST), marked("axilla", None, AXILLA))
    rows = measured(at)
    assert pick(rows, "motor_conduction_velocity", segment="wrist-elbow").value == pytest.approx(55.0)
    assert pick(rows, "motor_conduction_velocity", segment="wrist-axilla").reason is Reason.NO_DISTANCE


def test_two_sites_with_one_distance_have_no_order():
    missing = reasons(two_sites(near=65.0, far=65.0))
    assert missing["motor_conduction_velocity", "wrist-elbow"] is Reason.SAME_DISTANCE
    assert missing["distal_motor_latency", None] is Reason.NO_SITE_ORDER


def test_unnamed_sites_have_no_segment():
    rows = two_sites(names=(None, "elbow"))
    assert pick(rows, "motor_conduction_velocity", segment="?-elbow").reason is Reason.NO_SITE


def test_one_site_has_a_distal_latency_and_no_velocity():
    missing = reasons(rows := measured(part(marked("wrist", 65.0, WRIST))))
    assert pick(rows, "distal_motor_latency").value == 3.8
    assert missing == {
        ("motor_conduction_velocity", None): Reason.ONE_SITE,
        ("terminal_latency_index", None): Reason.ONE_SITE,
        ("residual_latency", None): Reason.ONE_SITE,
    }


def test_a_study_without_traces_has_no_measurements():
    assert measured(part()) == []


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        (Outcome.NO_RESPONSE, Reason.NO_RESPONSE),
        (Outcome.CLIPPED, Reason.CLIPPED),
        (Outcome.AT_WINDOW_EDGE, Reason.AT_WINDOW_EDGE),
        (Outcome.TOO_NOISY, Reason.TOO_NOISY),
        (Outcome.INVALID_INPUT, Reason.INVALID_SAMPLES),
    ],
)
def test_an_outcome_without_marks_is_the_reason_for_everything_that_needs_them(outcome, reason):
    rows = two_sites(elbow=marks(outcome))
    missing = reasons(rows)
    assert {name for name, _ in missing} == {*PER_SITE, *PER_SEGMENT, *PER_STUDY} - {"distal_motor_latency"}
    assert set(missing.values()) == {reason}
    assert {row.site for row in rows if row.quantity in PER_SITE and row.reason} == {"elbow"}


def test_a_response_too_noisy_to_time_keeps_its_amplitude():
    rows = two_sites(elbow=marks(Outcome.TOO_NOISY, peak_uv=300.0, peak_sd_uv=9.0))
    assert pick(rows, "cmap_amplitude", site="elbow").value == 300.0
    assert pick(rows, "motor_latency", site="elbow").reason is Reason.TOO_NOISY
    assert pick(rows, "motor_conduction_velocity").reason is Reason.TOO_NOISY


def test_a_response_that_does_not_return_to_baseline_has_no_area_and_no_duration():
    open_end = {"area_uv_ms", "area_sd_uv_ms", "duration_ms", "duration_sd_ms", "total_duration_ms", "end_ms"}
    rows = two_sites(elbow=marks(onset_ms=7.8, **dict.fromkeys(open_end, float("nan"))))
    assert {key: reason for key, reason in reasons(rows).items() if key[0].startswith("cmap")} == {
        ("cmap_area", "elbow"): Reason.NO_RETURN,
        ("cmap_duration", "elbow"): Reason.NO_RETURN,
        ("cmap_total_duration", "elbow"): Reason.NO_RETURN,
        ("cmap_area_ratio", "wrist-elbow"): Reason.NO_RETURN,
        ("cmap_duration_ratio", "wrist-elbow"): Reason.NO_RETURN,
    }


def test_without_a_positive_peak_there_is_no_peak_to_peak_amplitude():
    rows = two_sites(wrist=marks(peak_to_peak_uv=float("nan"), peak_to_peak_sd_uv=float("nan")))
    assert reasons(rows) == {("cmap_peak_to_peak_amplitude", "wrist"): Reason.NO_POSITIVE_PEAK}


def test_a_trace_that_was_not_marked_carries_its_reason():
    at = part(marked("wrist", 65.0, WRIST), marked("elbow", 285.0, None, reason=Reason.NO_STIMULUS_TIME))
    rows = measured(at)
    assert pick(rows, "motor_latency", site="elbow").reason is Reason.NO_STIMULUS_TIME
    assert pick(rows, "motor_conduction_velocity").reason is Reason.NO_STIMULUS_TIME
    assert pick(rows, "cmap_total_duration", site="elbow").reason is Reason.NO_STIMULUS_TIME


def test_a_proximal_latency_below_the_distal_one_gives_no_velocity():
    missing = reasons(two_sites(elbow=marks(onset_ms=3.0)))
    assert missing == {
        ("motor_conduction_velocity", "wrist-elbow"): Reason.LATENCY_ORDER,
        ("terminal_latency_index", None): Reason.LATENCY_ORDER,
        ("residual_latency", None): Reason.LATENCY_ORDER,
    }


def test_a_distal_distance_of_nothing_gives_no_terminal_index():
    missing = reasons(two_sites(near=0.0))
    assert missing == {
        ("terminal_latency_index", None): Reason.IMPOSSIBLE_DISTANCE,
        ("residual_latency", None): Reason.IMPOSSIBLE_DISTANCE,
    }


def test_the_tape_of_the_laboratory_widens_the_velocity_only():
    plain, wide = two_sites(), two_sites(distance_sd_mm=5.0)
    assert pick(wide, "motor_conduction_velocity").sd > pick(plain, "motor_conduction_velocity").sd
    others = [row for row in plain if row.quantity != "motor_conduction_velocity"]
    assert others == [row for row in wide if row.quantity != "motor_conduction_velocity"]
