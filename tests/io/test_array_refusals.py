"""MATLAB and NumPy files that hold what cannot be samples, more than may be read, or damage: each is named."""

import io
import struct
import sys
import zipfile
import zlib

import numpy as np
import pytest

import ncs
from ncs.errors import MissingDependencyError
from ncs.io import _arrays, _mat5, _mat73, numpy_files
from tests.io.test_arrays import BASE, ROWS, npy, only_trace, problems, read

LAYOUT = {"layout": {"arrays": [{"variable": "emg"}]}}
MAT73_HEAD = b"MATLAB 7.3".ljust(124) + b"\x00\x02IM"


def said(path, **sidecar):
    """Everything that is wrong with a file, in words."""
    return "\n".join(map(str, problems(path, {**BASE, **sidecar})))


# Version 7.3 (HDF5)


def mat73(path, fill):
    """Write a version 7.3 file whose content ``fill`` makes."""
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w", userblock_size=512) as file:
        fill(h5py, file)
    with path.open("r+b") as stream:
        stream.write(MAT73_HEAD)
    return path


def dataset(values, matlab_class="double", **attributes):
    def fill(h5py, file):
        del h5py
        node = file.create_dataset("emg", data=values)
        if matlab_class:
            node.attrs["MATLAB_class"] = np.bytes_(matlab_class)
        for name, value in attributes.items():
            node.attrs[name] = value

    return fill


def group(**attributes):
    def fill(h5py, file):
        del h5py
        file.create_group("emg").attrs.update(attributes)

    return fill


@pytest.mark.parametrize(
    ("fill", "words"),
    [
        (group(MATLAB_class=np.bytes_("struct")), "a structure"),
        (group(MATLAB_sparse=np.uint64(3)), "a sparse matrix"),
        (dataset(np.zeros(3, [("real", "f8"), ("imag", "f8")])), "complex numbers"),
        (dataset(np.zeros(3, [("t", "f8"), ("y", "f8")])), "records"),
        (dataset(np.zeros((2, 1), "u8"), "cell"), "a cell array"),
        (dataset(np.zeros((4, 1), "u2"), "char"), "text"),
        (dataset(np.ones((4, 1), "u1"), "logical"), "truth values"),
        (dataset(np.zeros((1, 6), "u4"), "timeseries"), "an object (timeseries)"),
        (dataset([b"ab", b"cd"], ""), "values that are no numbers"),
        (dataset(np.zeros(2, "u8"), MATLAB_empty=1), "emg (0 x 0 double), which is empty"),
    ],
)
def test_what_is_no_plain_array_of_version_7_3_is_named(tmp_path, fill, words):
    (problem,) = problems(mat73(tmp_path / "a.mat", fill), {**BASE, **LAYOUT})
    assert problem.field == "emg"
    assert words in problem.found


def test_what_matlab_keeps_for_itself_is_not_listed(tmp_path):
    def fill(h5py, file):
        file.create_group("#refs#")
        dataset(np.arange(4.0))(h5py, file)

    trace = only_trace(read(mat73(tmp_path / "a.mat", fill)))
    assert trace.channel == "emg"
    np.testing.assert_array_equal(trace.samples_uv, [[0, 1, 2, 3]])


def test_a_name_that_is_no_text_is_a_fault(tmp_path):
    def fill(h5py, file):
        space = h5py.h5s.create_simple((3,))
        h5py.h5d.create(file.id, b"\xff\xfe", h5py.h5t.IEEE_F64LE, space)

    (problem,) = problems(mat73(tmp_path / "a.mat", fill), BASE)
    assert (problem.field, problem.expected) == ("name of an array", "UTF-8 text")
    assert r"\xff\xfe" in problem.found


def test_an_array_whose_head_is_overwritten_is_named_and_the_others_are_not(tmp_path):
    places = []

    def fill(h5py, file):
        dataset(np.arange(4.0))(h5py, file)
        file["other"] = np.arange(4.0)
        places.append(h5py.h5o.get_info(file["emg"].id).addr)

    path = mat73(tmp_path / "a.mat", fill)
    content = bytearray(path.read_bytes())
    content[512 + places[0] : 512 + places[0] + 64] = bytes(64)
    path.write_bytes(content)
    (problem,) = problems(path, BASE)
    assert problem.field == "emg"
    assert "damaged" in problem.hint


def test_more_arrays_than_a_file_may_have_are_refused(tmp_path, monkeypatch):
    def fill(h5py, file):
        del h5py
        file["a"], file["b"] = np.arange(3.0), np.arange(3.0)

    path = mat73(tmp_path / "a.mat", fill)
    monkeypatch.setattr(_mat73, "_MOST_ARRAYS", 1)
    (problem,) = problems(path, BASE)
    assert (problem.expected, problem.found) == ("at most 1", "2")


