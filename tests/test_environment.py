"""Machines as they are: damaged caches, folders that cannot be written, other locales, odd paths, full disks."""

import datetime as dt
import importlib.util
import json
import os
import re
import resource
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import numba
import numpy as np
import pytest

from ncs import detect, simulate
from ncs.detect import _compiled
from ncs.detect import _kernels as k
from ncs.errors import NcsWarning
from ncs.io import read
from ncs.io.edf_write import write_edf
from tests import everywhere
from tests.everywhere import typed

ROOT = Path(__file__).resolve().parents[1]
JITTED = not numba.config.DISABLE_JIT
needs_jit = pytest.mark.skipif(not JITTED, reason="without the JIT nothing is compiled, and nothing kept")


# The modes of the kernels


@pytest.mark.skipif(JITTED and not numba.config.BOUNDSCHECK, reason="neither NUMBA_BOUNDSCHECK nor NUMBA_DISABLE_JIT")
def test_a_read_beyond_the_end_is_an_error_in_the_modes_that_check_it():
    with pytest.raises(IndexError):
        k.solve(np.eye(2), np.ones(2), 3)


@pytest.mark.parametrize("exponent", [-300, -200, -155, 0, 100, 155, 200])
@pytest.mark.parametrize("response", ["cmap", "snap"])
def test_sweeps_of_any_size_are_marked_without_a_warning(exponent, response):
    """Without the JIT, numpy warned of the overflows that the compiled kernels count on."""
    sweeps = simulate.cmap(3, seed=1)
    samples = sweeps.samples_uv.astype(np.float64) * 10.0**exponent
    marks = detect.mark(samples, sweeps.sampling_rate_hz, stimulus_ms=sweeps.stimulus_ms, response=response)
    assert marks.outcome.shape == (3,)


# numba's cache

KERNEL = """
from ncs.detect._compiled import kernel

@kernel
def third(y):
    return y[2]
"""


