"""The onset benchmark's own arithmetic, on input small enough to check by hand."""

import json
import math

import numpy as np
import pytest

from benchmarks import _onset_docs, _onset_report, _peer_environment, _real, _scores

NAN = math.nan


def test_errors_median_bias_and_spread_come_from_what_was_found():
    truth = np.array([3.0, 3.0, 3.0, 3.0])
    figures = _scores.errors(np.array([3.1, 2.9, 3.3, NAN]), truth)
    assert figures["n"] == 4
    assert figures["median_error_ms"] == pytest.approx(0.1)
    assert figures["bias_ms"] == pytest.approx(0.1)
    assert figures["spread_ms"] == pytest.approx(1.4826 * 0.2)


def test_gross_errors_are_more_than_one_millisecond_either_way_or_nothing():
    truth = np.zeros(6)
    figures = _scores.errors(np.array([0.0, 0.99, -1.0, 1.01, -1.5, NAN]), truth)
    assert figures["gross_percent"] == pytest.approx(50.0)


def test_a_method_that_finds_nothing_has_no_median_but_all_gross():
    figures = _scores.errors(np.array([NAN, NAN]), np.array([1.0, 2.0]))
    assert figures == {"n": 2, "gross_percent": 100.0}
    assert _scores.error_range(np.array([NAN, NAN]), np.array([1.0, 2.0])) == [None, None, None]


def test_error_range_counts_nothing_found_as_the_largest_error():
    onset = np.array([0.01] * 10 + [0.1] * 9 + [NAN])
    low, middle, high = _scores.error_range(onset, np.zeros(20))
    assert (low, middle) == pytest.approx((0.01, 0.1))
    assert high is None


def test_coverage_is_the_share_inside_1_96_standard_deviations():
    error = np.array([0.19, -0.19, 0.20, -0.20])
    assert _scores.coverage(error, np.full(4, 0.1)) == pytest.approx(50.0)


def test_coverage_leaves_out_what_was_not_marked_but_not_what_states_no_interval():
    error = np.array([0.0, 0.1, NAN, 0.1])
    sd = np.array([0.1, 0.1, 0.1, NAN])
    assert _scores.coverage(error, sd) == pytest.approx(100.0 * 2 / 3)
    assert _scores.coverage(np.array([NAN]), np.array([0.1])) is None


@pytest.mark.parametrize("level", _scores.LEVELS)
def test_coverage_of_normal_errors_is_what_was_stated(level):
    rng = np.random.default_rng(5)
    sd = rng.uniform(0.01, 0.1, 20_000)
    assert _scores.coverage(sd * rng.standard_normal(sd.size), sd, level) == pytest.approx(level, abs=1.2)


def test_sides_tell_early_from_late():
    sides = _scores.sides(np.array([-1.0, 0.0, 1.0, 1.0, NAN]), np.full(5, 0.1))
    assert sides == {"before_percent": 25.0, "after_percent": 50.0}


def test_a_target_says_by_how_much_it_is_missed():
    target = _scores.Target(name="x", path=("a", "b"), least=92, most=98, unit="%")
    assert target.judge({"a": {"b": 95.0}})["reached"] is True
    assert target.judge({"a": {"b": 99.5}})["missed_by"] == pytest.approx(1.5)
    assert target.judge({"a": {"b": 90.0}})["missed_by"] == pytest.approx(2.0)
    assert _onset_report.verdict(target.judge({"a": {"b": 90.0}})) == "MISSED by 2 %"


def test_a_target_without_figures_is_not_measured_rather_than_reached():
    target = _scores.Target(name="x", path=("real", "nerve_cap"), most=1.0)
    assert target.judge({"real": {"skipped": "no recordings"}})["reached"] is None
    assert _onset_report.verdict(target.judge({})) == "not measured"


def test_verdicts_on_numpy_numbers_can_be_written_as_json():
    target = _scores.Target(name="x", path=("a",), most=1.0)
    assert json.loads(json.dumps(target.judge({"a": np.float64(2.0)})))["reached"] is False


def test_no_two_targets_share_a_name_and_none_is_reached_without_figures():
    names = [target.name for target in _scores.TARGETS]
    assert len(set(names)) == len(names)
    assert all(row["reached"] is None for row in _scores.judge({}))


def test_distances_count_silence_as_the_length_of_what_was_seen():
    figures = _real._distances("ncs", np.array([NAN, 1.0, NAN]), np.array([500, 600, 700]))
    assert figures["ncs_median_samples"] == 500.0
    assert figures["ncs_none_percent"] == pytest.approx(200.0 / 3)


def test_compare_names_what_changed_and_nothing_else(capsys):
    def figures(error, reached):
        row = {"name": "t", "reached": reached, "missed_by": 0.1, "unit": "ms"}
        return {"a": {"error": error, "same": 1.0}, "targets": [row]}

    _onset_report.compare(figures(1.0, reached=True), figures(2.0, reached=False))
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["a/error", "t:"]
    assert "reached -> MISSED by 0.1 ms" in lines[1]


def test_peers_that_cannot_be_installed_are_skipped_with_the_reason(monkeypatch, tmp_path):
    monkeypatch.setattr(_peer_environment, "_ready", lambda: ("python", "pip could not install obspy: no network"))
    peers = _peer_environment.run({})
    assert peers.skipped == "pip could not install obspy: no network"
    assert (peers.versions, peers.names("8mV_10uV")) == ({}, [])


def test_both_pictures_are_drawn_the_same_way_twice(tmp_path):
    levels = dict.fromkeys(map(str, _scores.LEVELS), 90.0)
    methods = {"ncs changepoint": {"range_ms": [0.001, 0.01, 0.1]}, "MEP-CMAP cusum": {"range_ms": [0.1, 0.5, None]}}
    one = {"methods": methods, "ncs": {"coverage_at": levels | {"99": None}}}
    figures = {"conditions": {"first": one, "second": one}}
    for draw in (_onset_docs.draw_errors, _onset_docs.draw_calibration):
        texts = []
        for name in ("a.svg", "b.svg"):
            draw(figures, tmp_path / name)
            texts.append((tmp_path / name).read_text())
        assert texts[0] == texts[1]
        assert "second" in texts[0]


@pytest.fixture
def quiet_mark(monkeypatch):
    """A detector that marks every sweep at its largest sample, with a noise of one microvolt."""

    class Found:
        def __init__(self, samples):
            self.onset_ms = np.argmax(-samples, axis=1).astype(float)
            self.onset_sd_ms = np.full(len(samples), 0.1)
            self.peak_uv = (-samples).max(axis=1)
            self.noise_uv = np.ones(len(samples))

    monkeypatch.setattr(_real.detect, "mark", lambda samples, rate, **_: Found(samples))


def test_doubled_noise_is_tried_on_clear_responses_only(quiet_mark):
    sweeps = np.zeros((3, 50))
    sweeps[0, 20], sweeps[1, 30], sweeps[2, 40] = -1000.0, -500.0, -19.0
    figures = _real.noise_doubled(sweeps, 1000.0, stimulus_ms=0.0)
    assert (figures["n"], figures["of"]) == (2, 3)
    assert figures["bias_ms"] == 0.0
    assert (figures["lost_percent"], figures["jumped_percent"]) == (0.0, 0.0)
    assert _real.noise_doubled(sweeps[2:], 1000.0, stimulus_ms=0.0)["bias_ms"] is None
