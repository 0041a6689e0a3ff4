"""MATLAB and NumPy files: read with what the sidecar says, and with nothing else."""

import io
import json
import tracemalloc
import zipfile
import zlib

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import ncs
from ncs import simulate
from ncs.errors import ConflictError, NcsError, ReadError, UnknownFormatError
from ncs.io._recording import ReadRequest
from ncs.io.matlab import MATLAB
from ncs.io.numpy_files import NUMPY
from ncs.io.registry import choose
from ncs.io.sidecar import load_sidecar
from ncs.model import Origin, Subject, Visit

BASE = {"ncs_sidecar": 1, "unit": "uV", "polarity": "true", "sampling_rate_hz": 10_000.0, "stimulus_ms": 2.0}
ROWS = ["sweep", "sample"]
WAYS = ("npz", "npz packed", "mat 5", "mat 5 packed", "mat 7.3", "mat 7.3 packed")


def write_mat73(path, arrays, **how):
    """Write a version 7.3 file as MATLAB does: 512 bytes of its own header, reversed dimensions, class attributes."""
    h5py = pytest.importorskip("h5py")
    names = {"f8": "double", "f4": "single", "i2": "int16"}
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, values in arrays.items():
            array = np.atleast_2d(np.asarray(values))
            node = file.create_dataset(name, data=array.T, **(how if array.size > 1 else {}))
            node.attrs["MATLAB_class"] = np.bytes_(names[array.dtype.str[1:]])
    with path.open("r+b") as stream:
        stream.write(b"MATLAB 7.3 MAT-file, written by a test".ljust(124) + b"\x00\x02IM")


def write(path, way, arrays):
    if way.startswith("npz"):
        path = path.with_suffix(".npz")
        (np.savez_compressed if "packed" in way else np.savez)(path, **arrays)
    elif way.startswith("mat 5"):
        from scipy.io import savemat

        path = path.with_suffix(".mat")
        savemat(path, arrays, do_compression="packed" in way, oned_as="row")
    else:
        path = path.with_suffix(".mat")
        write_mat73(path, arrays, **({"compression": "gzip", "shuffle": True} if "packed" in way else {}))
    return path


def read(path, **sidecar):
    return ncs.read(path, sidecar={**BASE, **sidecar})


def only_trace(visit):
    assert len(visit.studies) == 1
    assert len(visit.studies[0].traces) == 1
    return visit.studies[0].traces[0]


def problems(path, sidecar=None, error=ReadError):
    with pytest.raises(error) as caught:
        ncs.read(path, sidecar=sidecar)
    return caught.value.problems


def numbers(result):
    return {
        (row.quantity, row.site, row.segment): (row.value, row.sd, row.unit, row.reason) for row in result.measurements
    }


# A study through every kind of file


