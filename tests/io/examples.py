"""Recordings for the tests that run over every reader: generated ones, written on demand, and the real ones in place.

A new reader gets an entry in ``GENERATED``, and in ``TWO_FAULTS`` of ``test_compliance.py``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ncs import simulate
from ncs.io.edf_write import write_edf
from ncs.model import Subject, Visit
from tests.io import recorder_files, test_arrays, test_cfs, test_labchart, test_natus
from tests.io.edf_examples import Channel, annotation_bytes, annotation_channel, build, mncv, sncv, spec_37, tal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

__all__ = ["GENERATED", "OWN", "REAL", "Example"]

OWN = ("edf", "text", "natus", "cfs", "labchart", "qtrac", "numpy", "matlab")
"""Readers that decode by themselves; the others hand the file to a library."""

RATE = 10_000.0


@dataclass(frozen=True, kw_only=True)
class Example:
    """One recording.

    Parameters
    ----------
    name
        Reader and kind, as it stands in the names of tests.
    write
        Writes the recording into a folder and returns the file to read; ``None`` for a real one.
    real
        Path below the folder of real recordings.
    personal
        Texts of the file that must not come out unasked.
    is_usable
        Whether the file can become a visit; else reading it has to end in an error of ncs.
    """

    name: str
    reader: str
    write: Callable[[Path], Path] | None = None
    real: str = ""
    sidecar: Mapping[str, Any] | None = None
    personal: tuple[str, ...] = ()
    is_usable: bool = True
    tags: frozenset[str] = field(default_factory=frozenset)


def _bytes(name: str, content: Callable[[], bytes]) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        path = folder / name
        path.write_bytes(content())
        return path

    return write


def _waves(count: int, peak_uv: float) -> np.ndarray:
    """Two responses, smooth and within any of the ranges below."""
    ramp = np.linspace(0, 8 * np.pi, count)
    return np.stack([np.sin(ramp), np.sin(ramp) * 0.5]) * peak_uv


def _continuous(*, is_plus: bool, kind: str = "EDF") -> bytes:
    """Two seconds of two channels and their annotations, a trigger channel in the plain file."""
    version = b"0       " if kind == "EDF" else b"\xffBIOSEMI"
    signals = [Channel(label="R APB", unit="uV", physical=("-3276.8", "3276.7"), samples=2000, prefilter="HP:2Hz")]
    labels = ["+0.5", "+1.25"]
    records = []
    for record in range(2):
        ramp = np.arange(2000) * (record + 1) % 3000
        pulses = np.zeros(2000, int)
        pulses[1000:1010] = 3000
        tals = [tal(f"+{record}", "")]
        if record == 0:
            tals += [tal(at, "Stimulus wrist 0.2ms x 8.2mA at 8cm from recording site") for at in labels]
        notes = annotation_bytes(tals, 150, 2 if kind == "EDF" else 3)
        records.append([ramp, notes] if is_plus else [ramp, pulses])
    last = annotation_channel(150, kind=kind) if is_plus else Channel(label="TRIG", unit="mV", samples=2000)
    reserved = f"{kind}+C" if is_plus else ""
    return build(
        [*signals, last], records, duration="1", reserved=reserved, version=version, patient="P07 F 02-MAY-1951 Haagse"
    )


def _written_by_ncs(folder: Path) -> Path:
    study, _ = simulate.motor_study(seed=3)
    path = folder / "written.edf"
    write_edf(Visit(subject=Subject(id="P07"), date=None, studies=(study,)), path)
    return path


def _table(*, delimiter: str, decimal: str) -> bytes:
    rows = [delimiter.join(["time [ms]", "first_mV", "second_mV"])]
    for index, (one, two) in enumerate((_waves(120, 5.0)).T):
        rows.append(delimiter.join([f"{index * 0.1 - 1:.1f}", f"{one:.3f}", f"{two:.3f}"]).replace(".", decimal))
    return "\r\n".join(rows).encode()


def _long_table() -> bytes:
    rows = ["sweep,channel,mA,ms,emg_uV"]
    for sweep, wave in enumerate(_waves(60, 900.0)):
        rows += [f"{sweep},APB,{8 + sweep},{at * 0.1:.1f},{value:.2f}" for at, value in enumerate(wave)]
    return "\n".join(rows).encode()


def _counts() -> str:
    """Natus text that holds counts of the converter."""
    text = test_natus.VIKING.replace(test_natus.listed(test_natus.VALUES), "12,-45,100,0,350,-1234,1,200,-5,725")
    return text.replace("High(kHz)=10", "High(kHz)=10\r\nOne ADC unit (uV)=0,5")


def _labchart() -> bytes:
    values = np.column_stack([_waves(90, 4.0)[0], np.where(np.arange(90) % 40 == 20, 5.0, 0.0)])
    titles = ["R APB", "Stim"]
    first = test_labchart.block(values, titles=titles, step=0.0005, comments={20: "#* cold hand"})
    return (first + test_labchart.block(values, titles=titles, step=0.0005)).encode("cp1252")


def _labchart_comments() -> bytes:
    text = "#* Stimulus right wrist 0.2ms x 8.2mA at 6.5cm from recording site"
    return test_labchart.block(_waves(90, 4.0)[0], comments={10: text, 50: text}).encode("utf-16")


_MEM = """ File:\tX
 Name:\tSMITH
 Protocol:\tTRONDNF
 Date:\t21/8/17
 Start time:\t10:05:00
 Age:\t30
 Sex:\tM
 Temperature:\t33.5
 S/R sites:\tMedian Wr-APB
 NC/disease:\tNC
 Operator:\tJONES
 Comments:\tsmooth recording of SMITH


 STIMULUS-RESPONSE DATA (2.5-2.5m)

