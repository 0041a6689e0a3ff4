"""Waveform figures: marks stand where they were measured, negative is up, scales are printed, names obey nobody."""

from dataclasses import replace

import numpy as np
import pytest

import ncs
from ncs.errors import InvalidInputError
from ncs.report import study_svg, waveforms_svg
from ncs.report._screen import round_step, screen_for, voltage
from ncs.report._traces import drawn_traces
from tests.report import build

MARKS = {1: "onset_ms", 2: "peak_ms", 3: "end_ms", 4: "trough_ms"}


@pytest.fixture(scope="module")
def result():
    return build.result()


@pytest.fixture(scope="module")
def motor(result):
    return build.svg(study_svg(result, 0))


def test_marks_stand_at_the_measured_times(result, motor):
    to_ms = build.time_axis(motor)
    for index, found in enumerate(mark for mark in result.marks if mark.study_index == 0):
        for number, name in MARKS.items():
            line = build.points(build.part(motor, f"study-trace-{index}-mark-{number}"))
            assert to_ms(line[0, 0]) == pytest.approx(to_ms(line[1, 0]))
            assert to_ms(line[0, 0]) == pytest.approx(float(getattr(found.measured, name)[0]), abs=0.01)
        interval = build.points(build.part(motor, f"study-trace-{index}-mark-1-interval"))
        width = to_ms(interval[1, 0]) - to_ms(interval[0, 0])
        assert width == pytest.approx(2 * 1.96 * float(found.measured.onset_sd_ms[0]), abs=0.005)


def test_negative_is_up_and_distal_above(result, motor):
    assert result.visit.studies[0].traces[0].samples_uv.min() < -5000  # the negative peak is negative in the model
    for index, sites in enumerate(("wrist", "elbow")):
        curve = build.points(build.part(motor, f"study-trace-{index}-mean"))
        onset, peak, _, trough = (
            build.points(build.part(motor, f"study-trace-{index}-mark-{number}")).mean(axis=0) for number in MARKS
        )
        assert peak[1] < onset[1] < trough[1], sites  # y runs downward in SVG
        highest = curve[np.argmin(curve[:, 1])]
        assert highest[0] == pytest.approx(peak[0], abs=1.0)
    wrist, elbow = (build.points(build.part(motor, f"study-trace-{index}-mean"))[0, 1] for index in (0, 1))
    assert wrist < elbow


def test_traces_swapped_in_the_file_are_drawn_distal_first(result):
    made, _ = build.visit()
    swapped = build.with_study(made, traces=made.studies[0].traces[::-1])
    sites = [trace.trace.stimulation_site for trace in drawn_traces(ncs.analyze(swapped), 0)]
    assert sites == ["wrist", "elbow"]


def test_the_gain_is_true(result, motor):
    """The bar of one division has the height of the printed voltage, measured on the trace itself."""
    gain = build.points(build.part(motor, "study-screen-0-gain"))
    division = abs(gain[1, 1] - gain[0, 1])
    onset, peak = (build.points(build.part(motor, f"study-trace-0-mark-{n}")).mean(axis=0) for n in (1, 2))
    expected_uv = float(result.marks[0].measured.peak_uv[0])
    assert "gain 5 mV/div" in " ".join(build.texts(motor))
    assert (onset[1] - peak[1]) / division * 5000 == pytest.approx(expected_uv, rel=0.05)


def test_scales_filters_and_temperature_are_printed(motor):
    words = " ".join(build.texts(motor))
    for text in ("sweep 5 ms/div", "negative up", "filters 2 to 10000 Hz", "skin 33.0 °C", "right median", "wrist"):
        assert text in words
    assert "ms after the stimulus" in words
    to_ms = build.time_axis(motor)
    stimulus = build.points(build.part(motor, "study-screen-0-stimulus"))
    assert to_ms(stimulus[0, 0]) == pytest.approx(0.0, abs=1e-3)


def test_text_stays_text_and_the_same_input_gives_the_same_bytes(result):
    first, second = study_svg(result, 0), study_svg(result, 0)
    assert first == second
    assert "<text" in first
    assert "<metadata" not in first
    assert "<style" not in first  # it would hold for the whole page around it
    assert "DOCTYPE" not in first


def test_the_users_own_settings_change_nothing(result):
    import matplotlib as mpl

    expected = study_svg(result, 0)
    with mpl.rc_context({"svg.fonttype": "path", "font.size": 20, "axes.grid": True, "lines.linewidth": 9}):
        assert study_svg(result, 0) == expected


