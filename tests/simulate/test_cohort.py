"""A simulated cohort is what its plan says, sessions differ as asked, and truth is what flawless marks give."""

import datetime as dt
from dataclasses import replace

import numpy as np
import pytest

from ncs import simulate
from ncs.errors import InvalidInputError
from ncs.simulate import PUBLISHED_SUMMARY, SubjectPlan, VisitPlan


@pytest.fixture(scope="module")
def simulated():
    return simulate.cohort(seed=11)


def first_and_last(name):
    """Return, for every subject, the first and the last stated value of a covariate, ``<15`` as 15."""
    stated = {
        plan.subject: [float(v.covariates[name].lstrip("<")) for v in plan.visits if name in v.covariates]
        for plan in PUBLISHED_SUMMARY
    }
    return {subject: (values[0], values[-1]) for subject, values in stated.items()}


def test_the_plan_is_that_of_the_published_summary():
    assert len(PUBLISHED_SUMMARY) == 9
    days = [plan.visits[-1].day for plan in PUBLISHED_SUMMARY]
    months = np.array(days) / 365.25 * 12
    assert (round(months.min()), round(months.max())) == (8, 23)
    assert months.mean() == pytest.approx(15.0, abs=0.05)
    assert {len(plan.visits) for plan in PUBLISHED_SUMMARY} == {3, 4, 5}
    rises = {plan.subject: plan.visits[-1].velocity_m_s - plan.visits[0].velocity_m_s for plan in PUBLISHED_SUMMARY}
    assert sum(rise >= 8 for rise in rises.values()) == 7
    assert {subject for subject, rise in rises.items() if abs(rise) <= 0.4} == {"S05", "S07"}
    assert all(20 <= visit.velocity_m_s <= 47 for plan in PUBLISHED_SUMMARY for visit in plan.visits)
    vegf, limit = first_and_last("VEGF"), simulate.cohort_plan.UPPER_LIMITS["VEGF"]
    assert all(first > limit and last < first for first, last in vegf.values())
    assert sum(last <= limit for _, last in vegf.values()) == 5
    score = first_and_last("ONLS")
    assert sum(last < first for first, last in score.values()) == 6
    assert sum(last == first for first, last in score.values()) == 3


def test_a_cohort_has_every_visit_of_its_plan(simulated):
    planned = [
        (plan.subject, plan.first_visit + dt.timedelta(days=visit.day))
        for plan in PUBLISHED_SUMMARY
        for visit in plan.visits
    ]
    assert [(str(each.visit.subject), each.visit.date) for each in simulated.visits] == planned
    names = [(study.nerve, study.technique.value) for study in simulated.visits[0].visit.studies]
    assert names == [("median", "motor"), ("ulnar", "motor"), ("median", "sensory")]
    assert [each.number for each in simulated.visits][:6] == [1, 2, 3, 4, 5, 1]
    stated = [(row.subject, row.date) for row in simulated.covariates if row.name == "VEGF"]
    assert set(planned) - set(stated) == {("S07", dt.date(2021, 4, 5))}
    assert {row.value for row in simulated.covariates if "<" in row.value} == {"<15"}
    assert {row.unit for row in simulated.covariates} == {"pg/mL", "points", "kg", "mg/day"}
    assert {row.upper_limit for row in simulated.covariates if row.name == "VEGF"} == {100.0}
    assert {row.upper_limit for row in simulated.covariates if row.name != "VEGF"} == {None}


def test_what_is_special_about_single_visits(simulated):
    at = {(str(each.visit.subject), each.number): each for each in simulated.visits}
    assert {key for key, each in at.items() if each.true_velocity_m_s is None} == {("S03", 2)}
    assert not at["S03", 2].truth.studies[0].sites[0].marks.has_response.any()
    without_snap = {key for key, each in at.items() if not each.truth.studies[2].sites[0].marks.has_response[0]}
    assert without_snap == {("S01", 1), *(("S03", n) for n in (1, 2, 3, 4)), *(("S06", n) for n in (1, 2, 3))}
    lengths = [at["S04", n].truth.studies[0].segments[0].distance_mm for n in (1, 2, 3, 4)]
    assert lengths[1] > 1.1 * max(lengths[0], *lengths[2:])
    amplitudes = {key: float(each.truth.studies[0].sites[0].marks.peak_uv[0]) for key, each in at.items()}
    assert amplitudes["S03", 1] < 1000
    assert amplitudes["S06", 1] < 1000
    dispersed = [float(site.marks.end_ms[0] - site.marks.onset_ms[0]) for site in at["S06", 1].truth.studies[0].sites]
    assert dispersed[1] > 1.4 * dispersed[0]


def test_truth_is_distance_over_time_with_the_stated_distance(simulated):
    for each in simulated.visits:
        study, truth = each.visit.studies[0], each.truth.studies[0]
        distal, proximal = truth.sites
        assert [trace.distance_mm for trace in study.traces] == [distal.distance_mm, proximal.distance_mm]
        stated = proximal.distance_mm - distal.distance_mm
        assert stated == round(stated) == truth.segments[0].distance_mm
        if each.plan.has_motor_response:
            time = float(proximal.marks.onset_ms[0] - distal.marks.onset_ms[0])
            assert each.true_velocity_m_s == pytest.approx(stated / time, rel=1e-9)


def test_the_same_seed_gives_the_same_samples_and_another_seed_others(simulated):
    again = simulate.cohort(PUBLISHED_SUMMARY[:1], seed=11)
    first = simulated.visits[0].visit.studies[0].traces[0].samples_uv
    assert np.array_equal(first, again.visits[0].visit.studies[0].traces[0].samples_uv)
    other = simulate.cohort(PUBLISHED_SUMMARY[:1], seed=12)
    assert not np.array_equal(first, other.visits[0].visit.studies[0].traces[0].samples_uv)


