"""The worked examples of the EDF+ specification, byte for byte, and what a reader must find in them."""

import datetime as dt

import numpy as np
import pytest

from ncs.io._edf_header import decode_header
from ncs.io._faults import Faults
from ncs.io._recording import Reader
from ncs.io.edf import EDF
from ncs.model import Filters, Origin, ReportedValue, Side, Technique
from tests.io.edf_examples import mncv, read, sncv, spec_37


def cmap(samples, rate_khz, delay_ms, amplitude_uv):
    t = np.arange(samples) / rate_khz - delay_ms
    return -amplitude_uv * np.exp(-((t / 1.5) ** 2)) + 0.3 * amplitude_uv * np.exp(-(((t - 5) / 2) ** 2))


APB = [cmap(1000, 20, 6, 7200), cmap(1000, 20, 10, 7000)]
MNC = [cmap(500, 10, 6, 7200), cmap(500, 10, 10, 7000)]
SNC = [cmap(500, 25, 5, 22), cmap(500, 25, 9, 15)]


def test_the_reader_keeps_the_contract_of_readers():
    assert isinstance(EDF, Reader)
    assert {"waveforms", "site", "distance", "intensity", "units", "filters", "stimulus time", "temperature"} == set(
        EDF.carries
    )


@pytest.mark.parametrize("content", [spec_37(APB), mncv(MNC), sncv(SNC)], ids=["3.7", "MNCV", "SNCV"])
def test_header_is_the_published_one(content):
    assert content[:8] == b"0       "
    header = decode_header(content, Faults(file=""))
    assert (header.header_bytes, header.continuity, header.records, len(header.signals)) == (768, "D", 2, 2)
    assert content[184:192] == b"768     "
    assert content[192:236].rstrip() == b"EDF+D"
    assert content[256 + 16 : 256 + 32] == b"EDF Annotations "


def test_headers_differ_as_published():
    assert spec_37(APB)[244:252] == b"0.050   "
    assert mncv(MNC)[244:252] == b"0.05    "
    assert sncv(SNC)[244:252] == b"0.02    "
    assert spec_37(APB)[8:88].rstrip() == b"MCH-0234567 F 02-MAY-1951 Haagse_Harry"
    assert spec_37(APB)[88:168].rstrip() == b"Startdate 02-MAR-2002 EMG561 BK/JOP Sony. MNC R Median Nerve."
    assert mncv(MNC)[88:168].rstrip() == b"Startdate 01-JAN-2002 emg1 jop N1 MNC_L_Median_Nerve"
    assert sncv(SNC)[168:184] == b"01.01.0210.30.00"


@pytest.mark.parametrize("variant", ["plain", "xml"])
def test_spec_3_7_is_read_whole(variant):
    visit = read(spec_37(APB, variant))
    assert (visit.subject.id, visit.subject.sex) == ("MCH-0234567", "F")
    assert visit.date == dt.date(2002, 3, 2)
    (study,) = visit.studies
    assert (study.nerve, study.side, study.technique) == ("median", Side.RIGHT, Technique.MOTOR)
    assert study.recording_site == "APB"
    wrist, elbow = study.traces
    assert (wrist.stimulation_site, elbow.stimulation_site) == ("wrist", "elbow")
    assert (wrist.distance_mm, elbow.distance_mm) == (65.0, 285.0)
    assert (wrist.stimulus.duration_ms, elbow.stimulus.duration_ms) == (0.2, 0.2)
    np.testing.assert_array_equal(wrist.stimulus.intensity_ma, [8.2])
    np.testing.assert_array_equal(elbow.stimulus.intensity_ma, [15.3])
    assert wrist.sampling_rate_hz == elbow.sampling_rate_hz == 20_000.0
    np.testing.assert_array_equal(wrist.stimulus_ms, [0.0])
    np.testing.assert_array_equal(elbow.stimulus_ms, [0.0])
    assert wrist.filters == Filters(low_cut_hz=3.0, high_cut_hz=20_000.0, text="HP:3Hz LP:20kHz")
    lsb_uv = 200_000 / 4095
    for trace, truth in zip((wrist, elbow), APB, strict=True):
        assert np.abs(trace.samples_uv[0] - truth).max() <= lsb_uv / 2 + 0.01
        assert trace.samples_uv.min() < -6900, "a negative peak is stored, and read, negative"