@pytest.mark.parametrize("way", WAYS)
def test_a_simulated_study_gives_the_same_numbers_as_in_memory(tmp_path, way):
    study, _ = simulate.motor_study(seed=7)
    in_memory = ncs.analyze(Visit(subject=Subject(), date=None, studies=(study,)))
    arrays, entries, traces = {}, [], []
    for trace, is_turned in zip(study.traces, (True, False), strict=True):
        name = f"to_{trace.stimulation_site}"
        arrays[name] = np.asfortranarray(trace.samples_uv.T) if is_turned else trace.samples_uv
        arrays[f"t_{trace.stimulation_site}"] = trace.stimulus_ms / 1000
        entries.append(
            {
                "variable": name, "axes": ROWS[::-1] if is_turned else ROWS, "sampling_rate_variable": "fs",
                "stimulus_variable": f"t_{trace.stimulation_site}", "time_unit": "s",
            }
        )  # fmt: skip
        traces.append(
            {
                "select": {"channel": name}, "stimulation_site": trace.stimulation_site,
                "distance_mm": trace.distance_mm,
            }
        )  # fmt: skip
    arrays["fs"] = np.float64(study.traces[0].sampling_rate_hz)
    path = write(tmp_path / "study", way, arrays)
    sidecar = {
        "ncs_sidecar": 1, "unit": "uV", "polarity": "true", "nerve": study.nerve, "side": study.side.value,
        "technique": study.technique.value, "recording_site": study.recording_site, "layout": {"arrays": entries},
        "traces": traces,
    }  # fmt: skip
    visit = ncs.read(path, sidecar=sidecar)
    assert visit.problems == ()
    assert visit.sources[0].format == ("numpy" if way.startswith("npz") else "matlab")
    for ours, theirs in zip(visit.studies[0].traces, study.traces, strict=True):
        np.testing.assert_array_equal(ours.samples_uv, theirs.samples_uv)
        np.testing.assert_allclose(ours.stimulus_ms, theirs.stimulus_ms, rtol=1e-12)
        assert ours.sampling_rate_hz == theirs.sampling_rate_hz
        assert ours.provenance["sampling_rate_hz"] is ours.provenance["stimulus_ms"] is Origin.FILE
    from_file = numbers(ncs.analyze(visit))
    expected = numbers(in_memory)
    assert {key: (pytest.approx(v, rel=1e-9), pytest.approx(sd, rel=1e-6), unit, reason)
            for key, (v, sd, unit, reason) in expected.items()} == from_file  # fmt: skip
    assert from_file["motor_conduction_velocity", None, "wrist-elbow"][0] > 20


def test_one_array_as_npy(tmp_path):
    sweeps = np.arange(12, dtype=np.int16).reshape(3, 4)
    np.save(tmp_path / "a.npy", sweeps)
    trace = only_trace(read(tmp_path / "a.npy", unit="mV", layout={"arrays": [{"axes": ROWS}]}))
    np.testing.assert_array_equal(trace.samples_uv, sweeps * 1000.0)
    np.testing.assert_array_equal(trace.stimulus_ms, 2.0)
    assert (trace.sampling_rate_hz, trace.channel, trace.calibration.unit) == (10_000.0, "", "mV")
    assert trace.provenance["samples_uv"] is Origin.SIDECAR
    np.save(tmp_path / "b.npy", np.asfortranarray(sweeps.T))
    turned = only_trace(read(tmp_path / "b.npy", unit="mV", layout={"arrays": [{"axes": ROWS[::-1]}]}))
    np.testing.assert_array_equal(turned.samples_uv, trace.samples_uv)


def test_a_row_or_a_column_needs_no_axes_and_inverted_is_turned(tmp_path):
    from scipy.io import savemat

    for number, values in enumerate((np.arange(5.0), np.arange(5.0)[:, np.newaxis])):
        savemat(tmp_path / f"{number}.mat", {"emg": values, "fs": 1.0}, oned_as="row")
        trace = only_trace(read(tmp_path / f"{number}.mat", polarity="inverted"))
        np.testing.assert_array_equal(trace.samples_uv, [[0, -1, -2, -3, -4]])
        assert trace.channel == "emg"


def test_three_axes_give_one_study_per_channel(tmp_path):
    block = np.arange(24.0).reshape(4, 2, 3)
    np.savez(tmp_path / "a.npz", emg=block)
    visit = read(
        tmp_path / "a.npz",
        layout={"arrays": [{"variable": "emg", "axes": ["sample", "channel", "sweep"]}]},
        studies=[
            {"select": {"channel": "emg 1"}, "nerve": "median", "recording_site": "APB"},
            {"select": {"channel": "emg 2"}, "nerve": "ulnar", "recording_site": "ADM"},
        ],
    )
    assert [study.nerve for study in visit.studies] == ["median", "ulnar"]
    for channel, study in enumerate(visit.studies):
        np.testing.assert_array_equal(study.traces[0].samples_uv, block[:, channel, :].T)


