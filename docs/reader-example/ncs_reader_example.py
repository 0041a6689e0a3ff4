"""A reader of ncs in a package of its own: sweeps as counts of a converter, below a few lines of header.

::

    COUNTS 1
    rate 20000 Hz
    unit 0.5 uV
    channel R APB
    stimulus 2.0 ms
    0 1 -3 250 ...
    0 2 -1 248 ...
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import numpy as np

from ncs.errors import Problem, ReadError
from ncs.io import ReadRequest
from ncs.model import Calibration, Origin, Provenance, Study, Subject, Trace, Visit

_MARK = b"COUNTS 1\n"
_NUMBERS = {"rate": "Hz", "unit": "uV", "stimulus": "ms"}
_REQUIRED = ("rate", "unit")


class CountsReader:
    """The reader; ``ncs.io.Reader`` says what it must have."""

    name = "counts"
    description = "Counts of a converter below a few lines of header (example of a reader)"
    extensions: tuple[str, ...] = (".counts",)
    carries: Mapping[str, str] = MappingProxyType(
        {
            "waveforms": "yes",
            "site": "no",
            "distance": "no",
            "intensity": "no",
            "units": "yes",
            "filters": "no",
            "stimulus time": "yes",
            "temperature": "no",
        }
    )
    experimental = True

    def sniff(self, head: bytes, path: Path) -> float:  # noqa: ARG002  # part of the contract
        """Return 1 for content that begins as the format does: the content decides, not the name."""
        return 1.0 if head.startswith(_MARK) else 0.0

    def read(self, request: ReadRequest) -> Visit:
        """Return what the file states, and nothing else; raise once, with everything that is wrong."""
        file = _File(str(request.path))
        for number, line in enumerate(request.content.decode("utf-8", "replace").splitlines()[1:], start=2):
            if line.strip():
                file.take(number, line.strip())
        for key in _REQUIRED:
            if not 0 < file.header.get(key, 0.0) < 1e9:
                file.fault(0, key, f"a number of {_NUMBERS[key]} above 0", f"{file.header.get(key, 'nothing')}")
        if len({len(row) for row in file.rows}) != 1:
            file.fault(0, "sweeps", "sweeps of one length", f"{len(file.rows)} sweeps")
        if file.problems:
            raise ReadError(file.problems)
        return Visit(subject=Subject(), date=None, studies=(Study(traces=(file.trace(),)),))


COUNTS = CountsReader()


@dataclass
class _File:
    """What was found so far."""

    name: str
    header: dict[str, float] = field(default_factory=dict)
    channel: str = ""
    rows: list[list[int]] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def fault(self, line: int, key: str, expected: str, found: str) -> None:
        place = f"line {line}" if line else ""
        self.problems.append(Problem(file=self.name, place=place, field=key, expected=expected, found=found))

    def take(self, number: int, line: str) -> None:
        """Take one line."""
        key, _, rest = line.partition(" ")
        if key == "channel":
            self.channel = rest.strip()
        elif key in _NUMBERS:
            value, _, unit = rest.strip().partition(" ")
            self.header[key] = 1.0  # stated, even if wrongly: one fault is enough
            try:
                self.header[key] = float(value)
            except ValueError:
                self.fault(number, key, "a number", repr(value[:20]))
            if unit != _NUMBERS[key]:
                self.fault(number, key, f"the unit {_NUMBERS[key]}", repr(unit[:20]))
        else:
            try:
                self.rows.append([int(cell) for cell in line.split()])
            except ValueError:
                self.fault(number, "sweep", "whole numbers", repr(line[:20]))

    def trace(self) -> Trace:
        """Return the sweeps in microvolts, and where every field is from."""
        stimulus = self.header.get("stimulus")
        stated = ["samples_uv", "sampling_rate_hz", "calibration", "channel"]
        return Trace(
            samples_uv=(np.array(self.rows, np.float64) * self.header["unit"]).astype(np.float32),
            sampling_rate_hz=self.header["rate"],
            stimulus_ms=None if stimulus is None else np.full(len(self.rows), stimulus),
            calibration=Calibration(unit="uV"),
            channel=self.channel,
            provenance=Provenance(
                dict.fromkeys(stated + (["stimulus_ms"] if stimulus is not None else []), Origin.FILE)
            ),
        )
