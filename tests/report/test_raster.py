"""The picture of every sweep of a late response, and where it stands on the page of a visit."""

import datetime as dt
from dataclasses import replace

import numpy as np
import pytest

import ncs
from ncs.detect import Flag
from ncs.errors import InvalidInputError
from ncs.model import Subject, Visit
from ncs.report import visit_page
from ncs.report.raster import has_raster, raster_svg
from ncs.report.tables import Column, TextTable
from ncs.report.visit import _narrow
from ncs.simulate.late import F_RECORDING, H_RECORDING, AWave, f_wave_study, h_reflex_study
from tests.report import build
from tests.report.test_pages import stands_alone, words

QUIET = replace(F_RECORDING.contamination, noise_uv=2.0)


def analyzed(*studies):
    return ncs.analyze(Visit(subject=Subject(id="P1"), date=dt.date(2024, 1, 1), studies=studies, sources=()))


def f_study(*, n_sweeps=12, **changes):
    return f_wave_study(seed=9, recording=replace(F_RECORDING, n_sweeps=n_sweeps, contamination=QUIET), **changes)[0]


@pytest.fixture(scope="module")
def f_waves():
    return analyzed(f_study(repeater_sweeps=4, a_waves=(AWave(latency_ms=40.0, share=0.7),)))


@pytest.fixture(scope="module")
def h_reflexes():
    return analyzed(h_reflex_study(seed=1, recording=replace(H_RECORDING, n_sweeps=14))[0])


def value(result, quantity):
    (found,) = [m.value for m in result.measurements if m.quantity == quantity]
    return found


def marks_of(result, response):
    return next(found.sweeps for found in result.marks if found.response == response)


def test_every_onset_stands_where_it_was_marked(f_waves):
    root = build.svg(raster_svg(f_waves, 0))
    to_ms, marks = build.time_axis(root), marks_of(f_waves, "f_wave")
    timed = np.flatnonzero(np.isfinite(marks.onset_ms))
    assert 6 <= timed.size < len(marks)
    heights = []
    for k in timed:
        (use,) = build.part(root, f"raster-sweep-{k + 1}-onset").iter(f"{build.SVG}use")
        assert to_ms(float(use.get("x"))) == pytest.approx(marks.onset_ms[k], abs=0.03)
        heights.append(float(use.get("y")))
        bar = build.points(build.part(root, f"raster-sweep-{k + 1}-interval"))
        assert to_ms(bar[1, 0]) - to_ms(bar[0, 0]) == pytest.approx(2 * 1.96 * marks.onset_sd_ms[k], abs=0.05)
    assert np.corrcoef(timed, heights)[0, 1] > 0.95, "the first sweep stands above"
    assert len(root.xpath("//*[contains(@id, '-onset')]")) == timed.size


def test_what_a_sweep_is_stands_beside_it(f_waves):
    marks, texts = marks_of(f_waves, "f_wave"), build.texts(build.svg(raster_svg(f_waves, 0)))
    repeats, a_waves = ((marks.flags & flag) > 0 for flag in (Flag.REPEATER, Flag.A_WAVE))
    assert repeats.sum() >= 2
    assert a_waves.sum() >= 5
    for k in range(len(marks)):
        said = f"{marks.onset_ms[k]:.2f}" if np.isfinite(marks.onset_ms[k]) else "none"
        said += " R" * bool(repeats[k]) + " A" * bool(a_waves[k])
        assert said in texts
    legend = " ".join(texts)
    assert "o, R: repeat of an earlier wave" in legend
    assert "A: with an A wave, which was left out" in legend


def test_the_legend_names_only_what_there_is():
    legend = " ".join(build.texts(build.svg(raster_svg(analyzed(f_study(n_units=60, persistence=0.5)), 0))))
    assert "A wave" not in legend


def test_the_gain_changes_between_m_wave_and_f_waves(f_waves):
    root = build.svg(raster_svg(f_waves, 0))
    to_ms, marks = build.time_axis(root), marks_of(f_waves, "f_wave")
    split = to_ms(build.points(build.part(root, "raster-split"))[0, 0])
    assert float(marks_of(f_waves, "cmap").peak_ms[0]) < split < np.nanmin(marks.onset_ms)
    early, late = (build.points(build.part(root, f"raster-sweep-1-{part}")) for part in ("early", "late"))
    assert to_ms(early[:, 0].max()) <= split + 0.1
    assert to_ms(late[:, 0].min()) >= split - 0.1
    texts = build.texts(root)
    assert "10 mV/row" in texts
    assert any(text.endswith("µV/row") for text in texts)


def test_the_minimum_latency_is_a_line(f_waves):
    root = build.svg(raster_svg(f_waves, 0))
    line = build.points(build.part(root, "raster-minimum"))
    shortest = value(f_waves, "f_minimum_latency")
    assert build.time_axis(root)(line[0, 0]) == pytest.approx(shortest, abs=0.03)
    assert f"red dashed line: minimum F latency, {shortest:.2f} ms" in build.texts(root)


