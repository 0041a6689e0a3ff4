"""Every row of motor and nerve-potential studies: its number, deviation, method, flags, place, calculated by hand."""

import math
from dataclasses import replace

import pytest

from ncs.detect.marks import Flag, Outcome
from ncs.measure import motor, sensory
from ncs.measure._patterns import pattern_of
from ncs.measure._study import Value, site_pairs
from ncs.model import Direction, Filters, Origin, Provenance, Segment, Technique
from ncs.results import Reason
from tests.measure.build import facts, marked, marks, part, pick

MOVED = ("onset moved by A",)
ON_ONSET = dict.fromkeys(("onset_ms", "area_uv_ms", "duration_ms", "total_duration_ms"), MOVED)


def known_filter(at):
    return replace(at, trace=replace(at.trace, filters=Filters(low_cut_hz=3.0)))


def test_every_row_of_a_motor_study():
    wrist = known_filter(marked("wrist", 80.0, marks(), how="mean of 2 of 2 sweeps"))
    elbow = marked(
        "elbow", 160.0,
        marks(onset_ms=5.4, onset_sd_ms=0.04, peak_uv=3600.0, peak_sd_uv=18.0, area_uv_ms=5000.0, area_sd_uv_ms=100.0,
              duration_ms=11.0, duration_sd_ms=0.1, last_end_ms=9.4, total_duration_ms=12.0),
    )  # fmt: skip
    at = part(wrist, elbow)
    motor.measure(at)
    near = {"site": "wrist", "distance_mm": 80.0, "method": "by hand; mean of 2 of 2 sweeps"}
    far = {"site": "elbow", "distance_mm": 160.0, "method": "by hand"}
    open_low = {"flags": ("low_cut_not_stated",)}
    counted = "; peaks above 360 uV counted"
    between = {"segment": "wrist-elbow", "distance_mm": 80.0, "method": "by hand"}
    speed = 80.0 / 1.6
    slack = speed * math.hypot(0.03, 0.04) / 1.6
    distal = {"distance_mm": 80.0, "method": "by hand; distal distance 80 mm"}
    expected = [
        ("motor_latency", near | {"value": 3.8, "sd": 0.03}),
        ("cmap_amplitude", near | {"value": 7200.0, "sd": 20.0}),
        ("cmap_peak_to_peak_amplitude", near | {"value": 9300.0, "sd": 30.0}),
        ("cmap_area", near | {"value": 20_000.0, "sd": 150.0}),
        ("cmap_duration", near | {"value": 5.5, "sd": 0.1}),
        ("cmap_total_duration", near | {"value": 5.5, "sd": 0.1, "method": near["method"] + counted}),
        ("motor_latency", far | {"value": 5.4, "sd": 0.04}),
        ("cmap_amplitude", far | {"value": 3600.0, "sd": 18.0}),
        ("cmap_peak_to_peak_amplitude", far | {"value": 9300.0, "sd": 30.0}),
        ("cmap_area", far | {"value": 5000.0, "sd": 100.0}),
        ("cmap_duration", far | open_low | {"value": 11.0, "sd": 0.1}),
        (
            "cmap_total_duration",
            far | {
                "value": 12.0, "sd": 0.1, "method": "by hand" + counted,
                "flags": ("multiple_peaks", "low_cut_not_stated"),
            },
        ),
        ("distal_motor_latency", near | {"value": 3.8, "sd": 0.03}),
        ("cmap_amplitude_ratio", between | {"value": 0.5, "sd": 0.5 * math.hypot(18 / 3600, 20 / 7200)}),
        ("cmap_area_ratio", between | {"value": 0.25, "sd": 0.25 * math.hypot(100 / 5000, 150 / 20_000)}),
        ("cmap_duration_ratio", between | {"value": 2.0, "sd": 2.0 * math.hypot(0.1 / 11, 0.1 / 5.5)}),
        (
            "motor_conduction_velocity",
            between | {
                "value": speed, "sd": slack, "flags": ("short_segment",),
                "method": "by hand; distance from the two cathode distances",
            },
        ),
        (
            "terminal_latency_index",
            distal | {"value": 80.0 / (speed * 3.8), "sd": 1 / 3.8 * math.hypot(0.04, 5.4 / 3.8 * 0.03)},
        ),
        ("residual_latency", distal | {"value": 3.8 - 80.0 / speed, "sd": math.hypot(2 * 0.03, 0.04)}),
    ]  # fmt: skip
    assert [row.quantity for row in at.rows] == [name for name, _ in expected]
    for row, (name, wanted) in zip(at.rows, expected, strict=True):
        numbers = {key: pytest.approx(wanted[key]) for key in ("value", "sd") if key in wanted}
        assert facts(row) == {**wanted, **numbers}, name


