"""What holds for every reader and every recording: one function for each rule.

A new reader needs an example in ``examples.py``, and if it decodes by itself a damaged file in ``TWO_FAULTS``.
"""

import contextlib
import gc
import hashlib
import os
import pickle
import subprocess
import sys
import tracemalloc
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pytest

import ncs
from ncs.errors import FileAccessError, NcsError, NcsWarning, ReadError, UnknownFormatError
from ncs.io import HEAD_BYTES, ReadRequest, registry
from ncs.io._companions import companions
from ncs.io._units import voltage_factor
from ncs.io.edf_write import encode_edf
from ncs.model import Origin, Study, Trace, Visit
from tests.io import test_cfs, test_labchart, test_natus
from tests.io.edf_examples import Channel, motor, tal
from tests.io.examples import GENERATED, OWN, REAL, STATED, Example

BUILTIN = [row.name for row in registry._BUILTIN]


@dataclass
class Recorded:
    """An example that lies on the disk."""

    example: Example
    path: Path

    @cached_property
    def content(self):
        return self.path.read_bytes()

    @property
    def reader(self):
        return registry.named(self.example.reader).reader

    def read(self, path=None, **how):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NcsWarning)
            return ncs.read(path or self.path, sidecar=self.example.sidecar, **how)

    @cached_property
    def outcome(self):
        try:
            return self.read()
        except NcsError as error:
            return error

    @property
    def visit(self):
        if isinstance(self.outcome, NcsError):
            if self.example.is_usable:
                raise self.outcome
            pytest.skip("the reader refuses this recording")
        return self.outcome

    @property
    def traces(self):
        return [trace for study in self.visit.studies for trace in study.traces]


@pytest.fixture(scope="module", params=[*GENERATED, *REAL], ids=lambda example: example.name)
def recorded(request, tmp_path_factory):
    example = request.param
    if example.write is None:
        path = request.getfixturevalue("recordings") / example.real
    else:
        path = example.write(tmp_path_factory.mktemp("example"))
    return Recorded(example, path)


