"""pytest plugin: the recordings of reference folders as tests, one for each, that fail with the table of ``ncs check``.

pytest loads this module wherever ncs is installed: nothing of ncs may be imported before a recording is collected.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ncs.regression import FileReport

__all__ = ["RecordingFile", "RecordingItem"]

_SETTING: Final = "ncs_reference"
_MARKER: Final = "tolerances.json"
_FOLDERS: Final = pytest.StashKey[dict[Path, tuple[str, ...] | None]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option and the setting that name reference folders."""
    group = parser.getgroup("ncs", "reference recordings of nerve conduction studies")
    group.addoption(
        "--ncs-reference", action="append", default=[], metavar="DIR", dest=_SETTING,
        help="Also collect this reference folder (see ncs check): a test for every recording.",
    )  # fmt: skip
    parser.addini(
        _SETTING, type="paths", default=[],
        help="Reference folders (see ncs check) to collect where pytest comes by: named as arguments, or in testpaths.",
    )  # fmt: skip


def pytest_configure(config: pytest.Config) -> None:
    """Find the folders that were asked for; those of the command line are collected whatever else is."""
    typed = [_absolute(config.invocation_params.dir / each) for each in config.getoption(_SETTING)]
    config.option.ncs_reference = [str(folder) for folder in typed]  # for workers, which may be started elsewhere
    asked = [*typed, *map(_absolute, config.getini(_SETTING))]
    for folder in asked:
        if not (folder / _MARKER).is_file():
            raise pytest.UsageError(
                f"{_SETTING}: {folder}: expected a reference folder with a file {_MARKER}, found none. "
                "`ncs reference make` makes one."
            )
    config.stash[_FOLDERS] = dict.fromkeys(asked)
    there = {_absolute(config.invocation_params.dir / arg) for arg in config.args}
    config.args.extend(str(folder) for folder in typed if folder not in there)


def _absolute(path: os.PathLike[str]) -> Path:
    return Path(os.path.realpath(path))


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> RecordingFile | None:
    """Collect the recordings of the folders that were asked for, and the expectation of one that is gone."""
    folders = parent.config.stash[_FOLDERS]
    folder = _absolute(file_path.parent) if folders else file_path
    if folder not in folders:
        return None
    names = folders[folder]
    if names is None:
        names = folders[folder] = _recordings(folder)
    if file_path.name in names:
        return RecordingFile.from_parent(parent, path=file_path, recording=file_path.name)
    gone = [name for name in names if not (folder / name).exists() and _expectation(name) == file_path.name]
    return RecordingFile.from_parent(parent, path=file_path, recording=gone[0]) if gone else None


def _expectation(name: str) -> str:
    from ncs._expectations import expected_path

    return expected_path(Path(name)).name


def _recordings(folder: Path) -> tuple[str, ...]:
    from ncs.errors import NcsError
    from ncs.regression import recordings

    try:
        return recordings(folder)
    except NcsError as error:
        raise pytest.Collector.CollectError(str(error)) from error


class RecordingFile(pytest.File):
    """A recording of a reference folder."""

    def __init__(self, *, recording: str, **rest: Any) -> None:
        super().__init__(**rest)
        self.recording = recording

    def collect(self) -> Iterator[RecordingItem]:
        """Yield the one test of this recording."""
        yield RecordingItem.from_parent(self, name="as_expected")


class _MovedError(Exception):
    """A recording is not as expected."""

    def __init__(self, file: FileReport) -> None:
        super().__init__(file.name)
        self.file = file


class RecordingItem(pytest.Item):
    """The test that a recording gives what is expected of it."""

    def runtest(self) -> None:
        """Analyse the recording again."""
        from ncs.errors import NcsError
        from ncs.regression import check_recording

        assert isinstance(self.parent, RecordingFile)
        try:
            file = check_recording(self.path.parent, self.parent.recording)
        except NcsError as error:
            pytest.fail(str(error), pytrace=False)
        if file.n_breaches:
            raise _MovedError(file)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Return the table of what moved."""
        if isinstance(excinfo.value, _MovedError):
            return _words(excinfo.value.file, self.path.parent)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Return what a report calls this test."""
        assert isinstance(self.parent, RecordingFile)
        return self.path, None, f"reference recording {self.parent.recording}"


def _words(file: FileReport, folder: Path) -> str:
    from ncs._moves import COLUMNS, cells
    from ncs.testing._tables import text_table

    counts = f"{file.n_compared} numbers and marks compared, {len(file.moves)} moved, {file.n_breaches} breaches"
    lines = [f"{file.name} is not as expected: {counts}"]
    if file.moves:
        lines.append(text_table(COLUMNS, [cells(move) for move in file.moves]))
    if file.problem:
        lines.append(file.problem)
    lines.append(f"With waveforms: ncs check {folder} --html moved.html. If it is meant to be so: --update.")
    return "\n".join(lines)