def test_a_moved_onset_is_said_in_every_row_that_rests_on_it():
    wrist = marked("wrist", 80.0, marks(), edits=ON_ONSET)
    at = part(wrist, marked("elbow", 300.0, marks(onset_ms=7.8)))
    motor.measure(at)
    edited = {(row.quantity, row.site) for row in at.rows if "edited" in row.flags}
    assert edited == {
        ("motor_latency", "wrist"), ("cmap_area", "wrist"), ("cmap_duration", "wrist"),
        ("cmap_total_duration", "wrist"), ("distal_motor_latency", "wrist"),
        ("cmap_area_ratio", None), ("cmap_duration_ratio", None),
        ("motor_conduction_velocity", None), ("terminal_latency_index", None), ("residual_latency", None),
    }  # fmt: skip
    for row in at.rows:
        assert (row.sd is None) is ("edited" in row.flags)
        assert ("onset moved by A" in row.method) is ("edited" in row.flags)


def test_an_unknown_distal_deviation_leaves_the_indices_without_one():
    for near, far in ((math.nan, 0.04), (0.03, math.nan)):
        at = part(
            marked("wrist", 80.0, marks(onset_sd_ms=near)), marked("elbow", 300.0, marks(onset_ms=7.8, onset_sd_ms=far))
        )
        motor.measure(at)
        assert pick(at.rows, "terminal_latency_index").sd is None
        assert pick(at.rows, "residual_latency").value == pytest.approx(3.8 - 80 / 55)


def test_later_peaks_are_flagged_once():
    found = marks(flags=Flag.MULTIPLE_PEAKS, last_end_ms=12.0)
    at = part(known_filter(marked("wrist", 80.0, found)))
    motor.measure(at)
    assert pick(at.rows, "cmap_total_duration").flags == ("multiple_peaks",)
    assert pick(at.rows, "cmap_duration").flags == ("multiple_peaks",)
    later = part(known_filter(marked("wrist", 80.0, marks(last_end_ms=12.0))))
    motor.measure(later)
    assert pick(later.rows, "cmap_duration").flags == ()
    assert pick(later.rows, "cmap_total_duration").flags == ("multiple_peaks",)


def test_a_trace_without_marks_says_nothing_of_peaks_or_filters():
    at = part(marked("wrist", 80.0, None, reason=Reason.NO_STIMULUS_TIME))
    motor.measure(at)
    for row in at.rows:
        assert row.flags == ()
        assert "peaks above" not in row.method


def test_without_an_order_the_distal_latency_has_no_site():
    at = part(marked("a", None, marks()), marked("b", None, marks(onset_ms=7.8)))
    motor.measure(at)
    row = pick(at.rows, "distal_motor_latency")
    assert facts(row) == {"reason": Reason.NO_SITE_ORDER, "method": "by hand", "flags": ("distance_not_stated",)}
    assert pick(at.rows, "terminal_latency_index").method == "by hand"


