"""The same recordings give the same numbers to the last bit: again, in other processes, in any order."""

import os
import random
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

import ncs
from ncs import detect
from tests.store.compare import assert_equal, content

ROOT = Path(__file__).resolve().parents[1]
RECORDINGS = sorted((ROOT / "fixtures" / "reference").glob("*.edf"))
DIRECT = {"cmap", "snap"}
RESPONSES = {"f_wave": "f_wave", "h_reflex": "h_reflex", "blink_reflex": "r1", "sensory": "snap", "mixed": "snap"}


def analysed(paths, url, jobs=1):
    with ncs.open_store(url) as store:
        summary = ncs.analyze_files(paths, store=store, jobs=jobs)
        assert (summary.n_done, summary.failures) == (len(RECORDINGS), ())
        return content(store)


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    found = analysed(RECORDINGS, tmp_path_factory.mktemp("first") / "a.db")
    assert len(found["runs"]) == len(RECORDINGS)
    assert len(found["measurements"]) > 300
    return found


# Stores


def test_a_second_run_gives_the_same_store(expected, tmp_path):
    assert_equal(analysed(RECORDINGS, tmp_path / "a.db"), expected)


@pytest.mark.parametrize("seed", range(3))
def test_any_order_of_the_files_gives_the_same_store(expected, tmp_path, seed):
    order = random.Random(seed).sample(RECORDINGS, len(RECORDINGS)) if seed else RECORDINGS[::-1]
    assert_equal(analysed(order, tmp_path / "a.db"), expected)


def test_two_workers_give_the_same_store(expected, tmp_path):
    assert_equal(analysed(random.Random(9).sample(RECORDINGS, len(RECORDINGS)), tmp_path / "a.db", jobs=2), expected)


@pytest.mark.parametrize("differently", [{"PYTHONHASHSEED": "1"}, {"PYTHONHASHSEED": "2", "TZ": "Pacific/Kiritimati"}])
def test_another_process_gives_the_same_store(expected, tmp_path, differently):
    """Sets are ordered otherwise there. How many threads BLAS may use stays: older ones then round otherwise."""
    url = tmp_path / "a.db"
    done = subprocess.run(
        [sys.executable, "-m", "ncs", "analyze", *RECORDINGS[::-1], "--jobs", "1", "--store", url],
        env=os.environ | differently, cwd=ROOT, capture_output=True, text=True, check=False, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    with ncs.open_store(url) as store:
        assert_equal(content(store), expected)


# Visits and arrays


def numbers(result):
    """Every measurement, without its place in the list."""
    return sorted(
        (m.quantity, m.nerve, str(m.side), str(m.site), str(m.segment), repr(m.value), repr(m.sd), str(m.reason))
        for m in result.measurements
    )


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.stem)
def test_the_order_of_studies_and_traces_changes_no_number(path):
    visit = ncs.read(path)
    turned = replace(visit, studies=tuple(replace(study, traces=study.traces[::-1]) for study in visit.studies[::-1]))
    if any(study.technique == "repetitive_stimulation" for study in visit.studies):
        turned = replace(visit, studies=visit.studies[::-1])  # trains have an order: first at rest, then after exercise
    assert numbers(ncs.analyze(turned)) == numbers(ncs.analyze(visit))


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.stem)
def test_the_order_of_sweeps_changes_no_mark(path):
    """Late responses are judged by what all sweeps have in common, whose sums are rounded in another order.

    Of two waves that are alike the later one is flagged: the flags of late responses do depend on the order.
    """
    for study in ncs.read(path).studies:
        response = RESPONSES.get(study.technique, "cmap")
        for trace in study.traces:
            turn = np.random.default_rng(1).permutation(trace.samples_uv.shape[0])
            times = np.broadcast_to(trace.stimulus_ms, turn.shape)
            marks, turned = (
                detect.mark(trace.samples_uv[at], trace.sampling_rate_hz, stimulus_ms=times[at], response=response)
                for at in (slice(None), turn)
            )
            for field in fields(marks):
                value, other = getattr(marks, field.name), getattr(turned, field.name)
                if np.ndim(value) and (response in DIRECT or field.name != "flags"):
                    tolerance = 0.0 if response in DIRECT else 1e-9
                    np.testing.assert_allclose(other, np.asarray(value)[turn], rtol=tolerance, err_msg=field.name)


def test_threads_that_analyse_at_a_time_do_not_disturb_each_other():
    visits = [ncs.read(path) for path in RECORDINGS]
    alone = [numbers(ncs.analyze(visit)) for visit in visits]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda visit: numbers(ncs.analyze(visit)), visits * 2))
    assert together == alone * 2