def test_a_time_array_gives_rate_and_stimulus_and_intensities_belong_to_sweeps(tmp_path):
    t = np.round(np.arange(60) / 3000 - 0.005, 6)
    np.savez(tmp_path / "a.npz", emg=np.zeros((2, 60)) + np.arange(60), t=t, i=[8.2, 8.4], t_stim=[0.0, 0.001])
    entry = {"variable": "emg", "axes": ROWS, "time_variable": "t", "time_unit": "s",
             "intensity_variable": "i", "intensity_unit": "mA"}  # fmt: skip
    sidecar = {"ncs_sidecar": 1, "unit": "uV", "polarity": "true", "sampling_rate_hz": 3000.0}
    trace = only_trace(
        ncs.read(tmp_path / "a.npz", sidecar={**sidecar, "stimulus_ms": "time_zero", "layout": {"arrays": [entry]}})
    )
    assert trace.sampling_rate_hz == 3000.0  # the exact statement goes before the rounded times that agree with it
    np.testing.assert_allclose(trace.stimulus_ms, 5.0)
    np.testing.assert_array_equal(trace.stimulus.intensity_ma, [8.2, 8.4])
    assert trace.provenance["intensity_ma"] is Origin.FILE
    assert trace.provenance["stimulus_ms"] is Origin.SIDECAR
    del sidecar["sampling_rate_hz"]
    layout = {"arrays": [{**entry, "stimulus_variable": "t_stim"}]}
    trace = only_trace(ncs.read(tmp_path / "a.npz", sidecar={**sidecar, "layout": layout}))
    assert trace.sampling_rate_hz == pytest.approx(3000, rel=1e-4)
    np.testing.assert_allclose(trace.stimulus_ms, [5.0, 6.0])
    assert trace.provenance["sampling_rate_hz"] is trace.provenance["stimulus_ms"] is Origin.FILE


def test_entries_of_studies_bring_their_arrays_together(tmp_path):
    np.savez(tmp_path / "a.npz", mw=np.ones(9), me=np.ones(9), uw=np.ones(9), ue=np.ones(9))

    def study(nerve, *names):
        traces = [{"select": {"channel": name}, "stimulation_site": site}
                  for name, site in zip(names, ("wrist", "elbow"), strict=True)]  # fmt: skip
        return {"nerve": nerve, "traces": traces}

    visit = read(tmp_path / "a.npz", studies=[study("median", "mw", "me"), study("ulnar", "uw", "ue")])
    found = [(s.nerve, [(t.channel, t.stimulation_site) for t in s.traces]) for s in visit.studies]
    assert found == [("median", [("mw", "wrist"), ("me", "elbow")]), ("ulnar", [("uw", "wrist"), ("ue", "elbow")])]


def test_real_matlab_files(recordings):
    from scipy.io import loadmat

    for path in sorted((recordings / "mep_human").glob("*.mat")):
        by_scipy = {name: v for name, v in loadmat(path).items() if not name.startswith("__")}
        listing = problems(path, BASE)[0]
        usable = [name for name, v in by_scipy.items() if v.dtype.kind in "iuf" and v.size > 1]
        for name in usable:
            axes = ROWS if by_scipy[name].ndim == 2 else None
            entry = {"variable": name, **({"axes": axes} if axes else {})}
            trace = only_trace(ncs.read(path, sidecar={**BASE, "layout": {"arrays": [entry]}}))
            np.testing.assert_array_equal(trace.samples_uv, by_scipy[name].astype(np.float32))
        assert usable
        assert all(name in listing.found for name in usable)


# What is refused, and in which words


def test_several_arrays_without_a_word_which_are_listed_with_their_shapes(tmp_path):
    from scipy.io import savemat

    arrays = {"wrist": np.zeros((40, 200)), "elbow": np.zeros((40, 200), np.int16), "fs": 20_000.0, "who": "me",
              "info": {"a": 1}, "list": np.array([1, "a"], dtype=object), "z": np.ones((2, 2)) * 1j}  # fmt: skip
    savemat(tmp_path / "a.mat", arrays)
    (problem,) = problems(tmp_path / "a.mat", BASE)
    assert "wrist (40 x 200 double), elbow (40 x 200 int16), fs (1 x 1 double), who (1 x 2 char)" in problem.found
    assert "info (1 x 1 struct)" in problem.found
    assert '"variable"' in problem.hint