def test_ids_of_two_figures_do_not_meet(result):
    ids = [
        {element.get("id") for element in build.svg(study_svg(result, 0, ident=ident)).iter() if element.get("id")}
        for ident in ("a", "b")
    ]
    assert not ids[0] & ids[1]
    root = build.svg(study_svg(result, 0, ident="a"))
    for element in root.iter():
        for value in element.attrib.values():
            if "url(#" in value:
                assert value.split("url(#")[1].split(")")[0] in ids[0]


def test_single_sweeps_are_faint_and_their_mean_is_strong():
    made, _ = build.visit()
    traces = tuple(build.repeated(trace, 30, noise_uv=200) for trace in made.studies[0].traces)
    root = build.svg(study_svg(ncs.analyze(build.with_study(made, traces=traces)), 0))
    widths = {}
    for kind in ("mean", "sweep-0"):
        (path,) = build.part(root, f"study-trace-0-{kind}").findall(f"{build.SVG}path")
        widths[kind] = float(path.get("style").split("stroke-width: ")[1].split(";")[0])
    assert widths["mean"] > 2 * widths["sweep-0"]
    assert "mean of 30 sweeps" in build.texts(root)
    assert len(root.xpath("//*[starts-with(@id, 'study-trace-0-sweep-')]")) == 20


def test_sweeps_with_different_stimulus_times_are_aligned():
    """The mean of sweeps whose stimuli differ by whole samples is drawn where the single sweep is."""
    made, _ = build.visit()
    trace = made.studies[0].traces[0]
    shift = 12
    moved = np.roll(trace.samples_uv, shift, axis=1)
    both = replace(
        trace, samples_uv=np.concatenate([trace.samples_uv, moved]),
        stimulus_ms=trace.stimulus_ms[0] + np.array([0.0, shift * 1000 / trace.sampling_rate_hz]),
        stimulus=replace(trace.stimulus, intensity_ma=None),
    )  # fmt: skip
    one, two = (drawn_traces(ncs.analyze(build.with_study(made, traces=(each,))), 0)[0].mean for each in (trace, both))
    assert two.at(float(one.time_ms[np.argmax(one.uv)])) == pytest.approx(one.uv.max(), rel=0.01)


def test_no_response_is_said_and_not_marked():
    root = build.svg(study_svg(build.result(snap_uv=0.0), 1))
    assert "NR: no response above the noise" in build.texts(root)
    assert not root.xpath("//*[contains(@id, '-mark-')]")
    assert "gain 5 µV/div" in " ".join(build.texts(root))  # noise is not blown up to fill the screen


def test_without_a_stimulus_time_the_axis_says_so():
    made, _ = build.visit()
    root = build.svg(study_svg(ncs.analyze(build.with_traces(made, stimulus_ms=None)), 0))
    assert "ms from the start of the record" in build.texts(root)
    assert "the time of the stimulus is not stated" in build.texts(root)
    assert not root.xpath("//*[contains(@id, 'stimulus')]")


def test_half_of_a_study_without_a_stimulus_time_has_an_axis_of_its_own():
    made, _ = build.visit()
    near, far = made.studies[0].traces
    mixed = build.with_study(made, traces=(near, replace(far, stimulus_ms=None)))
    words = build.texts(build.svg(study_svg(ncs.analyze(mixed), 0)))
    assert {"ms after the stimulus", "ms from the start of the record"} <= set(words)


@pytest.mark.parametrize("samples", [np.full((1, 400), np.nan), np.zeros((1, 400)), np.zeros((1, 1)), np.zeros((1, 0))])
def test_samples_that_are_not_usable_are_drawn_without_complaint(samples):
    made, _ = build.visit()
    odd = build.with_traces(made, samples_uv=samples.astype(np.float32))
    root = build.svg(study_svg(ncs.analyze(odd), 0))
    assert not root.xpath("//*[contains(@id, '-mark-')]")
    assert "the samples are not usable (not a number, constant, or too few)" in build.texts(root)


def test_a_technique_that_is_not_known_is_drawn():
    made, _ = build.visit()
    late = build.with_study(made, 1, technique=build.LateTechnique.F_WAVE)
    words = build.texts(build.svg(study_svg(ncs.analyze(late), 1)))
    assert "right median, f wave, recorded from finger II" in words


def test_names_obey_nobody():
    made, _ = build.visit()
    nasty = build.with_study(made, nerve=build.NASTY, recording_site=build.NASTY * 9)
    traces = tuple(replace(trace, stimulation_site=build.NASTY) for trace in nasty.studies[0].traces)
    text = study_svg(ncs.analyze(build.with_study(nasty, traces=traces)), 0)
    root = build.svg(text)
    assert "<b>" not in text
    assert "\x1b" not in text
    assert any("<b>Müller & \"Söhne\"</b> $x_1$ 'é'" in words for words in build.texts(root))


