"""``ncs formats``: which readers there are, what each format can carry, and the schema of the sidecar."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

__all__ = ["run"]


class FormatsOutput(StrEnum):
    """How the list is written."""

    TABLE = "table"
    JSON = "json"


def run(
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON schema of the sidecar file.")] = False,
    output: Annotated[FormatsOutput, typer.Option("--format", help="How to print.")] = FormatsOutput.TABLE,
) -> None:
    """List the file formats that can be read, and what each carries.

    Example: ncs formats --schema > ncs-sidecar.schema.json
    """
    from ncs.cli._output import print_json

    if schema:
        from ncs.io import sidecar_schema

        print_json(sidecar_schema())
    elif output is FormatsOutput.JSON:
        from dataclasses import asdict, replace

        from ncs.cli._documents import document
        from ncs.io import formats

        print_json(document(formats=[asdict(replace(info, carries=dict(info.carries))) for info in formats()]))
    else:
        _print_formats()


def _print_formats() -> None:
    from ncs.cli._output import clean, print_lines
    from ncs.io import formats

    for info in formats():
        remarks = [] if info.available else [f"cannot be used here: {info.reason}"]
        remarks += ["experimental"] if info.experimental else []
        remarks += [] if info.origin == "builtin" else [info.origin]
        print_lines(clean("  ".join([info.name, f"({', '.join(remarks)})"] if remarks else [info.name])))
        print_lines(f"  {clean(info.description)}", f"  usual endings    {clean(' '.join(info.extensions))}")
        print_lines(*(f"  {clean(what):<16} {clean(how)}" for what, how in info.carries.items()), "")
    print_lines(
        "The content decides, not the ending. What a format does not carry comes from a sidecar, FILE.ncs.json, or",
        "from a laboratory protocol (--protocol). The fields of a sidecar: ncs formats --schema",
    )
