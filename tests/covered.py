"""The end of ``make coverage``: how much of each package the tests have reached, and whether that is enough.

Coverage counts lines and branches together; here each has to be enough by itself. What cannot run is named in
pyproject.toml, ``[tool.coverage.report]``, and left out.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

LEAST = 95.0
"""Per cent, of lines and of branches of each package."""


def shares(files: Mapping[str, Mapping[str, Mapping[str, int]]], package: str) -> tuple[float, float]:
    """Return how many per cent of the lines, and of the branches, of a package were reached.

    >>> files = {"ncs/io/a.py": {"summary": {"covered_lines": 3, "num_statements": 4, "covered_branches": 1,
    ...          "num_branches": 2}}}
    >>> shares(files, "ncs/io")
    (75.0, 50.0)
    """
    of_package = [file["summary"] for name, file in files.items() if Path(name).as_posix().startswith(f"{package}/")]
    pairs = (("covered_lines", "num_statements"), ("covered_branches", "num_branches"))
    lines, branches = ((sum(one[hit] for one in of_package), sum(one[of] for one in of_package)) for hit, of in pairs)
    return _percent(*lines), _percent(*branches)


def _percent(hit: int, of: int) -> float:
    return 100.0 * hit / of if of else 0.0


def table(report: str, packages: Iterable[str]) -> tuple[str, bool]:
    """Return the table of a JSON report of coverage, and whether every package has reached enough.

    >>> text, is_enough = table('{"files": {}}', ["ncs/io"])
    >>> is_enough
    False
    """
    files = json.loads(report)["files"]
    found = {package: shares(files, package) for package in packages}
    rows = [f"{'package':<20} {'lines':>7} {'branches':>9}"]
    rows += [f"{package:<20} {lines:6.1f}% {branches:8.1f}%" for package, (lines, branches) in found.items()]
    lacking = [package for package, both in found.items() if min(both) < LEAST]
    rows.append(f"below {LEAST:g} %: {', '.join(lacking)}" if lacking else f"all at least {LEAST:g} %")
    return "\n".join(rows), not lacking


if __name__ == "__main__":
    text, is_enough = table(sys.stdin.read(), sys.argv[1:])
    print(text)
    sys.exit(0 if is_enough else 1)
