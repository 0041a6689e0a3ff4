"""Marks to numbers: one module per technique, what they share in ``_study``."""

from typing import Final

__all__ = ["MEASURE_VERSION"]

MEASURE_VERSION: Final = 1
"""Raised whenever the same marks can give another number."""
