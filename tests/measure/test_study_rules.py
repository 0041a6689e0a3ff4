"""What all techniques share: from a mark to a measurement with its flags and its method, and pairs of sites."""

import math

import pytest

from ncs.detect.marks import Flag, Outcome
from ncs.measure._study import (
    MarkedTrace,
    StudyPart,
    Value,
    distal_to_proximal,
    edits_of,
    ratio,
    short_segment,
    site_pairs,
    velocity,
)
from ncs.model import Origin, Provenance, Segment, Side, Study, Technique
from ncs.results import Reason
from tests.measure.build import facts, marked, marks, part, trace

ONSET, PEAK = ("onset moved by A",), ("negative peak moved by A",)


def test_a_mark_is_a_value_with_its_deviation_unless_a_person_moved_it():
    at = marked("wrist", 80.0, marks(), edits={"onset_ms": ONSET})
    assert at.value("peak_uv", "peak_sd_uv") == Value(value=7200.0, sd=20.0)
    assert at.value("peak_uv") == Value(value=7200.0)
    assert at.value("onset_ms", "onset_sd_ms") == Value(value=3.8, edits=ONSET)
    unknown = marked("wrist", 80.0, marks(peak_sd_uv=math.nan))
    assert unknown.value("peak_uv", "peak_sd_uv") == Value(value=7200.0)


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        (Outcome.NO_RESPONSE, Reason.NO_RESPONSE), (Outcome.CLIPPED, Reason.CLIPPED),
        (Outcome.AT_WINDOW_EDGE, Reason.AT_WINDOW_EDGE), (Outcome.TOO_NOISY, Reason.TOO_NOISY),
        (Outcome.INVALID_INPUT, Reason.INVALID_SAMPLES), (Outcome.FOUND, Reason.NO_RETURN),
    ],
)  # fmt: skip
def test_a_missing_mark_has_the_reason_of_its_outcome(outcome, reason):
    found = marks(outcome, onset_ms=math.nan)
    assert marked("wrist", 80.0, found).value("onset_ms", "onset_sd_ms") == Value.missing(reason)
    absent = Reason.NO_POSITIVE_PEAK if outcome is Outcome.FOUND else reason
    assert marked("wrist", 80.0, found).value("onset_ms", absent=Reason.NO_POSITIVE_PEAK) == Value.missing(absent)
    taken_away = marked("wrist", 80.0, found, edits={"onset_ms": ONSET}, left_out=frozenset({"onset_ms"}))
    assert taken_away.value("onset_ms") == Value(value=None, reason=Reason.NOT_MARKED, edits=ONSET)


def test_a_trace_that_was_not_marked_has_its_reason_or_lacks_a_stimulus_time():
    assert marked("wrist", 80.0, None).value("onset_ms") == Value.missing(Reason.NO_STIMULUS_TIME)
    assert marked("wrist", 80.0, None, reason=Reason.NO_TECHNIQUE).value("onset_ms") == Value.missing(
        Reason.NO_TECHNIQUE
    )
    assert marked("wrist", 80.0, None).flags == ()
    assert not marked("wrist", 80.0, None).has(Flag.MULTIPLE_PEAKS)


EVERY_FLAG = (
    Flag.INITIAL_POSITIVITY | Flag.MULTIPLE_PEAKS | Flag.NO_BASELINE_BEFORE_STIMULUS | Flag.METHODS_DISAGREE
    | Flag.REPEATER | Flag.A_WAVE
)  # fmt: skip


def test_flags_of_marks_have_names_and_an_order():
    at = marked("wrist", 80.0, marks(flags=EVERY_FLAG), more_flags=("sweeps_rejected",))
    named = ("initial_positivity", "multiple_peaks", "no_baseline_before_stimulus", "methods_disagree")
    assert at.flags == (*named, "sweeps_rejected")
    assert at.has(Flag.INITIAL_POSITIVITY)
    assert not at.has(Flag.ONSET_AT_POSITIVE_PEAK)
    orthodromic = marked("wrist", 80.0, marks(flags=Flag.INITIAL_POSITIVITY | Flag.ONSET_AT_POSITIVE_PEAK))
    assert orthodromic.flags == ("onset_at_positive_peak",)  # the positivity is where the onset is


def test_an_onset_that_a_person_moved_has_no_flag_of_the_automatic_one():
    flags = Flag.ONSET_AT_POSITIVE_PEAK | Flag.METHODS_DISAGREE | Flag.INITIAL_POSITIVITY | Flag.MULTIPLE_PEAKS
    at = marked("wrist", 80.0, marks(flags=flags), edits={"onset_ms": ONSET})
    assert at.flags == ("initial_positivity", "multiple_peaks")
    assert [at.has(flag) for flag in (Flag.ONSET_AT_POSITIVE_PEAK, Flag.METHODS_DISAGREE, Flag.MULTIPLE_PEAKS)] == [
        False, False, True,
    ]  # fmt: skip


FROM_ARTEFACT = Provenance(stimulus_ms=Origin.ARTEFACT)