def sessions(cv_percent):
    plan = simulate.steady_plan(300, anatomy=1, velocity_m_s=(30.0, 30.0))
    same_nerve = tuple(replace(each, anatomy=1) for each in plan)
    return simulate.cohort(same_nerve, seed=3, session_cv_percent=cv_percent).visits


def test_sessions_differ_as_much_as_asked_in_three_equal_parts():
    visits = sessions(3.0)
    velocity = np.array([each.true_velocity_m_s for each in visits])
    assert velocity.mean() == pytest.approx(30.0, rel=0.005)
    assert 100 * velocity.std() / 30.0 == pytest.approx(3.0, abs=0.25)
    distance = np.array([each.truth.studies[0].segments[0].distance_mm for each in visits])
    assert 100 * distance.std() / 222.0 == pytest.approx(np.sqrt(3.0), abs=0.15)
    skin = np.array([each.visit.studies[0].skin_temperature_c for each in visits])
    assert skin.mean() == pytest.approx(33.4, abs=0.05)
    assert 3.5 * skin.std() == pytest.approx(np.sqrt(3.0), abs=0.15)
    nerve = velocity / distance
    assert 0.6 < np.corrcoef(skin, nerve)[0, 1] < 0.8  # one of the two equal parts that are not the tape
    amplitude = np.array([each.truth.studies[0].sites[0].marks.peak_uv[0] for each in visits])
    assert 100 * np.log(amplitude).std() == pytest.approx(10.0, abs=0.8)


def test_without_variation_a_session_is_the_nerve_itself():
    visits = simulate.cohort(PUBLISHED_SUMMARY[:2], seed=5, session_cv_percent=0.0).visits
    for each in visits:
        assert each.true_velocity_m_s == pytest.approx(each.plan.velocity_m_s, rel=1e-9)
        assert each.visit.studies[0].skin_temperature_c == 33.4


def test_a_steady_plan_rises_evenly():
    plan = simulate.steady_plan(3, rise_m_s=4.0, n_visits=3, follow_up_days=400, velocity_m_s=(20.0, 38.0), prefix="A")
    assert [each.subject for each in plan] == ["A01", "A02", "A03"]
    assert [[visit.velocity_m_s for visit in each.visits] for each in plan] == [
        [23.0, 25.0, 27.0], [29.0, 31.0, 33.0], [35.0, 37.0, 39.0]
    ]  # fmt: skip
    assert [visit.day for visit in plan[0].visits] == [0, 200, 400]
    assert not any(visit.covariates for each in plan for visit in each.visits)


def test_a_cooler_limb_conducts_slower_with_the_same_shape():
    usual, _ = simulate.motor_study(seed=1)
    cool, truth = simulate.motor_study(seed=1, recording=simulate.Recording(latency_scale=1.25, amplitude_scale=0.5))
    assert truth.true_velocity_m_s == pytest.approx(56.0 / 1.25)
    assert float(truth.sites[0].marks.onset_ms[0]) == pytest.approx(3.4 * 1.25)
    assert float(truth.sites[0].marks.peak_uv[0]) == pytest.approx(4500.0)
    ratio = np.ptp(cool.traces[0].samples_uv) / np.ptp(usual.traces[0].samples_uv)
    assert 0.45 < ratio < 0.55


def test_lists_are_as_good_as_tuples_for_a_nerve():
    nerve = simulate.MotorNerve(
        segment_mm=[210.0, 130.0], further_velocities_m_s=[60.0], sites=["wrist", "elbow", "axilla"]
    )
    study, _ = simulate.motor_study(nerve, seed=1)
    assert len(study.traces) == 3


def planned(**changes):
    return VisitPlan(**{"day": 0, "velocity_m_s": 40.0} | changes)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: planned(day=-1), "day: expected at least 0"),
        (lambda: planned(velocity_m_s=0.0), "velocity_m_s: expected 1 to 100"),
        (lambda: planned(segment_mm=5.0), "segment_mm"),
        (
            lambda: SubjectPlan(subject="X", first_visit=dt.date(2020, 1, 1), visits=()),
            "X: visits: expected at least one",
        ),
        (
            lambda: SubjectPlan(subject="X", first_visit=dt.date(2020, 1, 1), visits=(planned(), planned())),
            "each on a later day",
        ),
        (
            lambda: SubjectPlan(subject="X", first_visit=dt.date(2020, 1, 1), visits=(planned(),), dispersion=4.0),
            "dispersion: expected 0 to 3",
        ),
        (lambda: simulate.cohort(seed=1, session_cv_percent=11.0), "session_cv_percent: expected 0 to 10"),
        (lambda: simulate.cohort(PUBLISHED_SUMMARY[:1] * 2, seed=1), "every subject once"),
        (lambda: simulate.cohort(seed=-1), "seed"),
        (lambda: simulate.steady_plan(0), "n_subjects"),
        (lambda: simulate.steady_plan(n_visits=1), "n_visits"),
        (lambda: simulate.steady_plan(n_visits=5, follow_up_days=3), "follow_up_days"),
        (lambda: simulate.steady_plan(rise_m_s=-30.0), "velocity_m_s"),
        (lambda: simulate.Recording(latency_scale=0.0), "latency_scale"),
    ],
)
def test_what_cannot_be_is_refused(make, words):
    with pytest.raises(InvalidInputError, match=words):
        make()
