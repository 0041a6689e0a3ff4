"""Reader of Axon ``.abf`` files (ABF1 and ABF2), through pyabf: an episode is a sweep, a tag is an annotation."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from ncs.io._continuous import Channel, Recording, attempt, to_visit
from ncs.io._faults import Faults
from ncs.io._stimuli import Mark

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from ncs.io._recording import ReadRequest
    from ncs.model import Visit

__all__ = ["ABF", "AbfReader"]

_GAP_FREE = 3
_DIGITAL_OUTPUTS = 8
_CARRIES = MappingProxyType(
    {
        "waveforms": "yes",
        "site": "no",
        "distance": "no",
        "intensity": "no",
        "units": "yes",
        "filters": "no",
        "stimulus time": "tag, trigger channel, digital output",
        "temperature": "no",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AbfReader:
    """Reader of Axon binary files; see ``ncs.io._recording.Reader``."""

    name: str = "abf"
    description: str = "Axon ABF1 and ABF2 recordings, through pyabf"
    extensions: tuple[str, ...] = (".abf",)
    carries: Mapping[str, str] = field(default_factory=lambda: _CARRIES)
    experimental: bool = False
    requires: tuple[str, ...] = ("pyabf",)

    def sniff(self, head: bytes, path: Path) -> float:
        """Return 1 for content that starts as an ABF file does."""
        del path
        return 1.0 if head[:4] in {b"ABF ", b"ABF2"} else 0.0

    def read(self, request: ReadRequest) -> Visit:
        """Read a recording.

        Raises
        ------
        ReadError
            With everything that is wrong with the file.
        """
        faults = Faults(file=str(request.path))
        recording = attempt("pyabf", faults, lambda: _recording(request.path))
        return to_visit([recording] if recording is not None else [], request, faults)


ABF = AbfReader()


def _recording(path: Path) -> Recording:
    import pyabf

    source = pyabf.ABF(str(path))
    points = int(source.data.shape[1])
    is_episodic = int(source.nOperationMode) != _GAP_FREE
    lengths = _lengths(source, points) if is_episodic else (points,)
    onsets = tuple(float(n) / source.dataRate for n in np.cumsum((0, *lengths[:-1])))
    marks = tuple(
        Mark(repr(float(second)), str(text).strip(), f"tag {number}")
        for number, (second, text) in enumerate(zip(source.tagTimesSec, source.tagComments, strict=True), start=1)
    )
    names = zip(source.adcNames, source.adcUnits, strict=True)
    channels = [
        Channel(label=str(name).strip(), unit=str(unit).strip(), rate_hz=float(source.dataRate), lengths=lengths,
                values=_samples(source, index))
        for index, (name, unit) in enumerate(names)
    ]  # fmt: skip
    channels += _digital_outputs(source, lengths) if is_episodic else ()
    return Recording(
        channels=tuple(channels), library="pyabf",
        onsets_s=onsets, marks=() if is_episodic else marks, is_episodic=is_episodic,
        date=_date(source),
    )  # fmt: skip


def _lengths(source: Any, points: int) -> tuple[int, ...]:
    sweeps = max(1, int(source.sweepCount))
    return (points // sweeps,) * sweeps


def _samples(source: Any, index: int) -> Callable[[], NDArray[np.float64]]:
    return lambda: np.asarray(source.data[index], np.float64)


def _digital_outputs(source: Any, lengths: tuple[int, ...]) -> Iterator[Channel]:
    """Yield the digital outputs that the protocol switches; one of them may have fired the stimulator."""
    for output in range(_DIGITAL_OUTPUTS):
        waves = []
        for sweep in source.sweepList:
            source.setSweep(sweep)
            wave = source.sweepD(output)
            waves.append(np.zeros(lengths[0]) if wave is None else np.asarray(wave, np.float64))
        levels = np.concatenate(waves)
        if levels.any() and len(levels) == sum(lengths):
            yield Channel(
                label=f"digital output {output}", unit="", rate_hz=float(source.dataRate), lengths=lengths,
                values=lambda levels=levels: levels, is_digital=True,  # type: ignore[misc]
            )  # fmt: skip


def _date(source: Any) -> dt.date | None:
    """Return the date of the recording; pyabf puts 1970 or earlier where the file states none."""
    started = source.abfDateTime
    return started.date() if hasattr(started, "date") and started.year > 1980 else None