def test_a_stimulus_time_that_nobody_stated_flags_everything_of_the_study():
    stated = marked("wrist", 80.0, marks())
    seen = MarkedTrace(trace=trace("elbow", 300.0, provenance=FROM_ARTEFACT), marks=marks(flags=Flag.MULTIPLE_PEAKS))
    assert seen.flags == ("multiple_peaks", "stimulus_from_artefact")
    both = part(stated, seen, seen)
    both.add("motor_conduction_velocity", Value(value=50.0), segment="wrist-elbow", flags=("short_segment",))
    both.add("motor_latency", Value(value=3.8), at=stated)
    assert [row.flags for row in both.rows] == [("stimulus_from_artefact", "short_segment"), ()]
    unmarked = MarkedTrace(trace=seen.trace, marks=None)
    assert (unmarked.flags, unmarked.trace_flags) == ((), ("stimulus_from_artefact",))


def test_every_fact_of_a_measurement():
    study = Study(
        traces=(trace(),), nerve="median", side=Side.LEFT, technique=Technique.MOTOR, recording_site="APB",
        skin_temperature_c=33.5,
    )  # fmt: skip
    at = marked("wrist", 80.0, marks(flags=Flag.MULTIPLE_PEAKS), how="mean of 3 of 3 sweeps")
    made = StudyPart(study=study, study_index=2, marked=(at,), method="onset x")
    made.add("motor_latency", Value(value=3.8, sd=0.1), at=at, note="a note", flags=("more",))
    made.add("motor_latency", Value(value=3.9, edits=ONSET + PEAK), at=at)
    made.add("motor_conduction_velocity", Value.missing(Reason.ONE_SITE), segment="a-b", distance_mm=7.0, note="n")
    made.add("motor_conduction_velocity", Value(value=1.0), segment="a-b")
    for row in made.rows:
        assert (row.nerve, row.side, row.technique, row.recording_site) == ("median", Side.LEFT, Technique.MOTOR, "APB")
        assert (row.skin_temperature_c, row.study_index) == (33.5, 2)
    assert [row.unit for row in made.rows] == ["ms", "ms", "m/s", "m/s"]
    assert [facts(row) for row in made.rows] == [
        {
            "value": 3.8, "sd": 0.1, "method": "onset x; mean of 3 of 3 sweeps; a note", "site": "wrist",
            "distance_mm": 80.0, "flags": ("multiple_peaks", "more"),
        },
        {
            "value": 3.9, "method": "onset x; mean of 3 of 3 sweeps; onset moved by A; negative peak moved by A",
            "site": "wrist", "distance_mm": 80.0, "flags": ("multiple_peaks", "edited"),
        },
        {"reason": Reason.ONE_SITE, "method": "onset x; n", "segment": "a-b", "distance_mm": 7.0},
        {"value": 1.0, "method": "onset x", "segment": "a-b"},
    ]  # fmt: skip


def names(ordered):
    return [at.trace.stimulation_site for at in ordered]


def sites(*named, **study):
    """Return study and marked traces of sites with their distances."""
    made = part(*(marked(name, distance, marks()) for name, distance in named), **study)
    return made.study, made.marked


PROTOCOL = Provenance(site_order=Origin.PROTOCOL)


@pytest.mark.parametrize(
    ("site", "study", "known"),
    [
        ("wrist", {}, True), ("Ankle", {}, True), ("elbow", {}, False), (None, {}, False),
        ("elbow", {"provenance": PROTOCOL}, True),
    ],
)  # fmt: skip
def test_one_site_is_distal_where_it_can_only_be_that(site, study, known):
    study, one = sites((site, None), **study)
    assert distal_to_proximal(study, one) == (one, known)


def test_distances_order_sites_before_the_protocol_does():
    study, (far, near) = sites(("far", 300.0), ("near", 80.0), provenance=PROTOCOL)
    assert distal_to_proximal(study, (far, near)) == ((near, far), True)
    study, three = sites(("far", 300.0), ("near", None), ("mid", 200.0), provenance=PROTOCOL)
    assert distal_to_proximal(study, three) == (three, True)  # one is missing: the protocol's order


def test_equal_distances_order_only_what_has_one_name():
    study, same = sites(("Wrist", 80.0), ("wrist", 80.0), ("elbow", 300.0))
    assert distal_to_proximal(study, same) == (same, True)
    study, two = sites(("wrist", 80.0), ("palm", 80.0))
    assert distal_to_proximal(study, two)[1] is False


def segment(distal, proximal, distance_mm=100.0):
    return Segment(distal_site=distal, proximal_site=proximal, distance_mm=distance_mm)


def test_segments_order_sites_whatever_the_case_and_the_order_they_stand_in():
    study, (c, a, b) = sites(("C", None), ("a", None), ("B", None), segments=(segment("b", "c"), segment("A", "B")))
    assert distal_to_proximal(study, (c, a, b)) == ((a, b, c), True)
    study, (c, a, b) = sites(("C", None), ("a", None), ("B", None), segments=(segment("b", "c"),))
    assert distal_to_proximal(study, (c, a, b)) == ((c, a, b), False)


