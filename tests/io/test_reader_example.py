"""The example package in ``docs/reader-example``: really installed, found by its entry point, used like any reader."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "docs" / "reader-example"
GOOD = "COUNTS 1\nrate 20000 Hz\nunit 0.5 uV\nchannel R APB\nstimulus 2.0 ms\n0 1 -3 250\n0 2 -1 248\n"


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Install the package into a folder of its own, without any network; return an environment that has it."""
    folder = tmp_path_factory.mktemp("installed")
    source = tmp_path_factory.mktemp("source") / "example"
    source.mkdir()
    for file in EXAMPLE.iterdir():
        if file.is_file():
            (source / file.name).write_bytes(file.read_bytes())
    options = ["--quiet", "--no-deps", "--no-index", "--no-build-isolation", "--disable-pip-version-check"]
    command = [sys.executable, "-m", "pip", "install", *options, "--target", str(folder), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return {**os.environ, "PYTHONPATH": str(folder)}


def run(installed, *command):
    return subprocess.run(
        [sys.executable, *command], capture_output=True, text=True, env=installed, check=False, cwd=EXAMPLE.parents[1]
    )


def test_formats_lists_it_with_its_package(installed):
    listed = json.loads(run(installed, "-m", "ncs", "formats", "--json").stdout)["formats"]
    (entry,) = [entry for entry in listed if entry["name"] == "counts"]
    assert (entry["available"], entry["experimental"], entry["origin"]) == (
        True,
        True,
        "entry point of ncs-reader-example",
    )
    shown = run(installed, "-m", "ncs", "formats").stdout
    assert "counts  (experimental, entry point of ncs-reader-example)" in shown


def test_a_file_is_recognised_read_and_analysed(installed, tmp_path):
    path = tmp_path / "study.txt"
    path.write_text(GOOD)
    code = (
        "import sys, warnings, ncs; warnings.simplefilter('ignore'); visit = ncs.read(sys.argv[1]);"
        "trace = visit.studies[0].traces[0];"
        "print(visit.sources[0].format, trace.samples_uv.tolist(), trace.stimulus_ms.tolist(), trace.sampling_rate_hz,"
        " visit.problems[0].found, sep='\\n')"
    )
    done = run(installed, "-c", code, str(path))
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        "counts", "[[0.0, 0.5, -1.5, 125.0], [0.0, 1.0, -0.5, 124.0]]", "[2.0, 2.0]", "20000.0",
        "counts, whose reader is experimental",
    ]  # fmt: skip


def test_its_faults_come_at_once_like_those_of_any_reader(installed, tmp_path):
    path = tmp_path / "bad.counts"
    path.write_text(GOOD.replace("20000 Hz", "fast Hz").replace("-3", "x").replace("0.5 uV", "0.5 mV"))
    done = run(installed, "-m", "ncs", "analyze", str(path), "--store", str(tmp_path / "x.db"))
    assert done.returncode == 1
    for words in (
        "line 2, rate: expected a number, found 'fast'", "line 3, unit: expected the unit uV, found 'mV'",
        "line 6, sweep: expected whole numbers",
    ):  # fmt: skip
        assert words in done.stderr


def test_it_keeps_the_rules_of_readers(installed):
    """The same rules as in ``test_compliance.py``, as far as one example file shows them."""
    code = """
import sys
from pathlib import Path
import numpy as np
import ncs.io
from ncs.errors import NcsError
from ncs_reader_example import COUNTS
good = sys.argv[1].encode()
assert isinstance(COUNTS, ncs.io.Reader)
for length in range(len(good) + 1):
    assert 0 <= COUNTS.sniff(good[:length], Path("x")) <= 1
    try:
        visit = COUNTS.read(ncs.io.ReadRequest(path=Path("x"), content=good[:length]))
    except NcsError as error:
        assert all(problem.expected and problem.found and problem.file == "x" for problem in error.problems)
samples = visit.studies[0].traces[0].samples_uv
assert samples.dtype == np.float32 and not samples.flags.writeable
assert "ncs_reader_example" in sys.modules and not {"pandas", "scipy", "mne"} & set(sys.modules)
"""
    done = run(installed, "-c", code, GOOD)
    assert done.returncode == 0, done.stderr