@pytest.mark.parametrize(
    ("near", "reason"),
    [
        (None, Reason.NO_DISTAL_DISTANCE), (0.0, Reason.IMPOSSIBLE_DISTANCE), (-1.0, Reason.IMPOSSIBLE_DISTANCE),
        (math.inf, Reason.IMPOSSIBLE_DISTANCE),
    ],
)  # fmt: skip
def test_terminal_indices_need_a_distal_distance(near, reason):
    measured = Segment(distal_site="wrist", proximal_site="elbow", distance_mm=220.0)
    at = part(marked("wrist", near, marks()), marked("elbow", None, marks(onset_ms=7.8)), segments=(measured,))
    motor.measure(at)
    for name in ("terminal_latency_index", "residual_latency"):
        assert (pick(at.rows, name).value, pick(at.rows, name).reason) == (None, reason)


def test_terminal_indices_name_what_the_segment_lacks():
    at = part(marked("wrist", 80.0, marks()), marked(None, 300.0, marks(onset_ms=7.8)))
    motor.measure(at)
    for name in ("motor_conduction_velocity", "terminal_latency_index", "residual_latency"):
        assert pick(at.rows, name).reason is Reason.NO_SITE


def test_the_protocols_order_goes_before_that_of_a_segment():
    upside_down = Segment(distal_site="elbow", proximal_site="wrist", distance_mm=220.0)
    at = part(
        marked("wrist", None, marks()), marked("elbow", None, marks(onset_ms=7.8)), segments=(upside_down,),
        provenance=Provenance(site_order=Origin.PROTOCOL),
    )  # fmt: skip
    motor.measure(at)
    assert pick(at.rows, "motor_conduction_velocity", segment="wrist-elbow").value == pytest.approx(55.0)


def a_pair(near=0, far=0, names=("wrist", "elbow"), **study):
    at = part(marked(names[0], 65.0, marks(flags=near)), marked(names[1], 285.0, marks(flags=far)), **study)
    (pair,) = site_pairs(at.study, at.marked, order_known=True)
    return at.study, pair


MEDIAN = {"nerve": "Median", "recording_site": "APB"}
ULNAR = {"nerve": "ulnar", "recording_site": "ADM", "names": ("wrist", "below elbow")}
LARGER = ("submaximal_suspected", "martin_gruber_3_suspected")


@pytest.mark.parametrize(
    ("ratio", "flags"),
    [
        (Value(value=1.101), LARGER), (Value(value=1.10), ()), (Value(value=1.0), ()),
        (Value(value=1.31, sd=0.1), LARGER), (Value(value=1.3, sd=0.1), ()),  # three deviations above one
        (Value(value=1.105, sd=0.01), LARGER),
        (Value.missing(Reason.NO_RESPONSE), ()),
    ],
)  # fmt: skip
def test_how_much_larger_a_proximal_response_has_to_be(ratio, flags):
    assert pattern_of(*a_pair(**MEDIAN), ratio, Value(value=1.0)) == (flags, "")


@pytest.mark.parametrize(
    ("amplitude", "area", "is_found"),
    [
        (Value(value=0.79), Value(value=0.79), True), (Value(value=0.80), Value(value=0.5), False),
        (Value(value=0.5), Value(value=0.80), False), (Value(value=0.5), Value.missing(Reason.NO_RETURN), False),
        (Value(value=0.69, sd=0.1), Value(value=0.5), True), (Value(value=0.71, sd=0.1), Value(value=0.5), False),
        (Value(value=0.79, sd=0.01), Value(value=0.5), True),
    ],
)  # fmt: skip
def test_how_much_smaller_an_ulnar_proximal_response_has_to_be(amplitude, area, is_found):
    flags = ("martin_gruber_1_suspected",) if is_found else ()
    assert pattern_of(*a_pair(**ULNAR), amplitude, area) == (flags, "")


ALONE = (("submaximal_suspected",), "")
SUPPORT = "the proximal response alone begins with a positivity, as crossing fibres to another muscle make it"


