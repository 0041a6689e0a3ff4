"""Pages written by verbs: one way to a file, and the same words when it cannot be written."""

from __future__ import annotations

from pathlib import Path

from ncs.errors import FileAccessError, Problem

__all__ = ["write_page"]


def write_page(name: str, text: str) -> None:
    """Write a page to a file and say so, or to stdout where the name is ``-``.

    Raises
    ------
    FileAccessError
        When the file cannot be written.
    """
    from ncs.cli._output import clean, print_error, print_lines
    from ncs.io._in_one_step import write_in_one_step

    if name == "-":
        print_lines(text.removesuffix("\n"))
        return
    try:
        write_in_one_step(Path(name), text.encode())
    except OSError as error:
        found = (error.strerror or str(error)).lower()
        folder = Path(name).parent
        hint = "Name another file with -o or --html." if folder.is_dir() else f"Make the folder {folder} first."
        problem = Problem(file=name, place="", field="", expected="a file that can be written", found=found, hint=hint)
        raise FileAccessError([problem]) from error
    print_error(f"{clean(name)}: written.")