@pytest.fixture
def third(tmp_path, monkeypatch):
    """Import a module with one kernel, as a new process would; what is compiled goes to ``tmp_path / "cache"``."""
    monkeypatch.setattr(numba.core.config, "CACHE_DIR", str(tmp_path / "cache"))
    path = tmp_path / "one_kernel.py"
    path.write_text(KERNEL)

    def anew():
        spec = importlib.util.spec_from_file_location("one_kernel", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module.third

    return anew


def counted(function, y):
    """Value, and how often it was loaded and compiled."""
    value = function(y)
    return value, sum(function.stats.cache_hits.values()), sum(function.stats.cache_misses.values())


def cached(folder, ending):
    (path,) = folder.rglob(f"*{ending}")
    return path


def cut_short(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def emptied(path):
    path.write_bytes(b"")


def overwritten(path):
    """Zeros in its middle: what a power cut leaves of a file whose length was written first."""
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 100] = bytes(100)
    path.write_bytes(content)


def removed(path):
    path.unlink()


Y = np.arange(4.0)


@needs_jit
@pytest.mark.parametrize("ending", [".nbi", ".nbc"])
@pytest.mark.parametrize("damage", [cut_short, emptied, overwritten, removed])
def test_a_damaged_cache_is_compiled_anew_and_mended(third, tmp_path, damage, ending):
    assert counted(third(), Y) == (2.0, 0, 1)
    assert counted(third(), Y) == (2.0, 1, 0)
    damage(cached(tmp_path / "cache", ending))
    assert counted(third(), Y) == (2.0, 0, 1)
    assert counted(third(), Y) == (2.0, 1, 0)


@needs_jit
def test_code_for_other_arguments_is_not_taken_for_what_was_asked(third, tmp_path):
    """Two processes that compile at a time can leave an index of one with the code of the other."""
    assert counted(third(), Y)[0] == 2.0
    code = cached(tmp_path / "cache", ".nbc").read_bytes()
    shutil.rmtree(tmp_path / "cache")
    assert counted(third(), Y.astype(np.int32))[0] == 2
    cached(tmp_path / "cache", ".nbc").write_bytes(code)
    assert counted(third(), Y.astype(np.int32)) == (2, 0, 1)


@needs_jit
def test_code_without_bounds_is_not_taken_where_bounds_are_to_be_checked(third, tmp_path, monkeypatch):
    monkeypatch.setattr(numba.core.config, "BOUNDSCHECK", None)
    assert counted(third(), Y) == (2.0, 0, 1)
    monkeypatch.setattr(numba.core.config, "BOUNDSCHECK", 1)
    with pytest.raises(IndexError):
        third()(Y[:1])
    assert len(list((tmp_path / "cache").rglob("*.nbi"))) == 2


@needs_jit
def test_a_disk_that_fills_up_costs_the_cache_and_not_the_result(third, small_disk, monkeypatch):
    folder = small_disk("64k")
    monkeypatch.setattr(numba.core.config, "CACHE_DIR", str(folder / "cache"))
    function = third()
    fill(folder)
    assert counted(function, Y) == (2.0, 0, 1)
    assert not list(folder.rglob("*.nbc"))


@needs_jit
def test_without_a_folder_that_can_be_written_kernels_are_compiled_and_a_warning_says_what_to_do(
    third, tmp_path, monkeypatch
):
    """Root may write anywhere but into a file: one stands in the place of every folder that numba would take."""
    for name in ("blocked", "__pycache__"):
        (tmp_path / name).touch()
    monkeypatch.setattr(numba.core.config, "CACHE_DIR", str(tmp_path / "blocked" / "cache"))
    for name in ("HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "blocked"))
    monkeypatch.setattr(_compiled, "_warned", [])
    with pytest.warns(NcsWarning, match="set NUMBA_CACHE_DIR to a folder that can be written"):
        function = third()
    assert function(Y) == 2.0
    assert third()(Y) == 2.0  # said once


@needs_jit
def test_the_kernels_of_ncs_are_kept_in_that_cache():
    assert type(k.mark_sweeps._cache) is type(k.box_mean._cache) is _compiled._Cache
    assert Path(k.mark_sweeps.stats.cache_path).is_dir()


def test_a_warning_of_ours_is_a_sentence_on_the_command_line(monkeypatch, capsys):
    from ncs import cli

    cli._show_warning(NcsWarning("a file\x1b is odd"), NcsWarning, "where.py", 3)
    cli._show_warning(RuntimeWarning("overflow"), RuntimeWarning, "where.py", 3)
    first, second, *_ = capsys.readouterr().err.splitlines()
    assert first == "warning: a file  is odd"
    assert second == "where.py:3: RuntimeWarning: overflow"


# Recordings that the walks below are made with


PROTOCOL = """
ncs_protocol = 1
name = "Obere Extremität"
distance_sd_mm = 2.5

[[studies]]
nerve = "ulnar"
technique = "motor"
recording_site = "ADM"
sites = ["wrist", "elbow"]
distances_mm = { wrist = 70.5 }
"""


def write_recordings(folder, *names):
    """Two visits of one subject as EDF, a third as a text table with its sidecar; ``names`` of the first and last."""
    folder.mkdir(parents=True)
    first, last = names
    for number, date in enumerate([dt.date(2021, 3, 1), dt.date(2021, 9, 6)]):
        visit, _ = simulate.visit("P1", date, seed=number, anatomy=7, motor=(simulate.MotorNerve(),), sensory=())
        write_edf(visit, folder / f"{first}{number}.edf", study=0)
    study, _ = simulate.motor_study(seed=5, nerve=simulate.MotorNerve(nerve="ulnar"))
    rows = [";".join(["Zeit [ms]", *(f"{trace.stimulation_site}_mV" for trace in study.traces)])]
    for at in range(study.traces[0].samples_uv.shape[1]):
        values = [at / study.traces[0].sampling_rate_hz * 1e3, *(t.samples_uv[0, at] / 1e3 for t in study.traces)]
        rows.append(";".join(f"{value:.4f}" for value in values).replace(".", ","))
    table = folder / f"{last}.csv"
    table.write_text("\n".join(rows), encoding="utf-8")
    sidecar = {
        "ncs_sidecar": 1, "subject": "P1", "date": "2021-09-06", "polarity": "true", "nerve": "ulnar", "side": "left",
        "technique": "motor", "recording_site": "ADM", "stimulus_ms": float(study.traces[0].stimulus_ms[0]),
        "traces": [
            {"select": {"sweeps": [number]}, "stimulation_site": trace.stimulation_site, "distance_mm": distance}
            for number, (trace, distance) in enumerate(zip(study.traces, [None, 250.5], strict=True), start=1)
        ],
    }  # fmt: skip
    table.with_suffix(".ncs.json").write_text(json.dumps(sidecar), encoding="utf-8")


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """What the walk gives in a folder with a plain name, and the recordings of it."""
    folder = tmp_path_factory.mktemp("plain")
    write_recordings(folder / "exports", "median", "ulnar")
    (folder / "lab.toml").write_text(PROTOCOL, encoding="utf-8")
    return folder, everywhere.walk(folder / "exports", folder / "lab.toml", folder / "out")


# A locale with a decimal comma


@pytest.fixture(scope="module")
def german(tmp_path_factory):
    """Environment of a process in a German locale, made here: few machines have it."""
    made = tmp_path_factory.mktemp("locale") / "de_DE.UTF-8"
    if shutil.which("localedef") is None:
        pytest.skip("no localedef, which would make the locale de_DE.UTF-8")
    done = subprocess.run(
        ["localedef", "-i", "de_DE", "-f", "UTF-8", made], capture_output=True, text=True, check=False
    )
    if not made.is_dir():
        pytest.skip(f"localedef cannot make the locale de_DE.UTF-8: {done.stderr}")
    return os.environ | {"LOCPATH": str(made.parent), "LC_ALL": "de_DE.UTF-8", "PYTHONPATH": str(ROOT)}


def test_a_decimal_comma_of_the_locale_changes_no_text(plain, german, tmp_path):
    """A program around ncs may have called ``setlocale``; then C libraries print and parse commas."""
    folder, expected = plain
    words = [folder / "exports", folder / "lab.toml", tmp_path / "out", tmp_path / "found.json"]
    done = subprocess.run(
        [sys.executable, "-m", "tests.everywhere", *words], env=german, cwd=ROOT, capture_output=True, text=True,
        check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "found.json").read_text(encoding="utf-8"))
    assert found.keys() == expected.keys()
    assert [name for name in expected if found[name] != expected[name]] == []
    assert "3.4" in found["show"]


# Paths


def test_spaces_and_letters_of_many_scripts_in_paths_change_nothing(plain, tmp_path):
    _, expected = plain
    folder = tmp_path / "Neurographie Nr. 5 µV ß 神经 'und' \"mehr\""
    write_recordings(folder / "Läufe & Ströme", "médian #", "ульнар 100%")
    protocol = folder / "Labor Süd.toml"
    protocol.write_text(PROTOCOL, encoding="utf-8")
    found = everywhere.walk(folder / "Läufe & Ströme", protocol, folder / "Ergebnis; neu")
    for name in ("show", "tables/long.csv", "tables/wide.csv", "tables/marks.csv", "change", "edf"):
        assert named_alike(found[name]) == expected[name], name
    assert found.keys() == expected.keys()


def named_alike(text):
    return text.replace("médian #", "median").replace("ульнар 100%", "ulnar")


# A home that cannot be written


def test_a_home_that_cannot_be_written_changes_no_page(plain, tmp_path):
    """Nobody may make a folder in a file, not even root; matplotlib, mne and numba all look there for one."""
    folder, expected = plain
    home = tmp_path / "home"
    home.touch()
    env = {name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "MPL", "NUMBA_CACHE"))}
    words = ["report", "P1", "2021-03-01", "--store", folder / "out" / "Ergebnisse.db", "-o", tmp_path / "visit.html"]
    done = subprocess.run(
        [sys.executable, "-m", "ncs", *words], env=env | {"HOME": str(home)}, cwd=ROOT, capture_output=True,
        text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert f"{tmp_path / 'visit.html'}: written." in done.stderr
    assert (tmp_path / "visit.html").read_bytes() == (folder / "out" / "visit.html").read_bytes()
    assert expected["visit.html"]


# Full disks


def fill(folder):
    """Leave not a byte free."""
    with suppress(OSError), (folder / "ballast").open("wb", buffering=0) as stream:
        while True:
            stream.write(bytes(4096))


@pytest.fixture(params=["disk", "quota"])
def full(request, tmp_path):
    """A folder in which files can be made and nothing can be written: on a full disk, or with a spent quota."""
    if request.param == "disk":
        folder = request.getfixturevalue("small_disk")("256k")
        yield folder, lambda: fill(folder)
        return
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    folder = tmp_path / "quota"
    folder.mkdir()
    yield folder, lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (2000, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def files(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name != "ballast"}


def refused(done, named):
    """The message of a command that could not write: one sentence about one named file, and what to do."""
    status, _, printed = done
    assert status == 2, done
    err = printed[printed.index("ncs: ") :]
    assert str(named) in err
    assert re.search(r"no space left on device|file too large|full disk|disk i/o error", err), err
    assert "Traceback" not in err
    return err


@pytest.mark.parametrize("verb", ["report", "change", "check --html"])
def test_a_page_that_does_not_fit_leaves_the_old_one(plain, small_disk, verb):
    """Half a page was left, and of the old one nothing."""
    store = plain[0] / "out" / "Ergebnisse.db"
    folder = small_disk("256k")
    page = folder / "page.html"
    words = {
        "report": ["report", "P1", "2021-03-01", "--store", store, "-o", page],
        "change": [
            "change",
            "--nerve",
            "median",
            "--quantity",
            "motor_conduction_velocity",
            "--store",
            store,
            "--html",
            page,
        ],
        "check --html": ["check", ROOT / "fixtures" / "reference", "--html", page],
    }[verb]
    page.write_text("the old page")
    fill(folder)
    done = typed(*words)
    assert files(folder) == {page: b"the old page"}
    assert "name another file" in refused(done, page).lower()


@pytest.mark.parametrize("form", ["csv", "parquet", "bids"])
def test_an_export_that_does_not_fit_leaves_nothing(plain, small_disk, form):
    folder = small_disk("256k")
    fill(folder)
    done = typed("export", "--to", form, folder / "tables", "--store", plain[0] / "out" / "Ergebnisse.db")
    assert files(folder) == {}
    assert "free space" in refused(done, folder / "tables")


def test_recordings_that_do_not_fit_leave_whole_ones_only(plain, small_disk):
    folder, store = small_disk("20k"), plain[0] / "out" / "Ergebnisse.db"
    done = typed("export", "--to", "edf", folder / "edf", "--store", store)
    assert "free space" in refused(done, folder / "edf")
    left = files(folder)
    assert 0 < len(left) < 3
    for path in left:
        assert read(path).studies


def test_an_analysis_that_does_not_fit_leaves_a_store_that_can_be_used(plain, small_disk):
    """That it can be completed afterwards is proven in ``test_survival``."""
    folder = small_disk("200k")
    exports = plain[0] / "exports"
    done = typed("analyze", exports, "--store", folder / "a.db", "--jobs", 1)
    assert "start again: what was committed is kept." in refused(done, folder / "a.db")
    fill(folder)
    done = typed("analyze", exports, "--store", folder / "b.db", "--jobs", 1)
    refused(done, folder / "b.db")


@pytest.fixture
def moved_set(tmp_path):
    """Part of the reference set, one number of which is expected elsewhere."""
    made = tmp_path / "set"
    made.mkdir()
    for name in ("motor_clean.edf", "motor_clean.expected.json", "tolerances.json"):
        shutil.copy(ROOT / "fixtures" / "reference" / name, made)
    path = made / "motor_clean.expected.json"
    text = path.read_text(encoding="utf-8")
    path.write_text(re.sub(r'"value": [0-9.]+', '"value": 1.5', text, count=1), encoding="utf-8")
    return made


def test_expectations_that_do_not_fit_are_left_as_they_were(full, moved_set):
    """The file was emptied first, then the disk was found full: the expectation was lost."""
    folder, full_up = full
    place = shutil.copytree(moved_set, folder / "set")
    before = files(folder)
    full_up()
    done = typed("check", place, "--update")
    assert files(folder) == before
    refused(done, place / "motor_clean.expected.json")
    assert "Free some space" in done[2]
    assert "BREACH" in done[1]  # the differences were shown first


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_an_output_that_cannot_be_written_is_said_in_a_sentence(unbuffered):
    with Path("/dev/full").open("wb") as stream:
        done = subprocess.run(
            [sys.executable, "-m", "ncs", "formats"], stdout=stream, stderr=subprocess.PIPE, text=True, check=False,
            env=os.environ | {"PYTHONUNBUFFERED": unbuffered}, cwd=ROOT,
        )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr == (
        "ncs: the output cannot be written: no space left on device. Free some space, or send the output elsewhere.\n"
    )


def test_a_page_written_through_a_link_keeps_the_link(plain, tmp_path):
    real, link = tmp_path / "real.html", tmp_path / "link.html"
    real.write_text("old")
    link.symlink_to(real)
    assert typed("report", "P1", "2021-03-01", "--store", plain[0] / "out" / "Ergebnisse.db", "-o", link)[0] == 0
    assert link.is_symlink()
    assert real.read_text(encoding="utf-8").startswith("<!")