def pair_facts(pairs):
    return [(pair.name, pair.distance_mm, pair.reason, pair.how) for pair in pairs]


TAPE, CATHODES = "distance measured between the sites", "distance from the two cathode distances"


def test_neighbours_come_first_and_then_what_was_measured_directly():
    study, three = sites(
        ("wrist", 80.0), ("elbow", 300.0), ("axilla", 420.0), segments=(segment("Axilla", "Wrist", 350.0),)
    )
    assert pair_facts(site_pairs(study, three, order_known=True)) == [
        ("wrist-elbow", 220.0, None, CATHODES),
        ("elbow-axilla", 120.0, None, CATHODES),
        ("wrist-axilla", 350.0, None, TAPE),
    ]


def test_a_segment_of_sites_that_were_not_stimulated_is_no_pair_and_one_counts_once():
    study, two = sites(
        ("wrist", 80.0), ("elbow", 300.0),
        segments=(segment("wrist", "axilla"), segment("elbow", "wrist", 200.0), segment("axilla", "erb")),
    )  # fmt: skip
    assert pair_facts(site_pairs(study, two, order_known=True)) == [("wrist-elbow", 200.0, None, TAPE)]
    study, three = sites(
        ("a", 10.0), ("b", 20.0), ("c", 30.0), segments=(segment("a", "c", 5.0), segment("c", "a", 7.0))
    )
    assert pair_facts(site_pairs(study, three, order_known=True))[2:] == [("a-c", 5.0, None, TAPE)]


@pytest.mark.parametrize(
    ("near", "far", "segments", "expected"),
    [
        (80.0, 300.0, (), ("a-b", 220.0, None, CATHODES)),
        (300.0, 80.0, (), ("b-a", 220.0, None, CATHODES)),
        (80.0, 80.0, (), ("a-b", None, Reason.SAME_DISTANCE, "")),
        (None, 80.0, (), ("a-b", None, Reason.NO_DISTANCE, "")),
        (80.0, None, (), ("a-b", None, Reason.NO_DISTANCE, "")),
        (None, None, (("b", "a"),), ("b-a", 100.0, None, TAPE)),
        (None, None, (("a", "b"),), ("a-b", 100.0, None, TAPE)),
        (80.0, 300.0, (("b", "a"),), ("a-b", 100.0, None, TAPE)),
        (80.0, 80.0, (("b", "a"),), ("b-a", 100.0, None, TAPE)),
    ],
)
def test_a_pair_without_a_known_order_goes_by_its_own_distances_or_its_segment(near, far, segments, expected):
    study, two = sites(("a", near), ("b", far), segments=tuple(segment(*names) for names in segments))
    assert pair_facts(site_pairs(study, two, order_known=False)) == [expected]


def test_a_known_order_is_kept():
    study, two = sites(("a", 300.0), ("b", 80.0))
    assert pair_facts(site_pairs(study, two, order_known=True)) == [("a-b", None, Reason.SAME_DISTANCE, "")]


def test_a_pair_with_an_unnamed_site_has_no_distance():
    for named in ((None, 80.0), ("b", 300.0)), (("b", 80.0), (None, 300.0)):
        study, two = sites(*named)
        (pair,) = site_pairs(study, two, order_known=True)
        assert (pair.reason, pair.distance_mm) == (Reason.NO_SITE, None)
        assert "?" in pair.name


def test_a_segment_is_short_below_ten_centimetres():
    assert short_segment(99.9) == ("short_segment",)
    assert short_segment(100.0) == short_segment(None) == ()


def test_edits_are_carried_into_what_rests_on_them_each_once():
    moved, both = Value(value=4.0, sd=0.1, edits=ONSET), Value(value=2.0, edits=ONSET + PEAK)
    assert edits_of(moved, both, moved) == ONSET + PEAK
    assert ratio(both, moved) == Value(value=0.5, edits=ONSET + PEAK)
    known = Value(value=2.0, sd=0.2, edits=PEAK)
    assert ratio(known, moved) == Value(value=0.5, sd=pytest.approx(0.5 * math.hypot(0.1, 0.025)), edits=PEAK + ONSET)
    assert velocity(100.0, known, moved, distance_sd_mm=None) == Value(
        value=50.0, sd=pytest.approx(50.0 * math.hypot(0.2, 0.1) / 2.0), edits=PEAK + ONSET
    )
    assert velocity(100.0, Value(value=2.0), moved, distance_sd_mm=3.0) == Value(value=50.0, edits=ONSET)
    assert velocity(100.0, moved, known, distance_sd_mm=None) == Value(
        value=None, reason=Reason.LATENCY_ORDER, edits=ONSET + PEAK
    )


def test_the_deviation_of_a_negative_ratio_is_positive():
    found = ratio(Value(value=-2.0, sd=0.2), Value(value=4.0, sd=0.1))
    assert (found.value, found.sd) == (-0.5, pytest.approx(0.5 * math.hypot(0.1, 0.025)))
