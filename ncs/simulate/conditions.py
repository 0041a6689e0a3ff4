"""The five named conditions in which onset detectors are compared; the benchmark and the documentation cite them.

Never change a condition: add one, so that published figures keep their meaning.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from ncs.simulate.contamination import Contamination
from ncs.simulate.sweeps import Cmap, SimulatedSweeps, cmap

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ncs.simulate._bank import Population
    from ncs.simulate._ranges import Seed

__all__ = ["CONDITIONS", "Condition"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One condition: what the responses are like, and what is added to them.

    Parameters
    ----------
    name
        Key in `CONDITIONS`.
    description
        One line for tables.
    response, contamination
        As `cmap` takes them.
    """

    name: str
    description: str
    response: Cmap
    contamination: Contamination

    def sweeps(
        self, n_sweeps: int, *, seed: Seed, population: Population = "train", sampling_rate_hz: float = 20_000.0
    ) -> SimulatedSweeps:
        """Return sweeps of 50 ms of this condition, stimulus at 2 to 5 ms.

        Parameters
        ----------
        n_sweeps, seed, population, sampling_rate_hz
            As in `cmap`.
        """
        return cmap(
            n_sweeps, seed=seed, sampling_rate_hz=sampling_rate_hz, stimulus_ms=(2.0, 5.0), response=self.response,
            contamination=self.contamination, population=population,
        )  # fmt: skip


_TABLE = (
    Condition(
        name="8mV_10uV",
        description="8 mV, 10 uV noise, no artefact",
        response=Cmap(amplitude_uv=8000.0),
        contamination=Contamination(noise_uv=10.0),
    ),
    Condition(
        name="8mV_10uV_tail",
        description="8 mV, 10 uV noise, artefact tail",
        response=Cmap(amplitude_uv=8000.0),
        contamination=Contamination(
            noise_uv=10.0, artefact_uv=(2000.0, 10_000.0), tail_uv=(100.0, 1000.0), tail_ms=(0.5, 3.0)
        ),
    ),
    Condition(
        name="1mV_10uV_tail",
        description="1 mV, 10 uV noise, artefact tail",
        response=Cmap(amplitude_uv=1000.0),
        contamination=Contamination(
            noise_uv=10.0, artefact_uv=(1000.0, 5000.0), tail_uv=(30.0, 300.0), tail_ms=(0.5, 3.0)
        ),
    ),
    Condition(
        name="0.3mV_10uV_tail_mains",
        description="0.3 mV, 10 uV noise, artefact tail, mains",
        response=Cmap(amplitude_uv=300.0),
        contamination=Contamination(
            noise_uv=10.0, artefact_uv=(1000.0, 5000.0), tail_uv=(30.0, 300.0), tail_ms=(0.5, 3.0),
            mains_uv=(5.0, 15.0),
        ),
    ),
    Condition(
        name="1mV_50uV_tail_mains_drift",
        description="1 mV, 50 uV noise, artefact tail, mains, drift",
        response=Cmap(amplitude_uv=1000.0),
        contamination=Contamination(
            noise_uv=50.0, artefact_uv=(1000.0, 5000.0), tail_uv=(30.0, 300.0), tail_ms=(0.5, 3.0),
            mains_uv=(10.0, 40.0), drift_uv=50.0,
        ),
    ),
)  # fmt: skip

CONDITIONS: Mapping[str, Condition] = MappingProxyType({row.name: row for row in _TABLE})