Max CMAP  1 ms =  4.960938 mV
 \t% Max\tStimulus
SR1.1\t  2\t 4.5
SR1.2\t  4\t 4.75

 RECOVERY CYCLE DATA (1 threshold)

 \tInterval (ms)\tChange (%)
RC1.1\t 2\t 55.25
RC1.2\t 3.2\t-12,5

 DERIVED EXCITABILITY VARIABLES

Program = QTracP 9/12/2016
Threshold method = 6 (tracking)

 1.\t 4.02\tStimulus (mA) for 50% max response
 2.\t .45\tStrength-duration\\time constant (ms)
 4.\t 4.026\tRheobase (mA)
 13.\t-23.583\tSuperexcitability (%)
 18.\t1\tSex (M=1, F=2)

 EXTRA VARIABLES

Potassium = 4.5
"""


def _arrays(way: str) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        arrays = {"apb": np.round(_waves(80, 900.0)).astype(np.int16), "fs": np.float64(RATE)}
        return test_arrays.write(folder / "arrays", way, arrays)

    return write


def _npy(folder: Path) -> Path:
    np.save(folder / "apb.npy", _waves(80, 900.0).astype(np.float32))
    return folder / "apb.npy"


def _brainvision(folder: Path) -> Path:
    channels = {"R APB": ("µV", _waves(20_000, 900.0)[0]), "Temp": ("C", np.full(20_000, 31.0))}
    marks = [("Stimulus", "S  1", 5000), ("Stimulus", "S  1", 15_000)]
    return recorder_files.brainvision(folder, channels, RATE, marks)


def _fif(folder: Path) -> Path:
    import mne

    info = mne.create_info(["R APB", "STI 014"], RATE, ["emg", "stim"])
    info["subject_info"] = {"his_id": "P07", "last_name": "Haagse", "first_name": "Henriette"}
    codes = np.zeros(20_000)
    codes[5000:5010] = 4
    raw = mne.io.RawArray(np.stack([_waves(20_000, 9e-4)[0], codes]), info, verbose="ERROR")
    raw.save(folder / "study_raw.fif", verbose="ERROR")
    return folder / "study_raw.fif"


def _winwcp(folder: Path) -> Path:
    records = np.zeros((3, 256, 2), np.int16)
    records[..., 0] = np.arange(256) * 10
    records[:, 100:110, 1] = 20_000
    return recorder_files.winwcp(folder / "study.wcp", records, RATE, labels=["R APB", "TRIG"], units=["mV", "V"])


def _blackrock(folder: Path) -> Path:
    path = folder / "study.ns5"
    recorder_files.blackrock(path, (np.arange(3000) % 500).astype(np.int16), label="R APB")
    return path


def _abf(folder: Path) -> Path:
    from pyabf.abfWriter import writeABF1

    writeABF1(_waves(1000, 0.9), str(folder / "study.abf"), RATE, units="mV")
    return folder / "study.abf"


def _dicom(folder: Path) -> Path:
    groups = list(np.round(_waves(400, 900.0)).astype(int))
    return recorder_files.dicom(folder / "study.dcm", groups, RATE, trigger_offsets_ms=[2.0, 2.0])


STATED = {"ncs_sidecar": 1, "polarity": "true"}
_TIMED = {**STATED, "stimulus_ms": 1.0}
_BARE = {**_TIMED, "unit": "uV", "sampling_rate_hz": RATE}
_ARRAYS = {
    **_TIMED, "unit": "uV",
    "layout": {"arrays": [{"variable": "apb", "axes": ["sweep", "sample"], "sampling_rate_variable": "fs"}]},
}  # fmt: skip
_LONG = {
    **_TIMED,
    "layout": {"kind": "long", "delimiter": "comma", "decimal": ".", "header_rows": 1, "sweep_column": "sweep",
               "channel_column": "channel", "value_column": "emg_uV", "intensity_column": "mA",
               "intensity_unit": "mA", "time_column": "ms", "time_unit": "ms"},
}  # fmt: skip
_EDF_PERSONAL = ("Haagse", "1951", "1956", "BK/JOP")
_CFS_PERSONAL = ("Smith", "somebody", "a name")

GENERATED: tuple[Example, ...] = (
    Example(name="edf: motor study of the specification", reader="edf", personal=_EDF_PERSONAL,
            write=_bytes("spec.edf", lambda: spec_37(_waves(1000, 20_000.0)))),
    Example(name="edf: XML notes", reader="edf", personal=_EDF_PERSONAL,
            write=_bytes("xml.edf", lambda: spec_37(_waves(1000, 20_000.0), "xml"))),
    Example(name="edf: asymmetric range", reader="edf", personal=_EDF_PERSONAL,
            write=_bytes("mncv.edf", lambda: mncv(_waves(500, 9_000.0)))),
    Example(name="edf: sensory", reader="edf", personal=_EDF_PERSONAL,
            write=_bytes("sncv.edf", lambda: sncv(_waves(500, 40.0)))),
    Example(name="edf: continuous", reader="edf", personal=_EDF_PERSONAL,
            write=_bytes("c.edf", lambda: _continuous(is_plus=True))),
    Example(name="edf: plain, trigger channel", reader="edf", personal=_EDF_PERSONAL,
            write=_bytes("plain.edf", lambda: _continuous(is_plus=False))),
    Example(name="edf: BDF+", reader="edf", personal=_EDF_PERSONAL,
            write=_bytes("c.bdf", lambda: _continuous(is_plus=True, kind="BDF"))),
    Example(name="edf: written by ncs", reader="edf", write=_written_by_ncs),
    Example(name="text: columns", reader="text", sidecar={**STATED, "stimulus_ms": "time_zero"},
            write=_bytes("t.csv", lambda: _table(delimiter=",", decimal="."))),
    Example(name="text: decimal comma", reader="text", sidecar={**STATED, "stimulus_ms": "time_zero"},
            write=_bytes("t.txt", lambda: _table(delimiter=";", decimal=","))),
    Example(name="text: no header", reader="text", sidecar=_BARE,
            write=_bytes("t.dat", lambda: b"\n".join(b"%d %d" % (n * 3 % 50, n * 7 % 90 - 40) for n in range(80)))),
    Example(name="text: long table", reader="text", sidecar=_LONG, write=_bytes("long.csv", _long_table)),
    Example(name="natus: UTF-16", reader="natus", sidecar=_TIMED, personal=("Ada", "Nobody"),
            write=_bytes("v.txt", lambda: test_natus.encoded(test_natus.VIKING, "utf-16-le"))),
    Example(name="natus: 8 bit", reader="natus", sidecar=_TIMED, personal=("Ada", "Nobody"),
            write=_bytes("v.txt", lambda: test_natus.VIKING.encode("cp1252"))),
    Example(name="natus: counts", reader="natus", sidecar=_TIMED, personal=("Ada", "Nobody"),
            write=_bytes("v.txt", lambda: _counts().encode())),
    Example(name="labchart: trigger", reader="labchart", sidecar=STATED, write=_bytes("l.txt", _labchart)),
    Example(name="labchart: comments", reader="labchart", sidecar=STATED, write=_bytes("l.txt", _labchart_comments)),
    Example(name="cfs: states", reader="cfs", sidecar={**_TIMED, "date": "2020-08-21"}, personal=_CFS_PERSONAL,
            write=_bytes("a.cfs", test_cfs.two_channels)),
    Example(name="cfs: chain", reader="cfs", sidecar={**_TIMED, "date": "2020-08-21"},
            write=_bytes("b.cfs", lambda: test_cfs.one_channel(table=False))),
    Example(name="qtrac", reader="qtrac", sidecar={"ncs_sidecar": 1, "date": "2017-08-21"},
            personal=("SMITH", "JONES", "smooth"),
            write=_bytes("a.MEM", lambda: _MEM.replace("\n", "\r\n").encode("ascii"))),
    Example(name="numpy: npy", reader="numpy", sidecar=_BARE | {"layout": {"arrays": [{"axes": ["sweep", "sample"]}]}},
            write=_npy),
    Example(name="numpy: npz", reader="numpy", sidecar=_ARRAYS, write=_arrays("npz")),
    Example(name="numpy: npz, packed", reader="numpy", sidecar=_ARRAYS, write=_arrays("npz packed")),
    Example(name="matlab: 5", reader="matlab", sidecar=_ARRAYS, write=_arrays("mat 5")),
    Example(name="matlab: 5, packed", reader="matlab", sidecar=_ARRAYS, write=_arrays("mat 5 packed")),
    Example(name="matlab: 7.3", reader="matlab", sidecar=_ARRAYS, write=_arrays("mat 7.3 packed")),
    Example(name="mne: BrainVision", reader="mne", write=_brainvision),
    Example(name="mne: FIF", reader="mne", write=_fif, personal=("Haagse", "Henriette"),
            sidecar={"ncs_sidecar": 1, "stimuli": {"markers": {"4": "wrist"}}}),
    Example(name="neo: WinWCP", reader="neo", write=_winwcp),
    Example(name="neo: Blackrock", reader="neo", write=_blackrock,
            sidecar={"ncs_sidecar": 1, "stimuli": {"times_s": {"wrist": [0.02]}}}),
    Example(name="abf", reader="abf", write=_abf, sidecar={"ncs_sidecar": 1, "stimulus_ms": 2.5}),
    Example(name="dicom", reader="dicom", write=_dicom, personal=("Doe", "Jane")),
)  # fmt: skip

_SOLEUS = {
    **STATED, "stimulus_ms": "time_zero", "unit": "mV",
    "layout": {"time_column": 1, "time_unit": "ms", "intensity_row": 1, "intensity_unit": "mA"},
}  # fmt: skip
_RODENT = {
    **STATED, "stimulus_ms": "time_zero",
    "layout": {"kind": "long", "sweep_column": "recording_index", "channel_column": "channel_index",
               "intensity_column": "stimulus_V", "value_column": "amplitude_mV", "time_column": "time_point",
               "time_unit": "ms"},
}  # fmt: skip
_MEP = {
    **_TIMED, "unit": "uV", "sampling_rate_hz": 3000.0,
    "layout": {"arrays": [{"variable": "meps", "axes": ["sample", "sweep"]}]},
}  # fmt: skip
_MEM_DATE = {"ncs_sidecar": 1, "date": "2017-08-21"}

REAL: tuple[Example, ...] = (
    Example(name="edf: real EDF+C", reader="edf", real="edf_continuous/test_subsecond.edf"),
    Example(name="bids: real", reader="bids",
            real="bids_emg/emg_CustomBipolar/sub-01/emg/sub-01_task-holdWeight_emg.edf"),
    Example(name="cfs: real", reader="cfs", real="cfs/test_file.cfs", sidecar={**STATED, "date": "2024-08-10"}),
    Example(name="labchart: real", reader="labchart", real="labchart_text/labchart_file.example.txt", sidecar=STATED),
    Example(name="qtrac: real, short", reader="qtrac", real="qtrac_mem/short_test.MEM", sidecar=_MEM_DATE),
    Example(name="qtrac: real, A", reader="qtrac", real="qtrac_mem/FESB70821A.MEM", sidecar=_MEM_DATE,
            personal=("CR21S",)),
    Example(name="qtrac: real, B", reader="qtrac", real="qtrac_mem/FESB70821B.MEM", sidecar=_MEM_DATE),
    Example(name="text: real soleus", reader="text", real="m_h_reflex_soleus/example-waveforms.csv", sidecar=_SOLEUS),
    Example(name="text: real rodent 2", reader="text", real="m_wave_rodent/ExampleData2.csv", sidecar=_RODENT),
    Example(name="text: real rodent 3", reader="text", real="m_wave_rodent/ExampleData3.csv", sidecar=_RODENT),
    Example(name="matlab: real MEP", reader="matlab", real="mep_human/ID05.mat", sidecar=_MEP),
    Example(name="acq: real 35", reader="acq", real="acq/r35_test.acq"),
    Example(name="acq: real 42", reader="acq", real="acq/r42_test.acq"),
    Example(name="abf: real, of a current", reader="abf", real="abf/2018_12_09_pCLAMP11_0001.abf", is_usable=False),
)  # fmt: skip
