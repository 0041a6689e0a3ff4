"""When the stimulus came: annotations, then the trigger channel, then the sidecar, then (asked for) the artefact."""

import datetime as dt
import warnings
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import ncs
from ncs.analysis import analysis_fingerprint
from ncs.errors import ConflictError, NcsWarning, ReadError
from ncs.io._trigger import find_codes, find_edges
from ncs.model import Origin, Trace
from ncs.simulate import motor_study
from ncs.simulate.nerves import MOTOR_RECORDING
from tests.io.edf_examples import Channel, annotation_bytes, annotation_channel, build, tal
from tests.io.recorder_files import brainvision

RATE = 20_000.0
EVERY_S = 0.2
STIMULUS_S = 0.05
SITES = ("wrist", "wrist", "elbow", "elbow")
DESCRIBED = {
    "subject": "P07", "date": "2024-03-05", "nerve": "median", "side": "right", "technique": "motor",
    "traces": [
        {"stimulation_site": "wrist", "distance_mm": 80}, {"stimulation_site": "elbow", "distance_mm": 300},
    ],
}  # fmt: skip


def read(path, sidecar=None, **more):
    """Read without the warnings, which stand in ``problems`` as well."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NcsWarning)
        return ncs.read(path, sidecar=None if sidecar is None else {"ncs_sidecar": 1, **sidecar}, **more)


def simulated(seed):
    """A visit with one motor and one sensory study."""
    return ncs.simulate.visit("P07", dt.date(2024, 3, 5), seed=seed)[0]


@pytest.fixture(scope="module")
def recording():
    """Two sweeps at the wrist and two at the elbow, one after the other, and the study they are from."""
    how = replace(MOTOR_RECORDING, n_sweeps=2, duration_ms=EVERY_S * 1000, stimulus_ms=STIMULUS_S * 1000)
    study, truth = motor_study(seed=11, recording=how)
    samples = np.concatenate([trace.samples_uv.ravel() for trace in study.traces]).astype(np.float64)
    return samples, study, truth


STIMULI_S = [round(EVERY_S * number + STIMULUS_S, 6) for number in range(4)]
POSITIONS = [round(second * RATE) for second in STIMULI_S]


def latencies(visit, **how):
    measured = ncs.analyze(visit, **how).measurements
    return {m.site: m.value for m in measured if m.quantity == "motor_latency" and m.value is not None} | {
        m.segment: m.value for m in measured if m.quantity == "motor_conduction_velocity"
    }


def trigger_pulses(height=5.0, width=20):
    values = np.zeros(round(4 * EVERY_S * RATE))
    for at in POSITIONS:
        values[at : at + width] = height
    return values


def edf(samples_uv, *, notes=(), trigger=None, status=None):
    """One EDF+C (or with ``status`` BDF) file with records of 0.1 s."""
    per_record = round(0.1 * RATE)
    channel = Channel(label="R APB", unit="uV", samples=per_record, physical=("-32768", "32767"))
    channels = [channel]
    columns = [np.round(samples_uv)]
    if trigger is not None:
        channels.append(Channel(label="TRIG", unit="V", samples=per_record, physical=("-10", "10")))
        columns.append(np.round(trigger / 20 * 65535 - 0.5))
    if status is not None:
        channels.append(Channel(label="Status", unit="Boolean", samples=per_record, digital=("-8388608", "8388607")))
        columns.append(status)
    if status is None:
        channels.append(annotation_channel(600))
    body = []
    for record in range(len(samples_uv) // per_record):
        part = slice(record * per_record, (record + 1) * per_record)
        row = [column[part] for column in columns]
        if status is None:
            tals = [tal(f"+{record / 10:g}", ""), *(tal(*note) for note in notes if record == 0)]
            row.append(annotation_bytes(tals, 600))
        body.append(tuple(row))
    when = {"date": "05.03.24", "recording": "Startdate 05-MAR-2024 X X X", "duration": "0.1"}
    if status is not None:
        return build(channels, body, reserved="24BIT", version=b"\xffBIOSEMI", **when)
    return build(channels, body, reserved="EDF+C", **when)


# -- one study, every way to say when its stimuli were --------------------


@pytest.fixture(scope="module")
def as_simulated(recording):
    _, study, _ = recording
    visit = simulated(seed=11)
    return latencies(replace(visit, studies=(study,)))


def assert_same(found, known):
    assert found.keys() == known.keys()
    for name, value in known.items():
        # 100 ms after the stimulus are cut out of a simulated sweep of 200 ms: the noise is measured on fewer samples
        assert found[name] == pytest.approx(value, rel=2e-3), name


def test_markers_of_a_brainvision_recording_give_the_latencies_of_the_study(recording, as_simulated, tmp_path):
    samples, _, truth = recording
    marks = [("Stimulus", "S  1" if site == "wrist" else "S  2", at) for site, at in zip(SITES, POSITIONS, strict=True)]
    path = brainvision(tmp_path, {"APB": ("µV", samples)}, RATE, marks, resolution=0)
    visit = read(path, {**DESCRIBED, "stimuli": {"markers": {"S 1": "wrist", "S 2": "elbow"}}})
    assert visit.problems == ()
    found = latencies(visit)
    assert_same(found, as_simulated)
    assert found["wrist-elbow"] == pytest.approx(truth.segments[0].true_velocity_m_s, rel=0.05)


def test_the_protocol_names_markers_and_gives_sites_and_distances(recording, as_simulated, tmp_path):
    samples, _, _ = recording
    marks = [("Comment", "w" if site == "wrist" else "e", at) for site, at in zip(SITES, POSITIONS, strict=True)]
    path = brainvision(tmp_path, {"APB": ("µV", samples)}, RATE, marks, resolution=0)
    habits = {
        "ncs_protocol": 1, "stimulus_labels": {"w": "wrist", "e": "elbow"},
        "channels": {"APB": {"nerve": "median", "side": "right", "technique": "motor"}},
        "studies": [{"nerve": "median", "technique": "motor", "sites": ["wrist", "elbow"],
                     "distances_mm": {"wrist": 80, "elbow": 300}}],
    }  # fmt: skip
    visit = read(path, protocol=habits)
    assert visit.studies[0].traces[0].provenance["stimulation_site"] is Origin.PROTOCOL
    assert_same(latencies(visit), as_simulated)


def test_trigger_channel_of_brainvision_and_of_edf(recording, as_simulated, tmp_path):
    samples, _, _ = recording
    told = {**DESCRIBED, "traces": [
        {"select": {"sweeps": "1-2"}, "stimulation_site": "wrist", "distance_mm": 80},
        {"select": {"sweeps": "3-4"}, "stimulation_site": "elbow", "distance_mm": 300},
    ]}  # fmt: skip
    channels = {"APB": ("µV", samples), "Trigger": ("µV", trigger_pulses())}
    from_mne = read(brainvision(tmp_path, channels, RATE, resolution=0), told)
    path = tmp_path / "study.edf"
    path.write_bytes(edf(samples, trigger=trigger_pulses()))
    from_edf = read(path, told)
    for visit in (from_mne, from_edf):
        assert visit.problems == ()
        (study,) = visit.studies
        assert study.traces[0].provenance["stimulus_ms"] is Origin.FILE
        assert_same(latencies(visit), as_simulated)


def test_times_of_the_sidecar_by_site_for_every_continuous_reader(recording, as_simulated, tmp_path):
    samples, _, _ = recording
    path = tmp_path / "plain.edf"
    path.write_bytes(edf(samples))
    times = {"wrist": STIMULI_S[:2], "elbow": STIMULI_S[2:]}
    other = brainvision(tmp_path, {"APB": ("µV", samples)}, RATE, resolution=0)
    in_ms = {site: [second * 1000 for second in seconds] for site, seconds in times.items()}
    for file, stimuli in ((path, {"times_s": times}), (other, {"times_s": times}), (other, {"times_ms": in_ms})):
        visit = read(file, {**DESCRIBED, "stimuli": stimuli})
        assert visit.problems == ()
        (study,) = visit.studies
        assert [trace.provenance["stimulus_ms"] for trace in study.traces] == [Origin.SIDECAR] * 2
        assert [trace.provenance["stimulation_site"] for trace in study.traces] == [Origin.SIDECAR] * 2
        assert_same(latencies(visit), as_simulated)


def test_codes_of_a_bdf_status_channel_that_the_sidecar_names(recording, tmp_path):
    samples, _, _ = recording
    status = np.full(len(samples), 0x10000)
    for site, at in zip(SITES, POSITIONS, strict=True):
        status[at : at + 40] |= 1 if site == "wrist" else 2
    status[100:120] |= 255
    path = tmp_path / "study.bdf"
    path.write_bytes(edf(samples, status=status))
    visit = read(path)
    assert visit.studies[0].traces[0].stimulus_ms is None
    assert [problem.field for problem in visit.problems] == ["trigger codes", "stimulus"]
    assert "codes 1, 2, 255" in visit.problems[0].found
    named = read(path, {**DESCRIBED, "stimuli": {"markers": {"1": "wrist", "2": "elbow"}}})
    wrist, elbow = named.studies[0].traces
    assert (wrist.stimulation_site, wrist.n_sweeps, elbow.stimulation_site) == ("wrist", 2, "elbow")
    np.testing.assert_allclose(wrist.stimulus_ms, 5.0, atol=1e-6)


# -- which of them counts ----------------------------------------------------------------------------------


def test_annotations_go_before_the_trigger_channel_and_both_before_the_sidecar(recording, tmp_path):
    samples, _, _ = recording
    later = np.roll(trigger_pulses(), 20)
    path = tmp_path / "study.edf"
    path.write_bytes(edf(samples, trigger=later, notes=[(f"+{STIMULI_S[0]}", "Stimulus wrist")]))
    visit = read(path)
    (trace,) = visit.studies[0].traces
    assert (trace.stimulus.label, trace.n_sweeps) == ("Stimulus wrist", 1)
    (by_trigger,) = read(path, {"stimuli": {"use": "trigger"}}).studies[0].traces
    assert by_trigger.n_sweeps == 4
    assert not np.array_equal(by_trigger.samples_uv[0], trace.samples_uv[0])
    with pytest.raises(ReadError, match=r"stimuli\.times_s: expected 2 stimuli \(the sidecar\), found 1 \(the file\)"):
        read(path, {"stimuli": {"times_s": [0.1, 0.3]}})
    (by_times,) = read(path, {"stimuli": {"times_s": [0.1, 0.3], "use": "times"}}).studies[0].traces
    assert by_times.n_sweeps == 2
    assert read(path, {"stimuli": {"times_s": STIMULI_S[:1]}}).problems == ()


def test_what_the_sidecar_wants_used_must_be_there(recording, tmp_path):
    path = tmp_path / "study.edf"
    path.write_bytes(edf(recording[0]))
    with pytest.raises(ReadError, match=r"stimuli\.use.*\(trigger\), found no usable trigger channel"):
        read(path, {"stimuli": {"use": "trigger"}})
    with pytest.raises(ReadError, match="expected a channel 'TTL', found channels R APB"):
        read(path, {"stimuli": {"trigger_channel": "TTL"}})


def test_trigger_channel_without_a_clear_label_counts_when_it_is_named(recording, tmp_path):
    channels = {"APB": ("µV", recording[0]), "Aux 3": ("µV", trigger_pulses())}
    path = brainvision(tmp_path, channels, RATE, resolution=0)
    assert len(read(path).studies) == 2
    for settings in ({"sidecar": {"stimuli": {"trigger_channel": "aux 3"}}},
                     {"protocol": {"ncs_protocol": 1, "stimuli": {"trigger_channel": "Aux 3"}}}):  # fmt: skip
        (study,) = read(path, **settings).studies
        assert study.traces[0].n_sweeps == 4


def test_without_any_stimulus_the_message_says_what_to_do(recording, tmp_path):
    path = brainvision(tmp_path, {"APB": ("µV", recording[0])}, RATE, [("Comment", "start", 10)], resolution=0)
    with pytest.warns(NcsWarning, match="--find-stimulus"):
        visit = ncs.read(path)
    (problem,) = visit.problems
    assert problem.found == "none among the 1 annotations ('Comment/start')"
    for words in ("study.ncs.json", '"markers"', '"trigger_channel"', '"times_s"'):
        assert words in problem.hint


def test_stimulus_ms_with_many_values_for_a_continuous_recording_points_to_stimuli(recording, tmp_path):
    path = tmp_path / "study.edf"
    path.write_bytes(edf(recording[0]))
    with pytest.raises(ConflictError, match="`times_ms` in `stimuli`"):
        read(path, {"stimulus_ms": [50, 250, 450, 650]})


# -- the trigger itself ----------------------------------------------------------------------------------


def test_edge_with_samples_on_its_slope_is_timed_between_samples():
    rng = np.random.default_rng(5)
    wanted = np.arange(20) * 100 + 50 + rng.uniform(0, 1, 20)
    time = np.arange(2100)
    slopes = [np.clip((time - at) / 6 + 0.5, 0, 1) * (time < at + 30) for at in wanted]
    values = 3.3 * np.sum(slopes, axis=0) + rng.normal(0, 0.002, time.size)
    found = find_edges(values)
    assert found.fault == ""
    np.testing.assert_allclose(found.positions, wanted, atol=0.02)


@given(at=st.integers(3, 80), width=st.integers(1, 20), height=st.floats(0.1, 1e6), rest=st.floats(-100, 100),
       down=st.booleans())  # fmt: skip
def test_a_pulse_in_either_direction_is_found_at_its_first_sample(at, width, height, rest, down):
    values = np.full(200, rest)
    values[at : at + width] += -height if down else height
    np.testing.assert_allclose(find_edges(values).positions, [at], atol=1e-6)


def test_what_is_no_trigger_is_said():
    time = np.arange(1000)
    assert find_edges(np.zeros(100)).fault == "a constant signal"
    assert "upwards" in find_edges(np.where(time % 100 < 5, 1.0, np.where(time % 100 > 95, -0.9, 0.0))).fault
    assert "resting level" in find_edges(np.sin(time / 10.0) + 0.4).fault or "upwards" in find_edges(np.sin(time)).fault
    assert find_edges(np.array([0.0, np.nan, 1.0])).fault == "samples that are no numbers"
    assert "no crossing" in find_edges(np.array([0.0, 1.0, 0.0, 0.0]), threshold=2.0).fault


def test_stated_edge_and_threshold():
    values = np.zeros(100)
    values[20:30] = 4.0
    np.testing.assert_allclose(find_edges(values, edge="falling").positions, [30.0])
    values[60:70] = 1.0
    np.testing.assert_allclose(find_edges(values, threshold=0.5).positions, [20.0, 60.0])


def test_codes_are_changes_to_something():
    assert find_codes(np.array([5, 5, 0, 7, 7, 8, 0])) == [(3, 7), (5, 8)]


# -- the artefact, only on request ----------------------------------------------------------------------------------


def without_times(visit):
    studies = [
        replace(study, traces=tuple(
            replace(trace, stimulus_ms=None, provenance=trace.provenance.with_origins(stimulus_ms=Origin.UNSET))
            for trace in study.traces
        ))
        for study in visit.studies
    ]  # fmt: skip
    return replace(visit, studies=tuple(studies))


def test_artefact_times_are_used_only_on_request_and_flag_every_result():
    visit = simulated(seed=4)
    bare = without_times(visit)
    untouched = ncs.analyze(bare)
    assert all(m.value is None for m in untouched.measurements)
    result = ncs.analyze(bare, find_stimulus=True)
    known = {(m.quantity, m.site, m.segment): m.value for m in ncs.analyze(visit).measurements}
    assert any(m.value is not None for m in result.measurements)
    for m in result.measurements:
        if m.value is not None:
            assert "stimulus_from_artefact" in m.flags, m.quantity
        if m.quantity in {"motor_latency", "sensory_onset_latency"}:
            assert m.value == pytest.approx(known[m.quantity, m.site, m.segment], abs=0.12)
    for study in result.visit.studies:
        assert all(trace.provenance["stimulus_ms"] is Origin.ARTEFACT for trace in study.traces)
    assert result.parameters["find_stimulus"]["artefact_version"] == 1


def test_stated_times_are_kept_and_the_fingerprint_knows_the_option():
    visit = simulated(seed=4)
    plain, asked = ncs.analyze(visit), ncs.analyze(visit, find_stimulus=True)
    assert [m.value for m in plain.measurements] == [m.value for m in asked.measurements]
    assert all("stimulus_from_artefact" not in m.flags for m in asked.measurements)
    assert plain.fingerprint == analysis_fingerprint() != asked.fingerprint == analysis_fingerprint(find_stimulus=True)


def test_a_continuous_recording_is_cut_at_its_artefacts_and_says_where(recording, tmp_path):
    samples, _, _ = recording
    path = tmp_path / "plain.edf"
    path.write_bytes(edf(samples))
    visit = read(path, {**DESCRIBED, "traces": []})
    result = ncs.analyze(visit, find_stimulus=True)
    (trace,) = result.visit.studies[0].traces
    assert trace.samples_uv.shape[0] == 4
    (problem,) = result.visit.problems
    found = [float(text) for text in problem.found.removeprefix("artefacts at ").removesuffix(" s").split(", ")]
    np.testing.assert_allclose(found, STIMULI_S, atol=1e-4)
    assert "`times_s`" in problem.hint


def test_sweeps_without_an_artefact_are_named(recording):
    _, study, _ = recording
    quiet = np.zeros((2, 1000), np.float32) + np.random.default_rng(2).normal(0, 3, (2, 1000)).astype(np.float32)
    trace = Trace(samples_uv=quiet, sampling_rate_hz=RATE, channel="APB")
    visit = simulated(seed=4)
    result = ncs.analyze(replace(visit, studies=(replace(study, traces=(trace,)),)), find_stimulus=True)
    (problem,) = result.visit.problems
    assert (problem.place, problem.found) == ("study 1, trace 1 (APB), sweep 1, 2", "no artefact")
    assert {m.reason.value for m in result.measurements} >= {"no_stimulus_time"}


def test_the_batch_takes_the_option_and_analyses_again(recording, tmp_path):
    path = tmp_path / "plain.edf"
    path.write_bytes(edf(recording[0]))
    (tmp_path / "plain.ncs.json").write_text(
        '{"ncs_sidecar": 1, "subject": "P07", "date": "2024-03-05", "nerve": "median", "technique": "motor"}'
    )
    with ncs.open_store(tmp_path / "lab.db") as store:
        assert ncs.analyze_files(path, store=store).n_done == 1
        assert store.measurements(quantity="motor_latency")["value"].isna().all()
        assert ncs.analyze_files(path, store=store, find_stimulus=True).n_done == 1
        assert ncs.analyze_files(path, store=store, find_stimulus=True).n_skipped == 1
        rows = store.measurements(quantity="motor_latency")
        assert rows["value"].notna().all()
        assert rows["flags"].str.contains("stimulus_from_artefact").all()


def test_trigger_channel_and_times_in_a_file_of_records(tmp_path):
    channel, trigger = Channel(label="R APB", unit="uV", samples=1000), Channel(label="TRIG", unit="V", samples=1000)
    pulses = [np.where((np.arange(1000) >= at) & (np.arange(1000) < at + 20), 5000, 0) for at in (100, 140)]
    body = [
        (np.zeros(1000), pulse, annotation_bytes([tal(f"+{10 * record}", "")], 60))
        for record, pulse in enumerate(pulses)
    ]
    path = tmp_path / "records.edf"
    path.write_bytes(build([channel, trigger, annotation_channel(60)], body, duration="0.05"))
    visit = read(path)
    (trace,) = visit.studies[0].traces
    np.testing.assert_allclose(trace.stimulus_ms, [5.0, 7.0])
    assert (len(visit.studies), visit.problems) == (1, ())
    with pytest.raises(ReadError, match=r"stimuli\.times_s.*EDF\+D with 2 records.*`stimulus_ms`"):
        read(path, {"stimuli": {"times_s": [0.005]}})
