"""What is fuzzed: every parser that ncs has written itself, the examples it starts from, and how one input is tried.

A new parser is one entry in ``TARGETS``. The same code replays the kept cases in ``tests/io/test_fuzz.py``.
"""

from __future__ import annotations

import contextlib
import tempfile
import time
import traceback
import tracemalloc
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from benchmarks import _mutations as mutations
from ncs import simulate
from ncs.errors import NcsError, NcsWarning, advice_for
from ncs.io import HEAD_BYTES, ReadRequest, load_protocol, load_sidecar, registry
from ncs.io._complete import complete
from ncs.io._stimulus_notes import read_note
from ncs.model import Subject, Visit
from tests.io.examples import GENERATED, OWN, REAL

__all__ = ["FIXTURES", "MOST_SECONDS", "TARGETS", "Finding", "Target", "attempt", "most_memory"]

FIXTURES = Path(__file__).parents[1] / "fixtures" / "fuzz"
MOST_SECONDS = 1.0
"""Of processor time, for one input."""


@dataclass(frozen=True)
class Target:
    """One parser. ``seeds`` are contents to start from, ``ways`` the settings under which each content is tried."""

    name: str
    seeds: Callable[[], tuple[bytes, ...]]
    ways: Callable[[], tuple[Callable[[bytes], object], ...]]
    mutations: tuple[mutations.Mutation, ...]


@dataclass(frozen=True)
class Finding:
    """What went wrong with one input; two findings of one ``key`` have one cause."""

    key: str
    detail: str


def most_memory(content: bytes) -> int:
    """Return how many bytes may be allocated for a file."""
    return 10 * len(content) + (16 << 20)


def attempt(work: Callable[[bytes], object], content: bytes) -> Finding | None:
    """Try one input with ``tracemalloc`` running; return what is wrong, a slow answer excepted."""
    tracemalloc.reset_peak()
    before, _ = tracemalloc.get_traced_memory()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            warnings.simplefilter("ignore", NcsWarning)
            work(content)
    except NcsError as error:
        problems = getattr(error, "problems", ())
        if problems and not (any(p.hint for p in problems) or advice_for(type(error).__name__, problems)):
            return Finding("advice", f"nothing says what to do: {str(error)[:200]}")
    except Exception as error:  # noqa: BLE001  # whatever it is, it should not have come out
        own = [frame for frame in traceback.extract_tb(error.__traceback__) if "/ncs/" in frame.filename]
        last = own[-1] if own else traceback.extract_tb(error.__traceback__)[-1]
        place = f"{Path(last.filename).name}:{last.lineno}"
        return Finding(f"{type(error).__name__} {place}", f"{type(error).__name__} at {place}: {str(error)[:200]}")
    used = tracemalloc.get_traced_memory()[1] - before
    if used > most_memory(content):
        return Finding("memory", f"{used / 1e6:.0f} MB for a file of {len(content)} bytes")
    return None


def seconds(work: Callable[[bytes], object], content: bytes) -> float:
    """Return the processor time of one input, nothing watching it."""
    start = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with contextlib.suppress(Exception):  # only the time counts here
            work(content)
    return time.process_time() - start


def _examples(reader: str) -> Iterator[tuple[bytes, object]]:
    for example in GENERATED:
        # version 7.3 is HDF5, which is decoded by h5py and not by ncs
        if example.reader == reader and example.write is not None and "7.3" not in example.name:
            with tempfile.TemporaryDirectory() as folder:
                yield example.write(Path(folder)).read_bytes(), example.sidecar


def recordings_of(reader: str, folder: Path) -> tuple[bytes, ...]:
    """Return the real recordings of a reader; what is found from them is never kept in the repository."""
    return tuple((folder / example.real).read_bytes() for example in REAL if example.reader == reader)


def _read_with(reader: str, sidecar: object) -> Callable[[bytes], object]:
    statement = None if sidecar is None else load_sidecar(sidecar)  # type: ignore[arg-type]
    implementation = registry.named(reader).reader
    path = Path("case.bin")

    def read(content: bytes) -> Visit:
        implementation.sniff(content[:HEAD_BYTES], path)
        request = ReadRequest(path=path, content=content, sidecar=statement, keep_identifiers=True)
        return complete(implementation.read(request), statement, None, file=str(path))

    return read