def test_a_hundred_sweeps_fit_on_a_page():
    root = build.svg(raster_svg(analyzed(f_study(n_sweeps=100)), 0))
    assert float(root.get("height").removesuffix("pt")) <= 72 * 10.5
    assert len(root.xpath("//*[contains(@id, '-late')]")) == 100


def test_no_f_wave_at_all_is_a_picture_without_onsets():
    root = build.svg(raster_svg(analyzed(f_study(persistence=0.0)), 0))
    assert not root.xpath("//*[contains(@id, '-onset') or contains(@id, '-minimum')]")
    assert build.texts(root).count("none") == 12


def test_a_sweep_that_is_not_usable_is_called_so():
    study = f_study()
    samples = study.traces[0].samples_uv.copy()
    samples[2, 50] = np.nan
    spoilt = replace(study, traces=(replace(study.traces[0], samples_uv=samples),))
    assert "not usable" in build.texts(build.svg(raster_svg(analyzed(spoilt), 0)))


def test_h_reflexes_stand_beside_their_currents_at_one_gain(h_reflexes):
    root = build.svg(raster_svg(h_reflexes, 0))
    texts = build.texts(root)
    assert "3 mA" in texts
    assert "20 mA" in texts
    assert not root.xpath("//*[contains(@id, 'split')]")
    latency = value(h_reflexes, "h_latency")
    assert f"red dashed line: latency of the largest H reflex, {latency:.2f} ms" in texts


def test_only_late_responses_have_such_a_picture():
    motor = build.result()
    assert not has_raster(motor, 0)
    with pytest.raises(InvalidInputError, match="expected a study with marked F waves or H reflexes"):
        raster_svg(motor, 0)


def test_names_obey_nobody():
    study = replace(f_study(), nerve=build.NASTY, recording_site=build.NASTY)
    nasty = replace(study, traces=(replace(study.traces[0], stimulation_site=build.NASTY),))
    text = raster_svg(analyzed(nasty), 0)
    build.svg(text)
    assert "<b>" not in text
    assert "\x1b" not in text


# on the page


def test_the_page_has_the_sweeps_and_the_recruitment(f_waves, h_reflexes):
    text = visit_page([f_waves, h_reflexes])
    assert text == visit_page([f_waves, h_reflexes])
    root = stands_alone(text)
    assert len(root.xpath("//figure/svg")) == 3
    assert root.xpath("//*[@id='figure-0-0-sweep-1-late']")
    assert root.xpath("//*[@id='figure-1-0-sweep-1-late']")
    assert "stimulus intensity (mA)" in words(root)
    assert not root.xpath("//*[contains(@id, '-mean')]"), "the mean of different F waves is no F wave"


def test_without_currents_there_is_no_recruitment_on_the_page():
    study = h_reflex_study(seed=1, recording=replace(H_RECORDING, n_sweeps=14))[0]
    trace = replace(study.traces[0], stimulus=replace(study.traces[0].stimulus, intensity_ma=None))
    root = stands_alone(visit_page([analyzed(replace(study, traces=(trace,)))]))
    assert len(root.xpath("//figure/svg")) == 1
    assert "stimulus intensity (mA)" not in words(root)


def test_the_many_quantities_of_a_late_response_stand_in_tables_that_fit(f_waves):
    root = stands_alone(visit_page([f_waves]))
    tables = root.xpath("//h2[normalize-space()='F wave']/following-sibling::div/table")
    assert len(tables) >= 2
    headings = [[" ".join(cell.text_content().split()) for cell in table.xpath(".//th")] for table in tables]
    assert all(row[:3] == ["nerve", "record", "site"] for row in headings)
    named = [name for row in headings for name in row[3:]]
    assert named[:2] == ["M wave mV", "F min ms"]
    assert {"persist. %", "stimuli", "repeats", "A waves"} <= set(named)
    assert len(named) == len(set(named))


def test_a_wide_table_is_broken_evenly_and_loses_nothing():
    columns = (Column(label="nerve"), *(Column(label=f"q{i}" + 15 * "x", is_number=True) for i in range(10)))
    table = TextTable(columns=columns, rows=(("right median", *map(str, range(10))),))
    parts = _narrow(table)
    assert [len(part.columns) for part in parts] == [5, 5, 3]
    assert [cell for part in parts for cell in part.rows[0][1:]] == [str(i) for i in range(10)]
    assert all(part.rows[0][0] == "right median" for part in parts)
    assert _narrow(TextTable(columns=columns[:4], rows=())) == [TextTable(columns=columns[:4], rows=())]
    assert _narrow(TextTable(columns=columns[:1], rows=(("a",),))) == [TextTable(columns=columns[:1], rows=(("a",),))]