def problems_of(how):
    """Return what is wrong with a file, whether it could be used or not."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NcsWarning)
            return how().problems
    except NcsError as error:
        return error.problems


def damaged(recorded, tmp_path):
    """Yield paths of beginnings of the file, the empty one and one byte among them; generated files only."""
    size = len(recorded.content)
    for number, length in enumerate([0, 1, 2, 100, *(size * part // 9 for part in range(1, 9)), size - 1]):
        path = tmp_path / f"{number}{recorded.path.suffix}"
        path.write_bytes(recorded.content[:length])
        yield path


def chosen(head, path):
    try:
        return registry.choose(head, path).name
    except UnknownFormatError:
        return None


# -- recognising ---------------------------------------------------------------------------------------------------


def test_the_right_reader_reads_it(recorded):
    if isinstance(recorded.outcome, NcsError):
        assert not recorded.example.is_usable, recorded.outcome
        assert chosen(recorded.content[:HEAD_BYTES], recorded.path) == recorded.example.reader
    else:
        assert recorded.visit.sources[0].format == recorded.example.reader


def test_another_name_changes_no_claim(recorded):
    if getattr(recorded.reader, "refines", ()):
        pytest.skip("it goes by the files beside the recording")
    head = recorded.content[:HEAD_BYTES]
    claim = recorded.reader.sniff(head, recorded.path)
    reader = chosen(head, recorded.path)
    for name in ("recording", "a.edf", "b.TXT", "c.csv", "d.cfs", "e.bin", "f.MEM", "g.npz", "h.tar.gz", "ö ü.dat"):
        assert recorded.reader.sniff(head, Path(name)) == claim, name
        assert chosen(head, Path(name)) == reader, name


def test_sniffing_never_raises_and_opens_nothing(recorded, monkeypatch):
    def refuse(*args, **more):
        raise AssertionError("a sniffer has the head of the file, and nothing to open")

    for entry in registry.readers():
        for length in (0, 1, 2, 3, 7, 60, 127, 131, 255, 256, 1000, 4095, HEAD_BYTES):
            head = recorded.content[: min(length, HEAD_BYTES)]
            with monkeypatch.context() as patch:
                patch.setattr("builtins.open", refuse)
                patch.setattr(os, "open", refuse)
                claim = entry.reader.sniff(head, Path("nowhere") / recorded.path.name)
            assert 0.0 <= claim <= 1.0, entry.name


def test_a_reader_that_is_not_imported_for_a_content_would_not_have_claimed_it(recorded):
    rng = np.random.default_rng(len(recorded.content))
    heads = [recorded.content[:length] for length in (0, 1, 5, 300, HEAD_BYTES)]
    for _ in range(20):
        changed = bytearray(recorded.content[:600])
        changed[rng.integers(len(changed))] = rng.integers(256)
        heads.append(bytes(changed))
    for row in registry._BUILTIN:
        reader = registry.named(row.name).reader
        for head in heads:
            for path in (Path("x"), Path("x.mat")):
                claim = reader.sniff(head, path)
                assert claim == 0.0 or row.may_claim(head, path), row.name
                assert claim <= row.most, row.name


# -- what comes out ------------------------------------------------------------------------------------------------


def test_every_trace_has_a_unit_of_voltage_and_a_rate(recorded):
    for trace in recorded.traces:
        assert voltage_factor(trace.calibration.unit) is not None
        assert np.isfinite(trace.sampling_rate_hz)
        assert trace.sampling_rate_hz > 0
        for name in ("samples_uv", "sampling_rate_hz", "calibration"):
            assert trace.provenance[name] is not Origin.UNSET, name


def test_arrays_are_read_only_and_lie_in_order(recorded):
    for trace in recorded.traces:
        samples = trace.samples_uv
        assert (samples.dtype, samples.ndim) == (np.float32, 2)
        assert samples.flags.c_contiguous
        assert not samples.flags.writeable
        for values in (trace.stimulus_ms, trace.stimulus.intensity_ma, trace.stimulus.intensity_v):
            assert values is None or (values.shape == (len(samples),) and not values.flags.writeable)


_FILLED = {
    Visit: ("date",),
    Study: ("nerve", "side", "technique", "recording_site", "skin_temperature_c", "temperature_site"),
    Trace: ("stimulus_ms", "stimulation_site", "distance_mm", "averaged_count"),
}


def test_every_value_says_where_it_is_from_and_what_is_absent_says_nothing(recorded):
    nouns = [recorded.visit, *recorded.visit.studies, *recorded.traces]
    for noun in nouns:
        for name in _FILLED[type(noun)]:
            origin = noun.provenance[name]
            assert (getattr(noun, name) is None) == (origin is Origin.UNSET), (name, origin)
    for trace in recorded.traces:
        for name in ("intensity_ma", "intensity_v"):
            assert (getattr(trace.stimulus, name) is None) == (trace.provenance[name] is Origin.UNSET), name
    assert (recorded.visit.subject.id is None) == (recorded.visit.provenance["subject"] is Origin.UNSET)


def test_a_reader_states_only_what_its_format_carries(recorded):
    carries = recorded.reader.carries
    for key, name in (("site", "stimulation_site"), ("distance", "distance_mm"), ("stimulus time", "stimulus_ms")):
        stated = [trace.provenance[name] for trace in recorded.traces]
        assert Origin.FILE not in stated or carries[key] != "no", key
    assert bool(recorded.traces) or carries["waveforms"] != "yes"


def words(visit):
    """Every text of a visit."""
    found = [visit.subject, visit.date, visit.covariates, visit.problems]
    for noun in (*visit.studies, *(trace for study in visit.studies for trace in study.traces)):
        found += [getattr(noun, field.name) for field in fields(noun) if field.name not in {"samples_uv", "traces"}]
    return repr(found)


def test_nothing_personal_comes_out_unasked(recorded):
    shown = words(recorded.visit)
    for text in recorded.example.personal:
        assert text not in shown
    assert recorded.visit.subject.name is recorded.visit.subject.birth_date is None


def test_what_is_personal_comes_out_on_request(recorded):
    if not recorded.example.personal or recorded.example.reader == "edf":
        pytest.skip("nothing personal in it, or tested with the specification's examples")
    visit = recorded.read(keep_identifiers=True)
    shown = words(visit)
    assert any(text in shown for text in recorded.example.personal)


def test_the_source_is_known_by_its_content(recorded):
    (source,) = recorded.visit.sources
    assert source.name == recorded.path.name
    if not companions(recorded.path, recorded.content[:HEAD_BYTES]):  # else it is the hash of all files together
        assert source.sha256 == hashlib.sha256(recorded.content).hexdigest()
        assert source.size_bytes == len(recorded.content)


def test_every_warning_stands_in_the_visit(recorded):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with contextlib.suppress(NcsError):
            ncs.read(recorded.path, sidecar=recorded.example.sidecar)
    assert {warning.category for warning in caught} <= {NcsWarning}
    assert not recorded.example.is_usable or [str(w.message) for w in caught] == list(map(str, recorded.visit.problems))


def test_an_experimental_reader_says_so_once(recorded):
    said = [problem for problem in recorded.visit.problems if "experimental" in problem.found]
    assert len(said) == recorded.reader.experimental


def plain(value):
    """A value without objects whose text depends on settings of the process."""
    if isinstance(value, np.ndarray):
        return value.shape, value.dtype.str, value.tobytes()
    if is_dataclass(value):
        return [plain(getattr(value, field.name)) for field in fields(value)]
    if isinstance(value, Mapping):
        return sorted((key, plain(inner)) for key, inner in value.items())
    return [plain(inner) for inner in value] if isinstance(value, tuple) else str(value)


def signature(visit):
    """What a visit holds, whatever the folder, as text that two processes can compare."""
    problems = tuple(replace(problem, file="") for problem in visit.problems)
    return hashlib.sha256(repr(plain(replace(visit, problems=problems))).encode()).hexdigest()


def test_reading_twice_gives_the_same(recorded):
    assert signature(recorded.visit) == signature(recorded.read())


def test_a_visit_travels_between_processes(recorded):
    assert signature(pickle.loads(pickle.dumps(recorded.visit))) == signature(recorded.visit)


def test_what_ncs_writes_it_reads_back_to_the_last_bit(recorded):
    for study in recorded.visit.studies:
        if not study.traces or not all(np.isfinite(trace.samples_uv).all() for trace in study.traces):
            continue
        alike = {(trace.sampling_rate_hz, trace.n_samples) for trace in study.traces}
        if len(alike) > 1 or min(alike)[1] > 60_000:
            continue  # one EDF file holds one rate and sweeps of one length
        content = encode_edf(study, subject=recorded.visit.subject, date=recorded.visit.date)
        header_min, header_max = (float(content[256 + at : 256 + at + 8]) for at in (208, 224))
        unit = content[256 + 192 : 256 + 200].strip().decode()
        lsb_uv = abs(header_max - header_min) / 65534 * voltage_factor(unit)
        request = ReadRequest(path=Path("again.edf"), content=content)
        (again,) = registry.named("edf").reader.read(request).studies
        for ours, theirs in zip(study.traces, again.traces, strict=True):
            was_digital = recorded.example.reader == "edf" and ours.calibration.digital_max is not None
            np.testing.assert_allclose(
                theirs.samples_uv, ours.samples_uv, rtol=0 if was_digital else 1e-6, atol=0 if was_digital else lsb_uv
            )


# -- how it is read ------------------------------------------------------------------------------------------------


def descriptors():
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="open descriptors can be counted on Linux only")
def test_no_file_stays_open(recorded, tmp_path):
    assert recorded.outcome is not None  # whatever a library opens once and for all is open now
    broken = list(damaged(recorded, tmp_path))[3::3] if recorded.example.write else []
    gc.collect()
    before = descriptors()
    for path in (recorded.path, *broken):
        with contextlib.suppress(NcsError):
            recorded.read(path, format=recorded.example.reader)
    assert descriptors() == before


_FORBIDDEN = (
    "socket.connect",
    "socket.getaddrinfo",
    "subprocess.Popen",
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "os.fork",
)
_watching: list[list[str]] = []


def _listen(event, args):
    if _watching and (event in _FORBIDDEN or (event == "open" and args[1] not in {None, "r", "rb"} and args[0])):
        _watching[-1].append(f"{event} {args[:2]}")


sys.addaudithook(_listen)


def test_reading_uses_no_network_and_no_other_program_and_writes_nothing(recorded):
    before = sorted(recorded.path.parent.iterdir())
    _watching.append([])
    try:
        with contextlib.suppress(NcsError):
            recorded.read()
    finally:
        seen = _watching.pop()
    assert [event for event in seen if not event.startswith("open")] == []
    assert [event for event in seen if event.startswith("open") and str(recorded.path.parent) in event] == []
    assert sorted(recorded.path.parent.iterdir()) == before
    assert recorded.path.read_bytes() == recorded.content


def test_spaces_and_letters_of_any_alphabet_in_the_path(recorded, tmp_path):
    folder = tmp_path / "Ärztin & Søn" / "нерв 神経"
    folder.mkdir(parents=True)
    if recorded.example.write is not None:
        path = recorded.example.write(folder)
    else:
        path = folder / f"ein Néme{recorded.path.suffix}"
        path.symlink_to(recorded.path)
    if not recorded.example.is_usable:
        assert {problem.file for problem in problems_of(lambda: recorded.read(path))} == {str(path)}
        return
    found = [trace.samples_uv.shape for study in recorded.read(path).studies for trace in study.traces]
    assert found == [trace.samples_uv.shape for trace in recorded.traces]


def test_memory_stays_within_ten_times_the_file(recorded):
    if recorded.example.reader not in OWN:
        pytest.skip("what a library allocates is its own affair")
    assert recorded.outcome is not None
    tracemalloc.start()
    with contextlib.suppress(NcsError):
        recorded.read()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10 * len(recorded.content) + (16 << 20)


# -- damage --------------------------------------------------------------------------------------------------------


def test_a_file_that_ends_too_early_gives_a_visit_or_an_error_that_names_everything(recorded, tmp_path):
    if recorded.example.write is None:
        pytest.skip("real recordings are not copied")
    for path in damaged(recorded, tmp_path):
        for how in ({"format": recorded.example.reader}, {}):
            problems = problems_of(lambda path=path, how=how: recorded.read(path, **how))
            assert problems or path.stat().st_size > 1
            for problem in problems:
                assert problem.file == str(path)
                assert problem.expected
                assert problem.found


@pytest.mark.parametrize("reader", BUILTIN)
@pytest.mark.parametrize("content", [b"", b"0", b"\0", b"\xff", b"\n", b" " * 300, bytes(5000), b"\xff\xfe"])
def test_nothing_is_no_recording(tmp_path, reader, content):
    path = tmp_path / "a.bin"
    path.write_bytes(content)
    with pytest.raises(ReadError) as caught:
        ncs.read(path, format=reader)
    assert {problem.file for problem in caught.value.problems} == {str(path)}
    with pytest.raises(ReadError):
        ncs.read(path)


def _two_faults():
    numpy_file = test_cfs.one_channel()
    section = test_natus.section
    return {
        "edf": (motor([tal("+0", "", "StimA")], duration="0,05", channel=Channel(digital=("5", "5"))), STATED),
        "text": (b"1;2\n5;x\n3;6;7\n4;5\n", {**STATED, "stimulus_ms": 1.0, "unit": "uV", "sampling_rate_hz": 1e4}),
        "natus": (
            section("Averaged Data(mV)<11>=1,00,2,00", rate="Subsampled(kHz)=fast").encode(),
            {**STATED, "stimulus_ms": 0.0},
        ),
        "labchart": (test_labchart.block([1, 2, 3]).replace("\t2", "\tx").replace("\t3", "\ty").encode(), STATED),
        "cfs": (numpy_file[:44] + b"\xff\xff\xff\xff" + numpy_file[48:], STATED),
        "qtrac": (
            b" S/R sites:\tUlnar\n DERIVED EXCITABILITY VARIABLES\n 3.\t0.2x7\tTau (ms)\n 4.\t4\tA\n 5.\t1..2\tB\n",
            {"ncs_sidecar": 1, "date": "2017-08-21"},
        ),
    }  # fmt: skip


@pytest.mark.parametrize("reader", [name for name in OWN if name not in {"numpy", "matlab"}])
def test_all_faults_come_at_once(tmp_path, reader):
    content, sidecar = _two_faults()[reader]
    path = tmp_path / "two.bin"
    path.write_bytes(content)
    problems = problems_of(lambda: ncs.read(path, format=reader, sidecar=sidecar))
    assert len({(problem.place, problem.field) for problem in problems}) >= 2, problems
    assert sum(bool(problem.place) for problem in problems) >= 2


@pytest.mark.parametrize("way", ["npz", "mat"])
def test_all_faults_of_arrays_come_at_once(tmp_path, way):
    arrays = {"emg": np.zeros((2, 50)), "fs": np.ones(3), "stim": np.zeros((2, 2))}
    path = tmp_path / f"a.{way}"
    if way == "npz":
        np.savez(path, **arrays)
    else:
        from scipy.io import savemat

        savemat(path, arrays)
    entry = {
        "variable": "emg",
        "axes": ["sweep", "sample"],
        "sampling_rate_variable": "fs",
        "stimulus_variable": "stim",
        "time_unit": "s",
    }
    with pytest.raises(ReadError) as caught:
        ncs.read(path, sidecar={**STATED, "unit": "uV", "layout": {"arrays": [entry]}})
    assert len(caught.value.problems) >= 2, caught.value.problems


def test_a_file_that_is_not_there_or_is_a_folder(tmp_path):
    for path in (tmp_path / "none.edf", tmp_path):
        with pytest.raises(FileAccessError) as caught:
            ncs.read(path)
        assert str(path) in str(caught.value)


# -- the modules ---------------------------------------------------------------------------------------------------


def test_reader_modules_import_the_standard_library_and_numpy_only():
    homes = [row.home.partition(":")[0] for row in registry._BUILTIN]
    code = (
        f"import importlib, sys, numpy; before = set(sys.modules); [importlib.import_module(home) for home in {homes}];"
        "tops = {name.partition('.')[0] for name in set(sys.modules) - before};"
        "print(sorted(top for top in tops if top not in sys.stdlib_module_names and top not in {'numpy', 'ncs'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_recording_of_one_format_imports_the_reader_of_that_format_only(tmp_path):
    path = tmp_path / "a.edf"
    path.write_bytes(motor([tal("+0", "", "StimA")]))
    homes = [row.home.partition(":")[0] for row in registry._BUILTIN]
    code = (
        "import sys; from pathlib import Path; from ncs.io.registry import choose;"
        f"path = Path({str(path)!r}); choose(path.read_bytes(), path);"
        f"print(sorted(name for name in {homes} if name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['ncs.io.edf']"


@pytest.mark.parametrize("row", registry._BUILTIN, ids=BUILTIN)
def test_a_reader_describes_itself(row):
    reader = registry.named(row.name).reader
    assert reader.name == row.name
    assert reader.description
    assert isinstance(reader, ncs.io.Reader)
    keys = {"waveforms", "site", "distance", "intensity", "units", "filters", "stimulus time", "temperature"}
    assert set(reader.carries) == keys
    assert all(text == text.strip() and text for text in reader.carries.values())
    assert all(ending == ending.lower() and ending.startswith(".") for ending in reader.extensions)
    assert any(example.reader == row.name for example in (*GENERATED, *REAL)), "every reader has an example"


_ELSEWHERE = """
import locale, sys, warnings
import ncs
from tests.io.examples import GENERATED
from tests.io.test_compliance import signature
for name in ("de_DE.UTF-8", "fr_FR.UTF-8", "de_DE", ""):
    try:
        locale.setlocale(locale.LC_ALL, name)
        break
    except locale.Error:
        continue
warnings.simplefilter("ignore")
for path, example in zip(sys.argv[1:], GENERATED, strict=True):
    print(signature(ncs.read(path, sidecar=example.sidecar)))
"""


def test_locale_and_time_zone_change_nothing(tmp_path):
    paths = []
    for at, example in enumerate(GENERATED):
        (tmp_path / str(at)).mkdir()
        paths.append(example.write(tmp_path / str(at)))
    here = [signature(Recorded(example, path).read()) for example, path in zip(GENERATED, paths, strict=True)]
    environment = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "TZ": "Pacific/Apia"}
    command = [sys.executable, "-c", _ELSEWHERE, *map(str, paths)]
    done = subprocess.run(
        command, capture_output=True, text=True, env=environment, cwd=Path(__file__).parents[2], check=False
    )
    assert done.returncode == 0, done.stderr
    there = done.stdout.split()
    assert [e.name for e, ours, theirs in zip(GENERATED, here, there, strict=True) if ours != theirs] == []