def test_everything_that_is_not_stated_is_asked_for_at_once(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((3, 4)))
    found = problems(tmp_path / "a.npy")
    assert [problem.field for problem in found] == ["unit", "sampling_rate_hz", "polarity", "stimulus_ms"]
    assert '"a.ncs.json"' in found[-1].hint
    (problem,) = problems(tmp_path / "a.npy", BASE)
    assert (problem.field, problem.found) == ("layout.arrays[0].axes", "the array (3 x 4 float64)")


@pytest.mark.parametrize(
    ("value", "word"),
    [
        (np.ones((2, 3)) * 1j, "complex"),
        ({"a": np.ones(3)}, "structure"),
        (np.array([np.ones(3), "a"], dtype=object), "cell"),
        ("text", "text"),
        (np.array([[True, False]]), "truth values"),
    ],
)
def test_what_is_no_plain_array_is_named(tmp_path, value, word):
    from scipy.io import savemat

    savemat(tmp_path / "a.mat", {"emg": value})
    (problem,) = problems(tmp_path / "a.mat", {**BASE, "layout": {"arrays": [{"variable": "emg"}]}})
    assert problem.field == "emg"
    assert word in problem.found
    assert problem.place == "byte 128"


def test_sparse_matrices_are_named(tmp_path):
    from scipy.io import savemat
    from scipy.sparse import csc_array

    savemat(tmp_path / "a.mat", {"emg": csc_array(np.eye(3))})
    (problem,) = problems(tmp_path / "a.mat", {**BASE, "layout": {"arrays": [{"variable": "emg"}]}})
    assert "sparse" in problem.found


def test_pickled_objects_are_never_loaded(tmp_path):
    class Trap:
        def __reduce__(self):
            return (pytest.fail, ("a pickle was loaded",))

    np.save(tmp_path / "a.npy", np.array([Trap()], dtype=object), allow_pickle=True)
    np.savez(tmp_path / "b.npz", emg=np.array([Trap(), Trap()], dtype=object))
    for name in ("a.npy", "b.npz"):
        found = problems(tmp_path / name, {**BASE, "layout": {"arrays": [{}]}})
        assert any("pickle" in str(problem) or "object" in str(problem) for problem in found)


@pytest.mark.parametrize(
    ("entry", "field"),
    [
        ({"variable": "absent"}, "layout.arrays[0].variable"),
        ({"variable": "emg", "axes": ["sample"]}, "layout.arrays[0].axes"),
        ({"variable": "emg", "axes": ROWS, "sampling_rate_variable": "t"}, "layout.arrays[0].sampling_rate_variable"),
        ({"variable": "emg", "axes": ROWS, "sampling_rate_variable": "fs"}, "layout.arrays[0]: sampling rate"),
        ({"variable": "emg", "axes": ROWS, "time_variable": "odd", "time_unit": "s"}, "layout.arrays[0].time_variable"),
        ({"variable": "emg", "axes": ROWS, "time_variable": "i", "time_unit": "s"}, "layout.arrays[0].time_variable"),
        ({"variable": "emg", "axes": ROWS, "stimulus_variable": "t", "time_unit": "s"},
         "layout.arrays[0].stimulus_variable"),
        ({"variable": "emg", "axes": ROWS, "intensity_variable": "t", "intensity_unit": "mA"},
         "layout.arrays[0].intensity_variable"),
        ({"variable": "emg", "axes": ROWS, "stimulus_variable": "gap", "time_unit": "s"},
         "layout.arrays[0].stimulus_variable"),
    ],
)  # fmt: skip
def test_a_statement_that_does_not_fit_the_file(tmp_path, entry, field):
    np.savez(tmp_path / "a.npz", emg=np.zeros((2, 5)), t=np.arange(5) / 10_000, odd=[0, 1, 5, 6, 7], i=[1.0, 2.0],
             fs=9_000.0, gap=[0.0, np.nan])  # fmt: skip
    found = problems(tmp_path / "a.npz", {**BASE, "layout": {"arrays": [entry]}})
    assert [problem.field for problem in found] == [field]


