"""Print the oldest versions that pyproject.toml allows, as pip's constraints: ``python tests/oldest.py EXTRA ...``."""

import re
import sys
import tomllib
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1] / "pyproject.toml"
_REQUIREMENT = re.compile(r"(?P<name>[\w.-]+)(\[[\w,-]+\])?>=(?P<version>[\d.]+)")


def constraints(extras):
    """One line per requirement of the project and of some of its extras, ``name==lower bound``."""
    project = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]
    wanted = [*project["dependencies"], *(one for extra in extras for one in project["optional-dependencies"][extra])]
    found = [_REQUIREMENT.fullmatch(one) for one in wanted if not one.startswith(f"{project['name']}[")]
    if None in found:
        sys.exit(f"pyproject.toml: expected NAME>=VERSION, found {wanted[found.index(None)]}")
    return sorted({f"{one['name']}=={one['version']}" for one in found})


if __name__ == "__main__":
    sys.stdout.write("\n".join(constraints(sys.argv[1:])) + "\n")