@pytest.mark.parametrize(
    ("near", "far", "study", "expected"),
    [
        (0, 1, MEDIAN, (LARGER, SUPPORT)),
        (1, 1, MEDIAN, (LARGER, "")),
        (1, 0, MEDIAN, (LARGER, "")),
        (0, 1, {"nerve": "tibial", "recording_site": "AH"}, ALONE),
        (
            0, 1, {"nerve": "deep fibular", "recording_site": "Extensor digitorum  brevis", "names": ("ankle", "knee")},
            (("submaximal_suspected", "accessory_fibular_suspected"), ""),
        ),
        (0, 0, {"nerve": "fibular", "recording_site": "TA", "names": ("ankle", "knee")}, ALONE),
        (0, 0, {"nerve": "fibular", "recording_site": "EDB", "names": ("knee", "hip")}, ALONE),
        (0, 0, MEDIAN | {"names": ("palm", "elbow")}, ALONE),
        (0, 0, MEDIAN | {"names": ("wrist", "axilla")}, ALONE),
        (0, 0, MEDIAN | {"recording_site": None}, ALONE),
    ],
)  # fmt: skip
def test_patterns_of_a_larger_proximal_response(near, far, study, expected):
    assert pattern_of(*a_pair(near, far, **study), Value(value=1.5), Value(value=1.5)) == expected


@pytest.mark.parametrize(
    ("study", "flags"),
    [
        (ULNAR | {"recording_site": "1st dorsal interosseous"}, ("martin_gruber_2_suspected",)),
        (ULNAR | {"recording_site": "APB"}, ()),
        (ULNAR | {"nerve": "median"}, ()),
        (ULNAR | {"names": ("palm", "below elbow")}, ()),
        (ULNAR | {"names": ("wrist", "above elbow")}, ()),
    ],
)
def test_patterns_of_a_smaller_proximal_response(study, flags):
    assert pattern_of(*a_pair(**study), Value(value=0.5), Value(value=0.5)) == (flags, "")


def sensory_rows(*traces, **study):
    at = part(*traces, **{"technique": Technique.SENSORY, "recording_site": "finger II", **study})
    sensory.measure(at)
    return at.rows


def test_every_row_of_a_sensory_study():
    palm = marked("palm", 70.0, marks(onset_ms=1.4, onset_sd_ms=0.02))
    wrist = marked("wrist", 140.0, marks(onset_ms=2.8, onset_sd_ms=0.03, flags=Flag.MULTIPLE_PEAKS), how="mean of 9")
    rows = sensory_rows(palm, wrist, distance_sd_mm=2.0)
    near = {"site": "palm", "distance_mm": 70.0, "method": "by hand"}
    far = {"site": "wrist", "distance_mm": 140.0, "method": "by hand; mean of 9", "flags": ("multiple_peaks",)}
    amplitudes = {"peak": {"value": 7200.0, "sd": 20.0}, "both": {"value": 9300.0, "sd": 30.0}}
    how = "; distance over onset latency"
    expected = [
        near | {"value": 1.4, "sd": 0.02},
        near | {"value": 6.0, "sd": 0.02},
        near | amplitudes["peak"],
        near | amplitudes["both"],
        near | {
            "value": 50.0, "sd": 50 * math.hypot(0.02 / 1.4, 2 / 70), "segment": "finger II-palm",
            "method": "by hand" + how, "flags": ("short_segment",),
        },
        far | {"value": 2.8, "sd": 0.03},
        far | {"value": 6.0, "sd": 0.02},
        far | amplitudes["peak"],
        far | amplitudes["both"],
        far | {
            "value": 50.0, "sd": 50 * math.hypot(0.03 / 2.8, 2 / 140), "segment": "finger II-wrist",
            "method": "by hand; mean of 9" + how,
        },
        {
            "value": 50.0, "sd": 50 * math.hypot(math.hypot(0.02, 0.03) / 1.4, 2 / 70), "segment": "palm-wrist",
            "distance_mm": 70.0, "method": "by hand; distance from the two cathode distances",
            "flags": ("short_segment",),
        },
    ]  # fmt: skip
    for row, wanted in zip(rows, expected, strict=True):
        numbers = {key: pytest.approx(wanted[key]) for key in ("value", "sd")}
        assert facts(row) == {**wanted, **numbers}, row.quantity


