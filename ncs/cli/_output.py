"""How the command line writes: tables and JSON to stdout, everything else to stderr, nothing cut off.

Whatever came out of a file passes ``clean`` before it reaches a terminal. Verbs print through this module only.
"""

from __future__ import annotations

import json
import sys
from textwrap import indent
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.console import Console, RenderableType
    from rich.table import Table

__all__ = [
    "clean", "fits", "print_error", "print_json", "print_json_list", "print_lines", "print_table", "stderr", "stdout",
    "table",
]  # fmt: skip

_UNLIMITED = 100_000
"""Columns of a pipe: nothing is wrapped or cut where no eye is limited by a window."""
_END = "\n}"
_PLAIN = str.maketrans({"±": "+/-", "°": "", "…": "..."})


def clean(text: object) -> str:
    r"""Return text that a terminal can show without obeying it: control and invisible characters become spaces.

    >>> clean("S01\x1b[31m\n[bold]")
    'S01 [31m [bold]'
    """
    return "".join(letter if letter.isprintable() else " " for letter in str(text))


def stdout() -> Console:
    """Return the console for results."""
    return _console(sys.stdout)


def stderr() -> Console:
    """Return the console for progress and warnings."""
    return _console(sys.stderr)


def _console(stream: TextIO) -> Console:
    from rich.console import Console

    width = None if stream.isatty() else _UNLIMITED
    return Console(file=stream, width=width, highlight=False, markup=False, emoji=False)


def table(columns: Sequence[tuple[str, str]], rows: Iterable[Sequence[str]]) -> Table:
    """Return a table; columns are ``(heading, "left" | "right")``, cells plain text."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    made = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    for heading, justify in columns:
        made.add_column(Text(heading), justify="right" if justify == "right" else "left", overflow="fold")
    for row in rows:
        made.add_row(*(Text(clean(cell)) for cell in row))
    return made


def fits(renderable: RenderableType) -> bool:
    """Return whether stdout is wide enough to show a table without wrapping a cell."""
    from rich.measure import Measurement

    console = stdout()
    options = console.options.update(max_width=_UNLIMITED)
    return Measurement.get(console, options, renderable).maximum <= console.width


def print_table(renderable: RenderableType) -> None:
    """Print a table to stdout, without the blanks that would pad it to a rectangle."""
    console = stdout()
    with console.capture() as captured:
        console.print(renderable)
    print_lines(*(line.rstrip() for line in captured.get().splitlines()))


def print_lines(*lines: str) -> None:
    """Print lines to stdout; what its encoding lacks is written as an escape, never an error."""
    _write(sys.stdout, "".join(f"{line}\n" for line in lines))


def print_error(*lines: str) -> None:
    """Print plain lines to stderr."""
    sys.stdout.flush()
    _write(sys.stderr, "".join(f"{line}\n" for line in lines))


def _write(stream: TextIO, text: str) -> None:
    encoding = stream.encoding or "utf-8"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        text = text.translate(_PLAIN).encode(encoding, "backslashreplace").decode(encoding)
    stream.write(text)


def print_json(document: Any) -> None:
    """Print one JSON document to stdout; numbers that JSON does not know are refused, not written."""
    print_lines(_json(document))


def print_json_list(document: dict[str, Any], name: str, entries: Iterable[Any]) -> None:
    """Print one JSON object to stdout, with a list as its last member whose entries are made and written one by one."""
    print_lines(f"{_json(document).removesuffix(_END)},", f'  "{name}": [')
    last = None
    for entry in entries:
        if last is not None:
            print_lines(f"{last},")
        last = indent(_json(entry), "    ")
    if last is not None:
        print_lines(last)
    print_lines(f"  ]{_END}")


def _json(content: Any) -> str:
    return json.dumps(content, indent=2, ensure_ascii=True, allow_nan=False)