# over the visits


@pytest.fixture(scope="module")
def visits():
    return [build.result(date=build.day(n), seed=n, velocity_m_s=speed) for n, speed in enumerate((30.0, 40.0, 50.0))]


def test_rows_are_visits_columns_are_sites_and_marks_stand_in_both(visits):
    root = build.svg(waveforms_svg(visits[::-1], nerve="median"))
    words = build.texts(root)
    dates = [word for word in words if word.startswith("202")]
    assert dates == [str(build.day(n)) for n in range(3)]
    assert words.index("wrist") < words.index("elbow")
    to_ms = build.time_axis(root)
    for number, result in enumerate(visits):
        line = build.points(build.part(root, f"waveforms-visit-{number}-site-0-mark-1"))
        assert to_ms(line[0, 0]) == pytest.approx(float(result.marks[0].measured.onset_ms[0]), abs=0.02)
    first = build.points(build.part(root, "waveforms-column-0-first-onset"))[0, 0]
    assert to_ms(first) == pytest.approx(float(visits[0].marks[0].measured.onset_ms[0]), abs=0.02)
    tops = [build.points(build.part(root, f"waveforms-visit-{n}-site-1-mean"))[0, 1] for n in range(3)]
    assert tops == sorted(tops)


def test_all_visits_share_one_gain_that_fits_the_largest(visits):
    traces = [trace for result in visits for trace in drawn_traces(result, 0)]
    together, alone = screen_for(traces), [screen_for([trace]) for trace in traces]
    assert together.gain_uv == max(screen.gain_uv for screen in alone)
    assert together.last_ms >= max(mark.at_ms for trace in traces for mark in trace.marks)


def test_a_visit_without_a_site_says_so(visits):
    lacking = build.visit(date=build.day(5))[0]
    lacking = build.with_study(lacking, traces=lacking.studies[0].traces[:1])
    words = build.texts(build.svg(waveforms_svg([*visits, ncs.analyze(lacking)], nerve="median")))
    assert words.count("not recorded") == 1


def test_one_visit_is_a_figure_too(visits):
    root = build.svg(waveforms_svg(visits[:1], nerve="median", technique="sensory"))
    assert "right median, sensory" in build.texts(root)


def test_what_cannot_be_drawn_is_refused_with_what_is_there(visits):
    with pytest.raises(InvalidInputError, match=r"ulnar nerve, motor; found right median motor, right median sensory"):
        waveforms_svg(visits, nerve="ulnar")
    with pytest.raises(InvalidInputError, match="expected left or right, found 'up'"):
        waveforms_svg(visits, nerve="median", side="up")
    other = ncs.analyze(build.with_study(build.visit()[0], side=ncs.Side.LEFT))
    with pytest.raises(InvalidInputError, match="because both occur"):
        waveforms_svg([*visits, other], nerve="median")
    assert "left median, motor" in build.texts(build.svg(waveforms_svg([*visits, other], nerve="median", side="left")))


def test_scales_are_round():
    assert [round_step(x) for x in (0.011, 0.02, 3, 5.0000000001, 700)] == [0.02, 0.02, 5.0, 5.0, 1000.0]
    assert voltage(500.0) == "500 µV"


def test_a_real_recruitment_curve_is_drawn(recordings):
    """Many sweeps of rising intensity: those of the highest are measured, the others stand faintly behind."""
    path = recordings / "m_h_reflex_soleus" / "example-waveforms.csv"
    sidecar = {
        "ncs_sidecar": 1, "nerve": "tibial", "technique": "motor", "recording_site": "soleus",
        "unit": "mV", "polarity": "true", "stimulus_ms": "time_zero",
        "layout": {"time_column": 1, "time_unit": "ms", "intensity_row": 1, "intensity_unit": "mA"},
        "traces": [{"stimulation_site": "popliteal fossa"}],
    }  # fmt: skip
    result = ncs.analyze(ncs.read(path, sidecar=sidecar))
    text = study_svg(result, 0)
    root = build.svg(text)
    to_ms = build.time_axis(root)
    peak = build.points(build.part(root, "study-trace-0-mark-2"))
    assert to_ms(peak[0, 0]) == pytest.approx(float(result.marks[0].measured.peak_ms[0]), abs=0.02)
    assert len(root.xpath("//*[starts-with(@id, 'study-trace-0-sweep-')]")) == 20
    assert "side? tibial, motor, recorded from soleus" in build.texts(root)
