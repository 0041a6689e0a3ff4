"""Marks to numbers: one module per technique, what they share in ``_study`` and ``_technique``.

A module of this package that holds a ``TECHNIQUE`` is a technique; nothing else has to name it.
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ncs.measure._technique import TechniqueMeasures
    from ncs.model import Technique

__all__ = ["MEASURE_VERSION", "techniques"]

MEASURE_VERSION: Final = 3
"""Raised whenever the same marks can give another number."""


@cache
def techniques() -> Mapping[Technique, TechniqueMeasures]:
    """Return every technique that can be measured, by its name in the model."""
    found = {}
    for module in pkgutil.iter_modules(__path__):
        if not module.name.startswith("_"):
            technique: TechniqueMeasures = importlib.import_module(f"{__name__}.{module.name}").TECHNIQUE
            found[technique.technique] = technique
    return MappingProxyType(found)