def _reader_target(reader: str) -> Target:
    @cache
    def seeds() -> tuple[bytes, ...]:
        return tuple(content for content, _ in _examples(reader))

    @cache
    def ways() -> tuple[Callable[[bytes], object], ...]:
        sidecars = [example.sidecar for example in GENERATED if example.reader == reader]
        different = [sidecar for at, sidecar in enumerate(sidecars) if sidecar not in sidecars[:at]]
        return tuple(
            _read_with(reader, sidecar) for sidecar in [*different, *([None] if None not in different else [])]
        )

    own = {
        "edf": (*mutations.GENERIC, *[mutations.edf_field] * 4),
        "numpy": (*mutations.GENERIC, *[mutations.npz_member] * 5),
        "matlab": (*mutations.GENERIC, *[mutations.mat5_element] * 8),
        "cfs": mutations.GENERIC,
    }
    return Target(reader, seeds, ways, own.get(reader, mutations.TEXTUAL))


@cache
def _a_visit() -> Visit:
    study, _ = simulate.motor_study(seed=3)
    return Visit(subject=Subject(id="P07"), date=None, studies=(study,))


_FOLDER = tempfile.TemporaryDirectory()


def _as_sidecar(content: bytes) -> object:
    path = Path(_FOLDER.name) / "case.ncs.json"
    path.write_bytes(content)
    return complete(_a_visit(), load_sidecar(path), None)


def _as_protocol(content: bytes) -> object:
    path = Path(_FOLDER.name) / "case.toml"
    path.write_bytes(content)
    return complete(_a_visit(), None, load_protocol(path))


def _documented(name: str, language: str) -> tuple[bytes, ...]:
    text = (Path(__file__).parents[1] / "docs" / name).read_text(encoding="utf-8")
    blocks = text.split(f"```{language}\n")[1:]
    return tuple(block.partition("```")[0].encode() for block in blocks)


def _notes() -> tuple[bytes, ...]:
    stimulus = (
        '<EDF_XMLnote><Stimulus_elbow><duration unit="ms" >0.2</duration><intensity mode="current" unit="mA">15.3'
        '</intensity><position>right elbow</position><distance mode="stimulus to recording" unit="cm">28.5</distance>'
        "</Stimulus_elbow></EDF_XMLnote>"
    )
    measured = (
        '<EDF_XMLnote><measurements><latency unit="ms">7.8</latency><amplitude mode=" baseline to peak" unit="mV">7.2'
        '</amplitude><velocity mode = "segmental" unit = "m/s">55.0</velocity></measurements></EDF_XMLnote>'
    )
    study = (
        '<EDF_XMLnote><!--coded--><temperature unit="degree C" position="left hand">33.2</temperature>'
        "<recording>Second finger</recording><side>left</side><averaged>14</averaged><comments>a &lt; b</comments>"
        "</EDF_XMLnote>"
    )
    plain = "Stimulus right wrist 0.2ms x 8.2mA at 6.5cm from recording site"
    return tuple(text.encode() for text in (stimulus, measured, study, plain, "Response 7.2mV at 3.8ms (55.0m/s)"))


TARGETS: dict[str, Target] = {reader: _reader_target(reader) for reader in OWN}
TARGETS["sidecar"] = Target(
    "sidecar", lambda: _documented("sidecar.md", "json"), lambda: (_as_sidecar,),
    (*mutations.TEXTUAL, *[mutations.json_tree] * 14),
)  # fmt: skip
TARGETS["protocol"] = Target(
    "protocol", lambda: _documented("protocol.md", "toml"), lambda: (_as_protocol,), mutations.TEXTUAL
)
TARGETS["notes"] = Target(
    "notes", _notes, lambda: (lambda content: read_note(content.decode("utf-8", "replace")),), mutations.TEXTUAL
)
