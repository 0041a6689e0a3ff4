"""Rows of an inching study, from hand-made marks: steps with deviations, places and reasons."""

import math

import pytest

from ncs.detect.marks import Outcome
from ncs.measure import inching
from ncs.model import Origin, Provenance, Segment, Technique
from ncs.results import Reason
from tests.measure.build import facts, marked, marks, part, pick

NAN = math.nan
MOVED = ("onset moved by A",)


def inched(*traces, **study):
    made = part(*traces, technique=Technique.INCHING, **study)
    inching.measure(made)
    return made.rows


def test_every_row_of_an_inching_study():
    near = marked("a", 100.0, marks(onset_ms=4.0))
    far = marked("b", 120.0, marks(onset_ms=4.4, onset_sd_ms=0.04, peak_uv=5400.0, area_uv_ms=10_000.0))
    rows = inched(near, far, distance_sd_mm=1.0)
    step_sd = 0.05  # of 0.03 and 0.04
    ratio_sd = 0.75 * math.hypot(20 / 7200, 20 / 5400)
    place = {"segment": "a-b", "distance_mm": 20.0, "method": "by hand"}
    largest = "by hand; at a-b, 1 of 1 steps known"
    expected = [
        ("motor_latency", {"value": 4.0, "sd": 0.03, "site": "a", "distance_mm": 100.0, "method": "by hand"}),
        ("cmap_amplitude", {"value": 7200.0, "sd": 20.0, "site": "a", "distance_mm": 100.0, "method": "by hand"}),
        ("cmap_area", {"value": 20_000.0, "sd": 150.0, "site": "a", "distance_mm": 100.0, "method": "by hand"}),
        ("motor_latency", {"value": 4.4, "sd": 0.04, "site": "b", "distance_mm": 120.0, "method": "by hand"}),
        ("cmap_amplitude", {"value": 5400.0, "sd": 20.0, "site": "b", "distance_mm": 120.0, "method": "by hand"}),
        ("cmap_area", {"value": 10_000.0, "sd": 150.0, "site": "b", "distance_mm": 120.0, "method": "by hand"}),
        ("latency_step", place | {"value": 0.4, "sd": step_sd}),
        (
            "latency_step_per_10_mm",
            place | {
                "value": 0.2, "sd": 0.5 * math.hypot(step_sd, 0.4 * 1.0 / 20),
                "method": "by hand; distance from the two cathode distances",
            },
        ),
        ("cmap_amplitude_ratio", place | {"value": 0.75, "sd": ratio_sd}),
        ("cmap_area_ratio", place | {"value": 0.5, "sd": 0.5 * math.hypot(150 / 20_000, 150 / 10_000)}),
        ("latency_step_maximum", {"value": 0.2, "sd": 0.5 * math.hypot(step_sd, 0.02), "method": largest}),
        ("amplitude_step_maximum", {"value": 25.0, "sd": 100 * ratio_sd, "method": largest}),
    ]  # fmt: skip
    assert [row.quantity for row in rows] == [name for name, _ in expected]
    for row, (name, wanted) in zip(rows, expected, strict=True):
        assert facts(row) == {**wanted, "value": pytest.approx(wanted["value"]), "sd": pytest.approx(wanted["sd"])}, (
            name
        )


def points(*latencies, step_mm=10.0, **first):
    return [
        marked(f"p{i}", 200.0 + step_mm * i, marks(onset_ms=t, **(first if i == 0 else {})))
        for i, t in enumerate(latencies)
    ]


def test_the_largest_step_is_told_with_its_place_and_the_middle_of_the_others():
    sites = points(4.0, 4.1, 5.0, 5.2, 5.6)
    sites[3] = marked("p3", 230.0, marks(Outcome.NO_RESPONSE))
    row = pick(inched(*sites), "latency_step_maximum")
    assert row.value == pytest.approx(0.9)
    assert row.method == "by hand; at p1-p2, 2 of 4 steps known, median of the others 0.1 ms for 10 mm"
    drop = pick(inched(*points(4.0, 4.1, 4.2, peak_uv=9000.0)), "amplitude_step_maximum")
    assert drop.value == pytest.approx(20.0)
    assert drop.method == "by hand; at p0-p1, 2 of 2 steps known, median of the others 0 %"


