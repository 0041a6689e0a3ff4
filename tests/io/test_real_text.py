"""Recordings of other laboratories through text and sidecar, against a parse that shares no code with ncs.

Polarity assumed: true. In both recordings the first large peak of the M wave is a negative number, which is what a
CMAP recorded as active minus reference from a belly-tendon montage looks like; neither file states it.
"""

import csv
from itertools import groupby

import numpy as np
import pytest

import ncs
from ncs.model import Origin


def cells(path):
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.reader(stream))


def test_soleus_m_wave_and_h_reflex(recordings):
    path = recordings / "m_h_reflex_soleus" / "example-waveforms.csv"
    rows = np.array([[float(cell) for cell in row] for row in cells(path)])
    sidecar = {
        "ncs_sidecar": 1, "nerve": "tibial", "technique": "motor", "recording_site": "soleus",
        "unit": "mV", "polarity": "true", "stimulus_ms": "time_zero",
        "layout": {"time_column": 1, "time_unit": "ms", "intensity_row": 1, "intensity_unit": "mA"},
        "traces": [{"stimulation_site": "popliteal fossa"}],
    }  # fmt: skip
    visit = ncs.read(path, sidecar=sidecar)
    trace = visit.studies[0].traces[0]
    assert visit.problems == ()
    assert trace.samples_uv.shape == (41, 193)
    assert trace.sampling_rate_hz == 3200.0
    np.testing.assert_array_equal(trace.samples_uv, (rows[1:, 1:].T * 1000).astype(np.float32))
    np.testing.assert_array_equal(trace.stimulus.intensity_ma, rows[0, 1:])
    np.testing.assert_array_equal(trace.stimulus_ms, 0.0)
    assert (trace.stimulation_site, trace.distance_mm) == ("popliteal fossa", None)
    assert trace.provenance["sampling_rate_hz"] is trace.provenance["intensity_ma"] is Origin.FILE
    strongest = trace.samples_uv[-1]
    assert strongest.argmin() < strongest.argmax()  # the negative peak comes first


@pytest.mark.parametrize(
    ("name", "n_sweeps", "rate_hz"), [("ExampleData2", 80, 10_000.0), ("ExampleData3", 84, 30_000.0)]
)
def test_rodent_m_wave(recordings, name, n_sweeps, rate_hz):
    path = recordings / "m_wave_rodent" / f"{name}.csv"
    sweeps = [
        [(float(volts), float(time), float(millivolts)) for _, _, volts, time, millivolts in rows]
        for _, rows in groupby(cells(path)[1:], key=lambda row: row[0])
    ]
    expected = np.array(sweeps)
    sidecar = {
        "ncs_sidecar": 1, "polarity": "true", "stimulus_ms": "time_zero",
        "layout": {
            "kind": "long", "sweep_column": "recording_index", "channel_column": "channel_index",
            "intensity_column": "stimulus_V", "value_column": "amplitude_mV",
            "time_column": "time_point", "time_unit": "ms",
        },
    }  # fmt: skip
    visit = ncs.read(path, sidecar=sidecar)
    trace = visit.studies[0].traces[0]
    assert visit.problems == ()
    assert len(visit.studies) == 1
    assert trace.n_sweeps == n_sweeps
    assert trace.sampling_rate_hz == pytest.approx(rate_hz, rel=1e-9)
    np.testing.assert_array_equal(trace.samples_uv, (expected[:, :, 2] * 1000).astype(np.float32))
    np.testing.assert_array_equal(trace.stimulus.intensity_v, expected[:, 0, 0])
    np.testing.assert_allclose(trace.stimulus_ms, -expected[:, 0, 1])
    assert trace.provenance["samples_uv"] is Origin.FILE  # the unit stands in the header
    strongest = trace.samples_uv[-1]
    assert strongest.argmin() < strongest.argmax()


def test_real_tables_are_recognised_as_text_and_nothing_else_is(recordings):
    for path in sorted(recordings.glob("*/*.csv")):
        with pytest.raises(ncs.NcsError) as caught:
            ncs.read(path)
        assert "sidecar" in str(caught.value), path
    for name in ("cfs/test_file.cfs", "abf/2018_12_09_pCLAMP11_0001.abf", "acq/r42_test.acq"):
        with pytest.raises(ncs.NcsError):
            ncs.read(recordings / name, format="text")