def test_a_segment_says_why_it_has_no_velocity():
    rows = sensory_rows(marked("palm", 70.0, marks(onset_ms=1.4)), marked(None, 140.0, marks(onset_ms=2.8)))
    assert pick(rows, "sensory_conduction_velocity", segment="palm-?").reason is Reason.NO_SITE
    rows = sensory_rows(marked("palm", 70.0, marks(onset_ms=1.4)), marked("wrist", 70.0, marks(onset_ms=2.8)))
    assert pick(rows, "sensory_conduction_velocity", segment="palm-wrist").reason is Reason.SAME_DISTANCE


ORTHODROMIC, POSITIVE = {"direction": Direction.ORTHODROMIC}, Flag.INITIAL_POSITIVITY
ABSENT = "orthodromic, without an initial positive peak above the noise"


@pytest.mark.parametrize(
    ("found", "edits", "study", "note", "flags"),
    [
        (marks(), {}, {}, "", ()),
        (marks(flags=POSITIVE), {}, {}, "", ("initial_positivity", "direction_not_stated")),
        (marks(flags=POSITIVE), {"onset_ms": MOVED}, {}, "", ("initial_positivity",)),
        (marks(flags=POSITIVE), {}, {"direction": Direction.ANTIDROMIC}, "", ("initial_positivity",)),
        (marks(flags=POSITIVE), {}, {"technique": Technique.MIXED}, "", ("initial_positivity",)),
        (marks(), {}, ORTHODROMIC, ABSENT, ("no_initial_positive_peak",)),
        (marks(), {"onset_ms": MOVED}, ORTHODROMIC, "", ()),
        (marks(onset_ms=math.nan), {}, ORTHODROMIC, "", ()),
        (
            marks(flags=Flag.ONSET_AT_POSITIVE_PEAK), {}, ORTHODROMIC,
            "orthodromic: onset at the initial positive peak", ("onset_at_positive_peak",),
        ),
    ],
)  # fmt: skip
def test_what_an_onset_rests_on_is_said_with_it(found, edits, study, note, flags):
    rows = sensory_rows(marked("wrist", 140.0, found, edits=edits), **study)
    last = ("edited",) if edits else ()
    words = "; ".join(filter(None, ("by hand", note, *edits.get("onset_ms", ()))))
    onset = pick(rows, "sensory_onset_latency")
    assert (onset.method, onset.flags) == (words, flags + last)
    velocity = pick(rows, "sensory_conduction_velocity")
    assert velocity.method == words.replace("by hand", "by hand; distance over onset latency", 1)
    assert velocity.flags == flags + last
    marked_flags = tuple(flag for flag in flags if flag in {"initial_positivity", "onset_at_positive_peak"})
    assert pick(rows, "snap_amplitude").flags == marked_flags


def test_an_onset_that_is_missing_is_too_noisy_to_time():
    rows = sensory_rows(marked("wrist", 140.0, marks(onset_ms=math.nan)))
    assert pick(rows, "sensory_onset_latency").reason is Reason.TOO_NOISY
    assert pick(rows, "sensory_conduction_velocity").reason is Reason.TOO_NOISY
    rows = sensory_rows(marked("wrist", None, marks(Outcome.FOUND)))
    assert pick(rows, "sensory_peak_latency").flags == ("distance_not_stated",)
    assert pick(rows, "sensory_onset_latency").flags == ()
