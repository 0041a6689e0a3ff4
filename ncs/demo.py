"""A small longitudinal study with known truth: simulated, exported as EDF+D, analysed into a store.

Nobody was examined: subjects, dates and velocities are made up here, from one seed. Change the study in ``_COURSES``.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ncs.errors import FileAccessError, NcsError, Problem

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    from ncs.batch import BatchProgress
    from ncs.model import Visit
    from ncs.simulate import VisitTruth
    from ncs.store import Store

__all__ = ["Comparison", "Demo", "SimulatedVisit", "run", "simulate_study", "write_exports"]

_SEED = 20080315
_FIRST_VISIT = dt.date(2020, 3, 2)
_DAYS = (0, 168, 392)
_COURSES = {
    "S01": (27.0, 33.0, 41.0),
    "S02": (31.0, 34.0, 39.0),
    "S03": (24.0, 26.0, 31.0),
    "S04": (36.0, 38.0, 44.0),
    "S05": (29.0, 29.0, 28.5),
    "S06": (22.0, 27.0, 35.0),
    "S07": (33.0, 32.5, 33.0),
    "S08": (38.0, 42.0, 46.0),
    "S09": (26.0, 29.0, 33.0),
}
"""True motor conduction velocity of the median nerve at each visit, m/s: seven rise, two stay as they are."""
_NO_SENSORY_RESPONSE = frozenset({"S03"})


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SimulatedVisit:
    """One visit and what is true of it."""

    visit: Visit
    truth: VisitTruth


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The median motor conduction velocity of one visit as measured, ``None`` where it was not, and as simulated."""

    subject: str
    date: dt.date
    visit: int
    measured_m_s: float | None
    sd_m_s: float | None
    true_m_s: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Demo:
    """What the demonstration made: folder of recordings, store, simulated visits, velocities beside their truth."""

    exports: Path
    store: Path
    visits: tuple[SimulatedVisit, ...]
    comparisons: tuple[Comparison, ...]


def simulate_study(seed: int = _SEED) -> tuple[SimulatedVisit, ...]:
    """Simulate nine subjects at three visits each: the median nerve, motor (wrist, elbow) and sensory.

    Parameters
    ----------
    seed
        The same seed gives the same samples.

    Returns
    -------
    tuple of SimulatedVisit
        By subject, then by date. Slow nerves with long distal latencies and dispersed responses, as where myelin is
        lost; the slower the motor nerve, the slower and smaller the sensory response.
    """
    return tuple(
        _simulate(seed, number, subject, order, velocity)
        for number, (subject, course) in enumerate(_COURSES.items())
        for order, velocity in enumerate(course)
    )


def _simulate(seed: int, number: int, subject: str, order: int, velocity_m_s: float) -> SimulatedVisit:
    from ncs.simulate import MotorNerve, SensoryNerve, visit
    from ncs.simulate.nerves import MOTOR_RECORDING, SENSORY_RECORDING

    of_subject = np.random.default_rng([seed, number])
    forearm_mm, strength = float(of_subject.integers(205, 240)), float(of_subject.uniform(0.8, 1.2))
    of_visit = np.random.default_rng([seed, number, order])
    health = velocity_m_s / 56.0
    skin = round(float(of_visit.uniform(32.4, 34.2)), 1)
    motor = MotorNerve(
        velocity_m_s=velocity_m_s,
        distal_latency_ms=round(3.4 / health, 2),
        segment_mm=forearm_mm,
        amplitude_uv=round(9000 * health**1.5 * strength),
        velocity_spread=0.15 + 0.25 * (1 - health),
    )
    sensory = SensoryNerve(
        velocity_m_s=round(57 * health**0.8, 1),
        amplitude_uv=0.0 if subject in _NO_SENSORY_RESPONSE else round(35 * health**1.5 * strength, 1),
    )
    date = _FIRST_VISIT + dt.timedelta(days=_DAYS[order] + 7 * number)
    examined, truth = visit(
        subject,
        date,
        seed=(seed, number, order),
        anatomy=(seed, number),
        motor=[motor],
        sensory=[sensory],
        motor_recording=replace(MOTOR_RECORDING, skin_temperature_c=skin),
        sensory_recording=replace(SENSORY_RECORDING, skin_temperature_c=skin),
    )
    return SimulatedVisit(visit=examined, truth=truth)


def write_exports(visits: tuple[SimulatedVisit, ...], folder: Path) -> tuple[Path, ...]:
    """Write every study of every visit as one EDF+D file, and return the files.

    Raises
    ------
    FileAccessError
        When the folder cannot be made or written.
    """
    from ncs.io.edf_write import write_edf

    paths = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for simulated in visits:
            for index, study in enumerate(simulated.visit.studies):
                name = f"{simulated.visit.subject}_{simulated.visit.date}_{study.nerve}_{study.technique}.edf"
                write_edf(simulated.visit, folder / name, study=index)
                paths.append(folder / name)
    except OSError as error:
        found = (error.strerror or str(error)).lower()
        hint = "Name another folder: ncs demo DEST."
        problem = Problem(
            file=str(folder), place="", field="", expected="a folder that can be written", found=found, hint=hint
        )
        raise FileAccessError([problem]) from error
    return tuple(paths)


def run(dest: str | os.PathLike[str], *, progress: Callable[[BatchProgress], object] | None = None) -> Demo:
    """Simulate the study, write it into ``dest/exports``, analyse it into ``dest/ncs.db``, compare with the truth.

    Parameters
    ----------
    dest
        Folder; made if there is none. Running twice gives the same files and adds nothing to the store.
    progress
        As for ``ncs.analyze_files``.

    Raises
    ------
    FileAccessError
        When ``dest`` cannot be written.
    NcsError
        When one of the recordings cannot be analysed.
    """
    from ncs.batch import analyze_files
    from ncs.store import open_store

    folder = Path(dest)
    visits = simulate_study()
    paths = write_exports(visits, folder / "exports")
    with open_store(folder / "ncs.db") as store:
        summary = analyze_files(paths, store=store, progress=progress, jobs=1)  # too few files for processes
        if summary.failures:
            raise NcsError("\n".join(failure.message for failure in summary.failures))
        comparisons = tuple(_compare(store, simulated) for simulated in visits)
    return Demo(exports=folder / "exports", store=folder / "ncs.db", visits=visits, comparisons=comparisons)


def _compare(store: Store, simulated: SimulatedVisit) -> Comparison:
    subject, date = str(simulated.visit.subject), simulated.visit.date
    assert date is not None  # simulated visits have one
    truth = simulated.truth.studies[0].true_velocity_m_s
    assert truth is not None  # every simulated motor nerve responds
    frame = store.measurements(subject, date, nerve="median", quantity="motor_conduction_velocity")
    value, sd = (float(frame[name].iloc[0]) for name in ("value", "sd"))
    return Comparison(
        subject=subject,
        date=date,
        visit=1 + _DAYS.index((date - _FIRST_VISIT).days - 7 * list(_COURSES).index(subject)),
        measured_m_s=None if np.isnan(value) else value,
        sd_m_s=None if np.isnan(sd) else sd,
        true_m_s=truth,
    )