def unwritten(shape, **how):
    def fill(h5py, file):
        del h5py
        file.create_dataset("emg", shape, "f8", **how)

    return fill


def nowhere(h5py, file):
    h5py.h5d.create(file.id, b"emg", h5py.h5t.IEEE_F64LE, h5py.h5s.create_simple((10,)))


def one_block_of_two(h5py, file):
    del h5py
    node = file.create_dataset("emg", (20,), "f8", chunks=(10,), compression="gzip")
    node.id.write_direct_chunk((0,), zlib.compress(bytes(80)))


def no_zlib(h5py, file):
    del h5py
    node = file.create_dataset("emg", (10,), "f8", chunks=(10,), compression="gzip")
    node.id.write_direct_chunk((0,), b"no zlib at all")


@pytest.mark.parametrize(
    ("fill", "expected", "found"),
    [
        (unwritten((3_000_000,)), "at most 16", "24000000, unpacked"),
        (nowhere, "80 bytes within the file", "not stored"),
        (unwritten((10,), maxshape=(None,), chunks=(3_000_000,)), "blocks of ordinary size", "of 24000000 bytes"),
        (one_block_of_two, "2 blocks", "1"),
        (no_zlib, "values that can be read", "incorrect header"),
    ],
)
def test_values_that_are_not_in_the_file(tmp_path, fill, expected, found):
    (problem,) = problems(mat73(tmp_path / "a.mat", fill), BASE)
    assert problem.field == "emg"
    assert expected in problem.expected
    assert found in problem.found


def test_a_block_that_was_stored_without_its_filter_is_read_as_it_is(tmp_path):
    values = np.arange(10.0)

    def fill(h5py, file):
        del h5py
        node = file.create_dataset("emg", (20,), "f8", chunks=(10,), compression="gzip")
        node.id.write_direct_chunk((0,), zlib.compress(values.tobytes()))
        node.id.write_direct_chunk((10,), (-values).tobytes(), filter_mask=1)

    trace = only_trace(read(mat73(tmp_path / "a.mat", fill)))
    np.testing.assert_array_equal(trace.samples_uv, [[*values, *-values]])


def test_without_h5py_the_message_says_what_to_install(tmp_path, monkeypatch):
    path = mat73(tmp_path / "a.mat", dataset(np.arange(4.0)))
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(MissingDependencyError, match=r"7\.3 need h5py: pip install .*, or save with -v7"):
        ncs.read(path, sidecar=BASE)


# Version 5


def element(kind, data):
    return struct.pack("<II", kind, len(data)) + data + bytes(-len(data) % 8)


def mat5(*elements):
    return b"MATLAB 5.0".ljust(124) + b"\x00\x01IM" + b"".join(elements)


def matrix(name="emg", *, values=None, array_class=6, shape=(1, 3)):
    flags = element(6, struct.pack("<II", array_class, 0))
    dimensions = b"" if array_class == 17 else element(5, struct.pack(f"<{len(shape)}i", *shape))
    data = element(9, np.arange(3.0).tobytes()) if values is None else values
    return element(14, flags + dimensions + element(1, name.encode()) + data)


def packed(content):
    data = zlib.compress(content)
    return struct.pack("<II", 15, len(data)) + data


@pytest.mark.parametrize("wrap", [bytes, packed])
def test_what_these_helpers_write_is_read(tmp_path, wrap):
    (tmp_path / "a.mat").write_bytes(mat5(wrap(matrix())))
    np.testing.assert_array_equal(only_trace(read(tmp_path / "a.mat")).samples_uv, [[0, 1, 2]])


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (mat5(matrix(), matrix()), "expected each array once, found 'emg' twice"),
        (mat5(packed(b"abc")), "expected an array, found 3 unpacked bytes"),
        (mat5(matrix(values=element(16, b"abc"))), "expected numbers, found an element of type 16"),
        (mat5(matrix(array_class=17)), "expected real numbers, found an object"),
    ],
)
def test_damaged_files_of_version_5(tmp_path, content, words):
    (tmp_path / "a.mat").write_bytes(content)
    assert words in said(tmp_path / "a.mat", **LAYOUT)


def test_an_array_that_unpacks_to_more_than_is_allowed_is_refused_by_its_tag(tmp_path):
    """Its values would fit as samples; unpacked with what lies beside them they do not."""
    large = matrix(shape=(1, 3_000_000), values=element(9, bytes(24_000_000)))
    (tmp_path / "a.mat").write_bytes(mat5(packed(large)))
    text = said(tmp_path / "a.mat")
    assert "expected at most 1" in text
    assert "unpacked" in text


def test_more_arrays_of_version_5_than_a_file_may_have(tmp_path, monkeypatch):
    (tmp_path / "a.mat").write_bytes(mat5(matrix("a"), matrix("b")))
    monkeypatch.setattr(_mat5, "_MOST_ARRAYS", 1)
    assert "arrays: expected at most 1, found more" in said(tmp_path / "a.mat")


