"""Damaged files: the kept cases of ``python -m benchmarks.fuzz``, and a short campaign of its mutations.

Out of every parser comes a result or an ``NcsError``, and no input takes more than ten times its size plus 16 MB.
"""

import sys
import tracemalloc
from random import Random

import pytest

from benchmarks import _mutations, fuzz
from benchmarks._fuzz_targets import FIXTURES, TARGETS, Finding, Target, attempt, most_memory

CASES = sorted(path for name in TARGETS for path in (FIXTURES / name).glob("*"))
INPUTS = 200


@pytest.fixture
def traced():
    tracemalloc.start()
    yield
    tracemalloc.stop()


@pytest.mark.parametrize("case", CASES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_what_was_found_once_stays_mended(traced, case):
    for way in TARGETS[case.parent.name].ways():
        assert attempt(way, case.read_bytes()) is None


def test_every_kept_case_belongs_to_a_parser_and_is_small():
    folders = {path.name for path in FIXTURES.iterdir()}
    assert folders <= set(TARGETS)
    assert all(path.stat().st_size < 64_000 for path in CASES)


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
def test_damage_gives_an_error_of_ncs_or_a_result(traced, target):
    random = Random(f"suite {target.name}")
    seeds, ways = target.seeds(), target.ways()
    assert all(attempt(ways[0], seed) is None for seed in seeds)
    for _ in range(INPUTS):
        content = _mutations.mutate(random, random.choice(seeds), random.choice(seeds), target.mutations)
        assert attempt(random.choice(ways), content) is None, content[:200]


# -- the instrument itself -----------------------------------------------------------------------------------------


def fallible(content):
    if b"bad" in content:
        raise KeyError(content)
    if b"large" in content:
        bytearray(most_memory(content) + 1_000_000)


def test_what_is_wrong_is_found(traced):
    assert attempt(fallible, b"good") is None
    assert attempt(fallible, b"bad").detail.startswith("KeyError at test_fuzz.py:")
    assert attempt(fallible, b"large").key == "memory"


def test_a_campaign_finds_shrinks_and_keeps(traced, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(fuzz, "FIXTURES", tmp_path)

    def insert(random, content, other):
        at = random.randrange(len(content) + 1)
        return content[:at] + b"bad" + content[at:]

    target = Target("toy", lambda: (b"a long enough beginning",), lambda: (fallible,), (insert,))
    found = fuzz.campaign(target, minutes=0.005, random=Random(1))
    assert list(found.values()) == [b"bad"]
    assert [path.read_bytes() for path in (tmp_path / "toy").iterdir()] == [b"bad"]
    assert isinstance(attempt(fallible, b"bad"), Finding)
    assert "KeyError" in capsys.readouterr().out


@pytest.mark.parametrize(
    "mutation", sorted({m for t in TARGETS.values() for m in t.mutations}, key=lambda m: m.__name__)
)
def test_a_mutation_takes_any_content(mutation):
    random = Random(1)
    for content in (b"", b"x", b"1,2\n3,4\n", b'{"a": [1, {"b": null}]}', bytes(range(256)) * 3):
        for _ in range(30):
            assert isinstance(mutation(random, content, content[:3]), bytes)


def test_watching_an_input_leaves_another_tracer_in_place():
    entered = []

    def other(frame, event, arg):
        entered.append(frame.f_code.co_name)

    def small():
        return None

    before = sys.gettrace()
    sys.settrace(other)
    try:
        fuzz.Coverage().watch(small)
        after = sys.gettrace()
    finally:
        sys.settrace(before)
    assert after is other
    assert "small" not in entered
