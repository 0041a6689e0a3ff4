"""``ncs formats``: which readers there are, what each format can carry, and the schema of the sidecar."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ncs.io import FormatInfo

__all__ = ["run"]

_WIDTH = 16


class FormatsOutput(StrEnum):
    """How the list is written."""

    TABLE = "table"
    JSON = "json"


def run(
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON schema of the sidecar file.")] = False,
    output: Annotated[FormatsOutput, typer.Option("--format", help="How to print.")] = FormatsOutput.TABLE,
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
) -> None:
    """List the file formats that can be read, what each carries, and what is not read and how to get around it.

    Example: ncs formats --schema > ncs-sidecar.schema.json
    """
    from ncs.cli._output import print_json

    if schema:
        from ncs.io import sidecar_schema

        print_json(sidecar_schema())
    elif as_json or output is FormatsOutput.JSON:
        from dataclasses import asdict, replace

        from ncs.cli._documents import document
        from ncs.io import UNREAD, formats

        read = [asdict(replace(info, carries=dict(info.carries))) for info in formats()]
        print_json(document(formats=read, not_read=[asdict(each) for each in UNREAD]))
    else:
        _print_formats()


def _print_formats() -> None:
    from ncs.cli._output import clean, print_lines
    from ncs.io import UNREAD, formats

    for info in formats():
        remarks = _remarks(info)
        print_lines(clean("  ".join([info.name, f"({', '.join(remarks)})"] if remarks else [info.name])))
        print_lines(f"  {clean(info.description)}", _line("usual endings", " ".join(info.extensions)))
        print_lines(*(_line(what, how) for what, how in info.carries.items()), "")
    print_lines(
        "The content decides, not the ending. What a format does not carry comes from a sidecar, FILE.ncs.json, or",
        "from a laboratory protocol (--protocol). The fields of a sidecar: ncs formats --schema",
        "",
        "Not read, and what to do instead:",
        "",
    )
    for each in UNREAD:
        print_lines(clean("  ".join([each.name, *each.extensions])))
        print_lines(_line("why", each.reason), _line("instead", each.instead), "")


def _line(what: str, how: str) -> str:
    from ncs.cli._output import clean

    return f"  {clean(what):<{_WIDTH}} {clean(how)}"


def _remarks(info: FormatInfo) -> list[str]:
    remarks = [] if info.available else [f"cannot be used here: {info.reason}"]
    remarks += ["experimental"] if info.experimental else []
    return remarks if info.origin == "builtin" else [*remarks, info.origin]