@pytest.mark.parametrize("variant", ["plain", "xml"])
def test_spec_3_7_own_measurements_of_the_machine(variant):
    (study,) = read(spec_37(APB, variant)).studies
    wrist, elbow = study.traces
    mode = {"plain": "", "xml": "baseline to peak"}[variant]
    assert wrist.reported == (
        ReportedValue(kind="latency_ms", value=3.8),
        ReportedValue(kind="amplitude_uv", value=7200.0, mode=mode),
    )
    assert elbow.reported[2].value == 55.0
    velocity = (elbow.distance_mm - wrist.distance_mm) / (elbow.reported[0].value - wrist.reported[0].value)
    assert velocity == pytest.approx(elbow.reported[2].value)


@pytest.mark.parametrize("variant", ["plain", "xml"])
def test_spec_3_7_says_where_every_field_came_from(variant):
    visit = read(spec_37(APB, variant))
    assert visit.provenance["subject"] == visit.provenance["date"] == Origin.FILE
    (study,) = visit.studies
    assert all(study.provenance[name] == Origin.FILE for name in ("nerve", "side", "technique", "recording_site"))
    assert study.provenance["skin_temperature_c"] == Origin.UNSET
    for trace in study.traces:
        for name in ("samples_uv", "sampling_rate_hz", "stimulus_ms", "stimulation_site", "distance_mm", "intensity_ma",
                     "stimulus_duration_ms", "filters", "reported"):  # fmt: skip
            assert trace.provenance[name] == Origin.FILE, name
        assert trace.provenance["averaged_count"] == Origin.UNSET


def test_spec_3_7_own_dates_contradict_each_other_and_the_reading_goes_on():
    (problem,) = read(spec_37(APB)).problems
    assert (problem.place, problem.field, problem.found) == ("byte 168", "start date", "17.04.01")


def test_spec_3_7_identifiers_only_on_request():
    quiet = read(spec_37(APB)).subject
    assert (quiet.name, quiet.birth_date) == (None, None)
    asked = read(spec_37(APB), keep_identifiers=True).subject
    assert (asked.name, asked.birth_date) == ("Haagse Harry", dt.date(1951, 5, 2))


def test_mncv_stimulus_stands_in_the_time_keeping_annotation():
    (study,) = read(mncv(MNC)).studies
    assert (study.nerve, study.side, study.technique) == ("median", Side.LEFT, Technique.MOTOR)
    assert study.recording_site == "APB"
    assert (study.skin_temperature_c, study.temperature_site) == (33.2, "left hand")
    wrist, elbow = study.traces
    assert (wrist.stimulus.label, elbow.stimulus.label) == ("StimA", "StimB")
    assert (wrist.stimulation_site, elbow.stimulation_site) == ("wrist", "elbow")
    assert (wrist.distance_mm, elbow.distance_mm) == (70.0, 290.0)
    np.testing.assert_array_equal(elbow.stimulus_ms, [0.0])
    assert wrist.sampling_rate_hz == 10_000.0


def test_mncv_digital_range_that_lies_askew_decodes_exactly():
    ends = np.zeros(500)
    ends[:3] = [-25_000, 25_000, 0]
    (study,) = read(mncv([ends, ends])).studies
    samples = study.traces[0].samples_uv[0]
    assert samples[0] == -25_000
    assert samples[1] == 25_000
    lsb_uv = 50_000 / 19_250
    assert abs(samples[2]) <= lsb_uv / 2
    calibration = study.traces[0].calibration
    assert (calibration.digital_min, calibration.digital_max, calibration.unit) == (-8985, 10265, "mV")


def test_digital_zero_of_mncv_is_the_published_voltage():
    content = bytearray(mncv([np.zeros(500)] * 2))
    content[768:770] = b"\0\0"
    (study,) = read(bytes(content)).studies
    assert study.traces[0].samples_uv[0, 0] == pytest.approx(-1662.3, abs=0.1)


def test_sncv_is_sensory_in_microvolts():
    (study,) = read(sncv(SNC)).studies
    assert (study.nerve, study.side, study.technique) == ("median", Side.LEFT, Technique.SENSORY)
    assert study.recording_site == "Second finger"
    wrist, elbow = study.traces
    assert wrist.sampling_rate_hz == 25_000.0
    assert (wrist.distance_mm, elbow.distance_mm) == (140.0, 350.0)
    assert np.abs(wrist.samples_uv[0] - SNC[0]).max() <= 500 / 19_250 / 2 + 1e-5
