"""A folder with recordings, and a way to type a command in it."""

import datetime as dt
import sys
from dataclasses import dataclass

import pytest

from ncs import cli, simulate
from ncs.io.edf_write import write_edf


@dataclass
class Done:
    """What a command did."""

    status: int
    out: str
    err: str


@pytest.fixture(scope="session")
def exports(tmp_path_factory):
    """Two subjects; the first was examined twice, and has no sensory response the second time."""
    folder = tmp_path_factory.mktemp("exports")
    for seed, (subject, date, snap_uv) in enumerate(
        [("P1", dt.date(2021, 3, 1), 35.0), ("P1", dt.date(2021, 9, 6), 0.0), ("P2", dt.date(2021, 5, 3), 35.0)]
    ):
        examined, _ = simulate.visit(
            subject, date, seed=seed, anatomy=7, sensory=[simulate.SensoryNerve(amplitude_uv=snap_uv)]
        )
        for index, study in enumerate(examined.studies):
            write_edf(examined, folder / f"{subject}_{date}_{study.technique}.edf", study=index)
    return folder


@pytest.fixture
def ncs(tmp_path, monkeypatch, capsys):
    """Type a command in an empty folder: ``ncs("show", "P1")``."""
    monkeypatch.chdir(tmp_path)

    def typed(*words):
        monkeypatch.setattr(sys, "argv", ["ncs", *map(str, words)])
        capsys.readouterr()
        try:
            cli.main()
        except SystemExit as leaving:
            status = leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
        else:
            status = 0
        captured = capsys.readouterr()
        assert "Traceback" not in captured.out + captured.err
        return Done(status, captured.out, captured.err)

    return typed


@pytest.fixture
def stored(ncs, exports):
    """The same, with the recordings analysed into ncs.db."""
    done = ncs("analyze", exports)
    assert done.status == 0, done.err
    return ncs
