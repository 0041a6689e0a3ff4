"""Which reader is chosen, and what happens when one of them is broken."""

import importlib.metadata
import re
import subprocess
import sys
from pathlib import Path
from types import MappingProxyType

import pytest

from ncs.errors import AmbiguousFormatError, InvalidInputError, MissingDependencyError, UnknownFormatError
from ncs.io import UNREAD, registry


class FakeReader:
    def __init__(self, name, claim, extensions=(), requires=()):
        self.name, self.claim, self.extensions, self.requires = name, claim, extensions, requires
        self.description = "for tests"
        self.carries = MappingProxyType({"waveforms": "yes"})
        self.experimental = True

    def sniff(self, head, path):
        if isinstance(self.claim, Exception):
            raise self.claim
        return self.claim

    def read(self, request):
        raise ValueError("fell over")


@pytest.fixture
def entry_points(monkeypatch):
    """Install entry points: name to what loading gives (an exception is raised)."""

    def install(**targets):
        def loaded(point):
            target = targets[point.name]
            if isinstance(target, Exception):
                raise target
            return target

        points = [importlib.metadata.EntryPoint(n, f"elsewhere:{n}", registry.ENTRY_POINT_GROUP) for n in targets]
        monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: points)
        monkeypatch.setattr(importlib.metadata.EntryPoint, "load", loaded)
        registry.forget()

    yield install
    monkeypatch.undo()
    registry.forget()


def test_every_builtin_reader_can_be_imported_and_describes_itself():
    built_in = [entry for entry in registry.formats() if entry.origin == "builtin"]
    assert {"edf", "text"} <= {entry.name for entry in built_in}
    keys = {"waveforms", "site", "distance", "intensity", "units", "filters", "stimulus time", "temperature"}
    for entry in built_in:
        assert entry.description
        assert all(e.startswith(".") and e == e.lower() for e in entry.extensions)
        assert set(entry.carries) == keys
    assert len({entry.name for entry in built_in}) == len(built_in)


def test_a_broken_entry_point_is_reported_and_breaks_nothing(entry_points):
    entry_points(
        good=FakeReader("good", 0.9), broken=ImportError("no module named nowhere"), odd=object(), type_=FakeReader
    )
    infos = {info.name: info for info in registry.formats()}
    assert infos["good"].available
    assert infos["good"].origin == "entry point"
    assert infos["good"].experimental
    assert not infos["broken"].available
    assert "nowhere" in infos["broken"].reason
    assert "not a reader instance" in infos["odd"].reason
    assert "not a reader instance" in infos["type_"].reason
    assert infos["text"].available
    assert registry.choose(b"anything", Path("x")).name == "good"
    with pytest.raises(MissingDependencyError, match="nowhere"):
        registry.named("broken")


def test_a_name_that_is_taken_is_not_taken_again(entry_points):
    entry_points(mine=FakeReader("text", 1.0))
    mine = [info for info in registry.formats() if info.origin == "entry point"]
    assert [(info.name, info.available) for info in mine] == [("mine", False)]
    assert "already taken" in mine[0].reason


def test_a_reader_whose_dependency_is_missing_says_so(entry_points):
    entry_points(extra=FakeReader("extra", 0.2, requires=("no_such_module_anywhere",)))
    info = next(info for info in registry.formats() if info.name == "extra")
    assert not info.available
    assert "no_such_module_anywhere" in info.reason
    with pytest.raises(MissingDependencyError, match=r"x: .*'extra' needs no_such_module_anywhere: pip install"):
        registry.choose(b"\0\1\2", Path("x"))
    assert registry.choose(b"time,1\n0.0,1.5\n0.1,1.25\n", Path("x")).name == "text"


def test_equal_claims_are_an_error_that_names_both(entry_points):
    entry_points(one=FakeReader("one", 0.9), two=FakeReader("two", 0.9))
    with pytest.raises(AmbiguousFormatError, match="one and two") as caught:
        registry.choose(b"\0", Path("x.dat"))
    assert "format='one'" in caught.value.problems[0].hint


def test_the_file_name_decides_between_equal_claims_only(entry_points):
    entry_points(one=FakeReader("one", 0.9, (".dat",)), two=FakeReader("two", 0.9, (".bin",)))
    assert registry.choose(b"\0", Path("X.DAT")).name == "one"
    assert registry.choose(b"\0", Path("x.bin")).name == "two"
    entry_points(one=FakeReader("one", 0.9, (".dat",)), two=FakeReader("two", 0.8, (".bin",)))
    assert registry.choose(b"\0", Path("x.bin")).name == "one"


@pytest.mark.parametrize("claim", [RuntimeError("sniffer fell over"), 7.0, -1.0, float("nan"), "text"])
def test_a_sniffer_that_misbehaves_has_claimed_nothing(entry_points, claim):
    entry_points(bad=FakeReader("bad", claim), good=FakeReader("good", 0.1))
    assert registry.choose(b"\0", Path("x")).name == "good"


def test_an_unknown_content_names_what_was_tried():
    with pytest.raises(UnknownFormatError) as caught:
        registry.choose(b"\x89PNG\r\n\x1a\n\0", Path("picture.csv"))
    text = str(caught.value)
    assert "picture.csv" in text
    assert "edf, " in text
    assert "text" in text
    assert "`ncs formats`" in text


@pytest.mark.parametrize("name", ["study.adicht", "STUDY.SMRX", "a.sd"])
def test_a_format_that_is_not_read_says_what_to_export_instead(name):
    with pytest.raises(UnknownFormatError, match=r"which ncs does not read: .*Instead, .*\(reader [a-z]+") as caught:
        registry.choose(b"\x01\x02\x03", Path(name))
    assert len(caught.value.problems) == 1


def test_the_readers_named_as_ways_around_exist():
    known = {info.name for info in registry.formats()}
    for each in UNREAD:
        assert set(re.findall(r"reader ([a-z]+)", each.instead)) <= known, each.name
        assert not {ending for info in registry.formats() for ending in info.extensions} & set(each.extensions)


def test_the_overview_names_every_reader_and_every_format_that_is_not_read():
    overview = (Path(__file__).parents[2] / "docs" / "formats" / "README.md").read_text(encoding="utf-8")
    for info in registry.formats():
        assert f"`{info.name}`" in overview
        assert f"`{info.name}`](" in overview or info.name in {"edf", "bids", "text"}, info.name
    assert all(f"`{ending}`" in overview for each in UNREAD for ending in each.extensions)


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(InvalidInputError, match=r"edf, .*text.* found 'xyz'"):
        registry.named("xyz")


def test_importing_the_package_and_the_readers_is_light():
    code = (
        "import sys, ncs, ncs.io; from ncs.io.registry import readers; readers();"
        "heavy = {'pydantic', 'pandas', 'scipy', 'mne', 'matplotlib', 'sqlalchemy', 'numba', 'lxml'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