def test_a_rate_of_the_file_that_contradicts_the_sidecar_is_a_conflict(tmp_path):
    np.savez(tmp_path / "a.npz", a=np.zeros(5), b=np.zeros(5))
    entries = [{"variable": "a", "sampling_rate_hz": 5000.0, "unit": "mV"}, {"variable": "b"}]
    found = problems(tmp_path / "a.npz", {**BASE, "layout": {"arrays": entries}}, ConflictError)
    assert [problem.field for problem in found] == ["sampling_rate_hz", "unit"]


# Damage


def npy(shape, descr="<f8", data=b"", version=1):
    text = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}".encode().ljust(117) + b"\n"
    return b"\x93NUMPY" + bytes([version, 0]) + len(text).to_bytes(2 if version == 1 else 4, "little") + text + data


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (npy("(1000000000,)"), "8000000000 bytes"),
        (npy("(3,)", data=bytes(23)), "24 bytes"),
        (npy("(3,)", "<q8", bytes(24)), "type of values"),
        (npy("('a',)"), "descr, fortran_order and shape"),
        (npy("(3,)", version=9), "version 9"),
        (npy("(3,)")[:40], "header"),
        (b"\x93NUMPY\x01\x00\xff\xff" + b"{" * 40_000, "header"),
    ],
)
def test_damaged_npy_files(tmp_path, content, word):
    (tmp_path / "a.npy").write_bytes(content)
    text = "\n".join(map(str, problems(tmp_path / "a.npy", BASE)))
    assert word in text
    assert "byte" in text


def peak_bytes(read_it):
    tracemalloc.start()
    try:
        read_it()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def bomb_npz():
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("emg.npy", npy("(20000000,)", data=bytes(160_000_000)))
    return stream.getvalue()


def bomb_mat():
    shape = np.array([1, 20_000_000], "<i4").tobytes()
    body = b"\x06\0\0\0\x08\0\0\0\x06\0\0\0\0\0\0\0" + b"\x05\0\0\0\x08\0\0\0" + shape + b"\x01\0\x03\0emg\0"
    body += b"\x09\0\0\0" + (160_000_000).to_bytes(4, "little") + bytes(160_000_000)
    packed = zlib.compress(b"\x0e\0\0\0" + len(body).to_bytes(4, "little") + body)
    return b"MATLAB 5.0".ljust(124) + b"\x00\x01IM" + b"\x0f\0\0\0" + len(packed).to_bytes(4, "little") + packed


@pytest.mark.parametrize("make", [bomb_npz, bomb_mat])
def test_an_array_that_unpacks_to_far_more_than_its_file_is_refused_before_it_is_unpacked(tmp_path, make):
    content = make()
    path = tmp_path / "bomb"
    path.write_bytes(content)
    found = []
    peak = peak_bytes(lambda: found.extend(problems(path, BASE)))
    assert "at most" in found[0].expected
    assert peak < 10 * len(content) + (16 << 20)


def test_blocks_of_version_7_3_that_unpack_to_too_much_or_lie_elsewhere(tmp_path):
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "a.mat"
    write_mat73(path, {"emg": np.zeros((1, 20_000_000))}, compression="gzip", chunks=(1_000_000, 1))
    assert "at most" in problems(path, BASE)[0].expected
    with h5py.File(path, "w", userblock_size=512) as file:
        file["soft"] = h5py.SoftLink("/elsewhere")
        file["file"] = h5py.ExternalLink("other.h5", "/x")
        (tmp_path / "raw.bin").write_bytes(bytes(80))
        node = file.create_dataset("raw", (10,), "f8", external=[(str(tmp_path / "raw.bin"), 0, 80)])
        node.attrs["MATLAB_class"] = np.bytes_("double")
        node = file.create_dataset("short", (10,), "f8", chunks=(10,), compression="gzip")
        node.id.write_direct_chunk((0,), zlib.compress(bytes(79)))
        node = file.create_dataset("long", (10,), "f8", chunks=(10,), compression="gzip")
        node.id.write_direct_chunk((0,), zlib.compress(bytes(50_000_000)))
    with path.open("r+b") as stream:
        stream.write(b"MATLAB 7.3".ljust(124) + b"\x00\x02IM")
    names = {"soft": "a link", "file": "a link", "raw": "another file", "short": "79", "long": "81"}
    for name, word in names.items():
        found = problems(path, {**BASE, "layout": {"arrays": [{"variable": name}]}})
        assert word in found[0].found, name