def test_an_edit_is_said_in_every_step_beside_it():
    sites = points(4.0, 4.4, 4.8)
    sites[1] = marked("p1", 210.0, sites[1].marks, edits={"onset_ms": MOVED, "peak_uv": ("negative peak moved by A",)})
    rows = inched(*sites)
    for name in ("latency_step", "latency_step_per_10_mm", "cmap_amplitude_ratio"):
        for segment in ("p0-p1", "p1-p2"):
            row = pick(rows, name, segment=segment)
            assert (row.sd, row.flags) == (None, ("edited",)), name
            assert row.method.endswith("moved by A")
    for name in ("latency_step_maximum", "amplitude_step_maximum"):
        assert pick(rows, name).flags == ("edited",)
    assert pick(rows, "cmap_area_ratio", segment="p0-p1").flags == ()


def test_a_step_without_deviation_has_none():
    for near, far in ((NAN, 0.03), (0.03, NAN)):
        rows = inched(
            marked("a", 1.0, marks(onset_sd_ms=near)), marked("b", 11.0, marks(onset_ms=4.0, onset_sd_ms=far))
        )
        assert pick(rows, "latency_step").sd is None
        assert pick(rows, "latency_step_per_10_mm").sd is None
    rows = inched(marked("a", 1.0, marks(peak_sd_uv=NAN)), marked("b", 11.0, marks(onset_ms=4.0)))
    assert pick(rows, "amplitude_step_maximum").sd is None


@pytest.mark.parametrize(
    ("near", "far", "study", "reason"),
    [
        (200.0, 200.0, {"provenance": Provenance(site_order=Origin.PROTOCOL)}, Reason.NO_SITE_ORDER),
        (200.0, None, {"provenance": Provenance(site_order=Origin.PROTOCOL)}, Reason.NO_DISTANCE),
        (
            200.0, 210.0, {"segments": (Segment(distal_site="a", proximal_site="b", distance_mm=0.0),)},
            Reason.IMPOSSIBLE_DISTANCE,
        ),
    ],
)  # fmt: skip
def test_why_there_is_no_step_for_10_mm(near, far, study, reason):
    rows = inched(marked("a", near, marks(onset_ms=4.0)), marked("b", far, marks(onset_ms=4.4)), **study)
    assert pick(rows, "latency_step_per_10_mm").reason is reason
    assert pick(rows, "latency_step_maximum").reason is reason
    assert (pick(rows, "latency_step").value is None) is (reason is Reason.NO_SITE_ORDER)


def test_only_neighbours_have_a_step():
    far = Segment(distal_site="p0", proximal_site="p2", distance_mm=21.0)
    rows = inched(*points(4.0, 4.2, 4.4), segments=(far,))
    assert [row.segment for row in rows if row.quantity == "latency_step"] == ["p0-p1", "p1-p2"]
    assert inched() == [] or {row.reason for row in inched()} == {Reason.ONE_SITE}


def test_sites_without_a_name_of_their_own_get_their_distance():
    named = [("elbow", 10.0), ("Elbow", 20.0), ("wrist", 5.0), (None, 30.0)]
    rows = inched(*(marked(name, distance, marks(onset_ms=distance)) for name, distance in named))
    assert [row.site for row in rows if row.quantity == "motor_latency"] == [
        "wrist", "elbow 10 mm", "Elbow 20 mm", "30 mm",
    ]  # fmt: skip
    rows = inched(marked("elbow", None, marks()), marked("elbow", None, marks()))
    assert {row.site for row in rows if row.quantity == "motor_latency"} == {"elbow"}


def test_a_missing_response_has_no_step_for_its_own_reason():
    rows = inched(marked("a", 1.0, marks(Outcome.CLIPPED)), marked("b", 11.0, marks(Outcome.NO_RESPONSE)))
    assert pick(rows, "latency_step").reason is Reason.CLIPPED
    assert pick(rows, "latency_step_maximum").reason is Reason.CLIPPED
    rows = inched(marked("a", 1.0, marks(onset_ms=NAN)), marked("b", 11.0, marks()))
    assert pick(rows, "latency_step").reason is Reason.TOO_NOISY
