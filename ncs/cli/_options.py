"""Options that several verbs share, so that they mean and read the same everywhere."""

from __future__ import annotations

import shlex
from enum import StrEnum
from typing import Annotated

import typer

__all__ = ["DEFAULT_STORE", "NerveOption", "OutputFormat", "QuantityOption", "StoreOption", "command"]

DEFAULT_STORE = "ncs.db"

StoreOption = Annotated[
    str, typer.Option("--store", metavar="URL", help="Store of results: an SQLite file or postgresql://…")
]

NerveOption = Annotated[str, typer.Option("--nerve", metavar="NAME", help="Nerve.")]
QuantityOption = Annotated[
    str, typer.Option("--quantity", metavar="NAME", help="Quantity, as in ncs show --format csv.")
]


class OutputFormat(StrEnum):
    """How a verb writes its result."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


def command(*words: str, store: str) -> str:
    """Return a command that the user can type, with the store where it is not the usual one."""
    options = [] if store == DEFAULT_STORE else ["--store", store]
    return shlex.join(["ncs", *words, *options])