def test_version_4_and_other_hdf5_files_are_refused(tmp_path):
    from scipy.io import savemat

    savemat(tmp_path / "a.mat", {"emg": np.ones(4)}, format="4")
    assert "-v7" in problems(tmp_path / "a.mat", BASE)[0].hint
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["x"] = np.ones(3)
    with pytest.raises(UnknownFormatError):
        ncs.read(tmp_path / "a.h5", sidecar=BASE)


def test_the_content_decides_not_the_name(tmp_path):
    np.savez(tmp_path / "a.npz", emg=np.zeros(5))
    content = (tmp_path / "a.npz").read_bytes()
    assert choose(content[:65536], tmp_path / "a.txt").name == "numpy"
    write_mat = write(tmp_path / "b", "mat 5", {"emg": np.zeros(5)})
    assert choose(write_mat.read_bytes()[:65536], tmp_path / "b.csv").name == "matlab"
    for head in (b"", b"PK\x03\x04", b"PK\x03\x04" + bytes(40), b"\x93NUMP", bytes(600)):
        assert NUMPY.sniff(head, tmp_path / "x") == MATLAB.sniff(head, tmp_path / "x") == 0.0


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("arrays")
    arrays = {"emg": np.arange(40, dtype=np.float32).reshape(4, 10), "fs": np.float64(1000), "t": np.arange(10.0)}
    paths = [write(folder / way.replace(" ", "_"), way, arrays) for way in WAYS[:4]]
    np.save(folder / "a.npy", arrays["emg"])
    return [path.read_bytes() for path in [*paths, folder / "a.npy"]]


def read_bytes(reader, content, folder):
    layout = {"arrays": [{"variable": "emg", "axes": ROWS, "time_variable": "t", "time_unit": "ms"}]}
    if content.startswith(b"\x93"):
        layout = {"arrays": [{"axes": ROWS}]}
    sidecar = load_sidecar({**BASE, "sampling_rate_hz": 1000.0, "layout": layout})
    return reader.read(ReadRequest(path=folder / "a", content=content, sidecar=sidecar))


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_file_gives_an_error_of_ncs_and_no_other(files, tmp_path, data):
    content = bytearray(data.draw(st.sampled_from(files)))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(content)))
    damaged = bytes(content[: cut or None])
    reader = MATLAB if damaged.startswith(b"MATLAB") else NUMPY
    reader.sniff(damaged[:65536], tmp_path / "a")
    try:
        studies = read_bytes(reader, damaged, tmp_path).studies
    except NcsError:
        studies = ()
    assert all(trace.samples_uv.size < 10 * len(files[0]) for study in studies for trace in study.traces)


def test_the_example_of_the_documentation_is_read(tmp_path):
    import re
    from pathlib import Path

    text = (Path(__file__).parents[2] / "docs" / "formats" / "arrays.md").read_text(encoding="utf-8")
    sidecars = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", text, re.DOTALL)]
    assert sidecars
    shape = {"wrist": (3, 50), "elbow": (3, 50)}
    np.savez(tmp_path / "a.npz", fs=20_000.0, stim=np.full(3, 0.002), mA=np.full(3, 9.0),
             **{name: np.zeros(size) for name, size in shape.items()})  # fmt: skip
    visit = ncs.read(tmp_path / "a.npz", sidecar=sidecars[0])
    assert [trace.stimulation_site for trace in visit.studies[0].traces] == ["wrist", "elbow"]
    assert visit.studies[0].traces[0].stimulus.intensity_ma.tolist() == [9.0] * 3
