"""Tables for other programs: what a store holds as CSV or Parquet, with a dictionary of every column.

``_columns`` says what every column means, ``_wide`` lays measurements side by side, ``_files`` writes one table and
``_folder`` decides whether a folder may be written to. ``tables`` puts them together; ``reading`` reads them back.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ncs.export.reading import read_table
    from ncs.export.tables import WrittenTable, write_csv, write_parquet

_HOMES = {
    "WrittenTable": "ncs.export.tables",
    "read_table": "ncs.export.reading",
    "write_csv": "ncs.export.tables",
    "write_parquet": "ncs.export.tables",
}

__all__ = ["WrittenTable", "read_table", "write_csv", "write_parquet"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'ncs.export' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
