"""The pytest plugin: what it collects, when, and what a failure shows. Every test starts a pytest of its own."""

import json
import shutil
from pathlib import Path

import pytest

from ncs import regression

pytest_plugins = ["pytester"]

REFERENCE = Path(__file__).resolve().parents[2] / "fixtures" / "reference"
FEW = ("motor_clean", "sensory_clean")


@pytest.fixture
def project(pytester):
    """A project with one test of its own and a small reference folder beside its tests."""
    pytester.makepyfile(**{"tests/test_own": "def test_own():\n    assert True\n"})
    add_set(pytester.path / "data" / "set")
    return pytester


def add_set(folder):
    folder.mkdir(parents=True)
    for name in FEW:
        for ending in (".edf", regression.EXPECTED):
            shutil.copy(REFERENCE / f"{name}{ending}", folder)
    shutil.copy(REFERENCE / regression.TOLERANCES, folder)
    return folder


def tamper(folder, name="motor_clean", by=0.5):
    path = folder / f"{name}{regression.EXPECTED}"
    document = json.loads(path.read_text())
    for row in document["measurements"]:
        if row["quantity"] == "motor_latency":
            row["value"] += by
    path.write_text(json.dumps(document))


def run(project, *words):
    """Run pytest without the plugins of others, which take longer to load than all of this."""
    others = [word for name in ("hypothesispytest", "benchmark", "xdist") for word in ("-p", f"no:{name}")]
    return project.runpytest_subprocess(*others, *words)


def collected(project, *words):
    done = run(project, "--collect-only", "-q", *words)
    return [line for line in done.outlines if "::" in line]


OWN = "tests/test_own.py::test_own"
SET = [f"data/set/{name}.edf::as_expected" for name in FEW]


def test_nothing_is_collected_unless_asked_for(project):
    assert collected(project) == [OWN]
    assert collected(project, "data/set") == []


def test_an_option_adds_its_folder_to_whatever_else_is_collected(project):
    assert collected(project, "--ncs-reference", "data/set", "tests") == [OWN, *SET]
    assert sorted(collected(project, "--ncs-reference=data/set")) == sorted([OWN, *SET]), "each once"
    assert collected(project, "--ncs-reference=data/set", "data/set") == SET
    other = add_set(project.path / "mit Leerzeichen" / "größe")
    assert len(collected(project, "--ncs-reference", other, "--ncs-reference=data/set", "tests")) == 5


def test_a_setting_names_what_is_collected_where_pytest_comes_by(project):
    project.makepyprojecttoml(
        '[tool.pytest.ini_options]\nncs_reference = ["data/set"]\ntestpaths = ["tests", "data/set"]\n'
        'addopts = "--strict-config"\n'
    )
    assert collected(project) == [OWN, *SET]
    assert collected(project, "tests") == [OWN]
    assert collected(project, "data") == SET
    assert collected(project, SET[0]) == [SET[0]]


def test_all_is_well(project):
    done = run(project, "--ncs-reference=data/set", "data/set", "-v", "-W", "error")
    done.assert_outcomes(passed=2)
    done.stdout.fnmatch_lines(["data/set/motor_clean.edf::as_expected PASSED*"])


def test_a_failure_shows_the_table_of_ncs_check(project):
    folder = project.path / "data" / "set"
    tamper(folder)
    done = run(project, "--ncs-reference=data/set", "data/set")
    done.assert_outcomes(passed=1, failed=1)
    done.stdout.fnmatch_lines([
        "*reference recording motor_clean.edf*",
        "motor_clean.edf is not as expected: * numbers and marks compared, 2 moved, 2 breaches",
        "quantity * where * expected * now * moved * tolerance * true*",
        "motor_latency *wrist * 3.90312 * 3.40312 ms * -0.5 * 0.02 * 3.4  BREACH",
        "motor_latency *elbow * BREACH",
        f"With waveforms: ncs check {folder} --html moved.html.*--update.",
    ])  # fmt: skip
    assert "Traceback" not in done.stdout.str()


def test_what_moved_within_its_tolerance_passes(project):
    tamper(project.path / "data" / "set", by=0.01)
    run(project, "--ncs-reference=data/set", "data/set").assert_outcomes(passed=2)


def test_recordings_that_are_gone_new_or_broken_fail(project):
    folder = project.path / "data" / "set"
    (folder / "motor_clean.edf").unlink()
    (folder / "broken.edf").write_bytes(b"nothing")
    shutil.copy(REFERENCE / "motor_drift.edf", folder)
    done = run(project, "--ncs-reference=data/set", "data/set")
    done.assert_outcomes(passed=1, failed=3)
    text = done.stdout.str()
    assert "broken.edf is not as expected" in text
    assert "no motor_drift.expected.json says what is expected" in text
    assert "motor_clean.edf is not as expected" in text
    assert "motor_clean.expected.json::as_expected" in text


def test_an_expectation_that_cannot_be_read_fails_without_a_traceback(project):
    folder = project.path / "data" / "set"
    path = folder / f"motor_clean{regression.EXPECTED}"
    document = json.loads(path.read_text())
    path.write_text(json.dumps(document | {"marks": None}))
    done = run(project, "--ncs-reference=data/set", "data/set")
    done.assert_outcomes(passed=1, failed=1)
    assert "$.marks: expected a list, found NoneType" in done.stdout.str()
    path.write_text("[")
    done = run(project, "--ncs-reference=data/set", "data/set")
    assert done.ret != 0
    assert "expected JSON, found something else" in done.stdout.str()
    assert "Traceback" not in done.stdout.str()


@pytest.mark.parametrize("how", ["option", "setting"])
def test_a_folder_that_is_no_set_is_refused(project, how):
    if how == "setting":
        project.makeini("[pytest]\nncs_reference = tests\n")
    words = ["--ncs-reference=tests"] if how == "option" else []
    done = run(project, *words)
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines(["*expected a reference folder with a file tolerances.json, found none*reference make*"])


def test_workers_collect_the_same(project):
    pytest.importorskip("xdist")
    tamper(project.path / "data" / "set")
    done = project.runpytest_subprocess("--ncs-reference=data/set", "tests", "-n", "2")
    done.assert_outcomes(passed=2, failed=1)
    assert "motor_latency" in done.stdout.str()