# NumPy


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (npy(f"({'9' * 19},)"), "expected a shape"),
        (npy("(-3,)"), "expected a header with descr, fortran_order and shape"),
        (npy(f"({'1, ' * 34})"), "expected a shape"),
    ],
)
def test_shapes_that_no_array_has(tmp_path, content, words):
    (tmp_path / "a.npy").write_bytes(content)
    assert words in said(tmp_path / "a.npy")


def test_records_are_named(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros(3, [("t", "f8"), ("y", "f8")]))
    (problem,) = problems(tmp_path / "a.npy", BASE)
    assert "the array (3 records)" in problem.found


def archive(*members, method=zipfile.ZIP_STORED):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as file:
        for name, content in members:
            file.writestr(name, content)
    return stream.getvalue()


ONE = npy("(3,)", data=np.arange(3.0).tobytes())


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: archive(("emg.npy", ONE), ("emg.npy", ONE)), "expected each array once, found 'emg' twice"),
        (lambda: archive(("emg.npy", ONE), method=zipfile.ZIP_LZMA), "found compression method 14"),
        (lambda: archive(("emg.npy", npy("(3000000,)", data=bytes(24_000_000))), method=zipfile.ZIP_DEFLATED),
         "24000128, unpacked"),
    ],
)  # fmt: skip
def test_archives_that_cannot_be_read(tmp_path, make, words):
    (tmp_path / "a.npz").write_bytes(make())
    assert words in said(tmp_path / "a.npz")


def test_a_member_that_holds_less_than_it_says_is_damaged(tmp_path):
    """The list of members gives the size of the whole, and the check sum of what is left of it."""
    whole = npy("(5,)", data=np.arange(5.0).tobytes())
    content = bytearray(archive(("emg.npy", whole)))
    at = content.index(b"PK\x01\x02")
    content[at + 16 : at + 24] = struct.pack("<II", zlib.crc32(whole[:-16]), len(whole) - 16)
    (tmp_path / "a.npz").write_bytes(content)
    (problem,) = problems(tmp_path / "a.npz", BASE)
    assert (problem.expected, problem.found) == (f"{len(whole)} bytes", f"{len(whole) - 16}")


def test_more_arrays_than_an_archive_may_have(tmp_path, monkeypatch):
    (tmp_path / "a.npz").write_bytes(archive(("a.npy", ONE), ("b.npy", ONE)))
    monkeypatch.setattr(numpy_files, "_MOST_ARRAYS", 1)
    assert "expected at most 1 arrays, found" in said(tmp_path / "a.npz")


# What the sidecar says of them


def test_an_array_without_values_and_one_named_twice(tmp_path):
    np.savez(tmp_path / "a.npz", emg=np.zeros(4), none=np.zeros((0, 4)))
    entries = [{"variable": "emg"}, {"variable": "emg"}, {"variable": "none"}]
    found = {
        problem.field: problem.found
        for problem in problems(tmp_path / "a.npz", {**BASE, "layout": {"arrays": entries}})
    }
    assert found == {"none": "none (0 x 4 float64), which is empty", "layout.arrays": "'emg' twice"}


def test_more_channels_than_a_study_may_have(tmp_path, monkeypatch):
    np.savez(tmp_path / "a.npz", emg=np.zeros((3, 4)))
    monkeypatch.setattr(_arrays, "_MOST_TRACES", 2)
    text = said(tmp_path / "a.npz", layout={"arrays": [{"variable": "emg", "axes": ["channel", "sample"]}]})
    assert "expected at most 2 channels, found 3" in text


def test_time_zero_needs_an_axis_of_time(tmp_path):
    np.savez(tmp_path / "a.npz", emg=np.zeros((2, 4)))
    (problem,) = problems(
        tmp_path / "a.npz",
        {**BASE, "stimulus_ms": "time_zero", "layout": {"arrays": [{"variable": "emg", "axes": ROWS}]}},
    )
    assert (problem.field, problem.found) == ("stimulus_ms", "none")
    assert "`time_variable` in layout.arrays[0]" in problem.expected


def test_stimulators_of_constant_voltage(tmp_path):
    np.savez(tmp_path / "a.npz", emg=np.zeros((2, 4)), level=[150_000.0, 200_000.0])
    entry = {"variable": "emg", "axes": ROWS, "intensity_variable": "level", "intensity_unit": "mV"}
    stimulus = only_trace(read(tmp_path / "a.npz", layout={"arrays": [entry]})).stimulus
    np.testing.assert_allclose(stimulus.intensity_v, [150.0, 200.0])
    assert stimulus.intensity_ma is None


def test_voltages_that_no_float_holds_are_no_samples(tmp_path):
    np.save(tmp_path / "a.npy", np.array([1.0, 1e300]))
    assert "expected voltages of ordinary size" in said(tmp_path / "a.npy", unit="V")
