"""How far each quantity may move before it is a breach: the one table, and what it means for the marks of a sweep.

``fixtures/reference/tolerances.json`` is this table as a file. A set may have another one; see ``docs/check.md``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from ncs._expectations import Tolerances, mark_unit
from ncs.quantities import QUANTITIES

__all__ = ["tolerances_of_marks", "tolerances_text", "usual_tolerances"]

_PER_UNIT: Final = MappingProxyType(
    {"ms": 0.02, "uV.ms": 60.0, "uV": 20.0, "m/s": 0.3, "1": 0.01, "%": 0.5, "mA": 0.05, "Hz": 0.01, "%/mA": 0.5}
)
"""A fifth to a tenth of what a careful reader of the screen would notice."""
_PER_QUANTITY: Final = MappingProxyType({
    "sensory_onset_latency": 0.01, "sensory_peak_latency": 0.01, "mixed_onset_latency": 0.01,
    "mixed_peak_latency": 0.01, "snap_amplitude": 0.2, "snap_peak_to_peak_amplitude": 0.4, "mixed_amplitude": 0.2,
    "mixed_peak_to_peak_amplitude": 0.4, "f_amplitude": 5.0, "f_minimum_latency": 0.05, "f_mean_latency": 0.05,
    "f_median_latency": 0.05, "f_maximum_latency": 0.05, "f_chronodispersion": 0.1, "h_latency": 0.05,
    "h_minimum_latency": 0.05, "blink_r1_latency": 0.1, "blink_r2_ipsilateral_latency": 0.2,
    "blink_r2_ipsilateral_median_latency": 0.2, "blink_r2_contralateral_latency": 0.2,
    "blink_r2_contralateral_median_latency": 0.2, "f_stimuli": 0.5, "f_repeats": 0.5, "f_a_wave_sweeps": 0.5,
    "scan_step_count": 0.5, "scan_d50": 0.5,
})  # fmt: skip
_MARKS: Final = MappingProxyType(
    {"onset_ms": 0.02, "peak_ms": 0.02, "end_ms": 0.05, "trough_ms": 0.05, "peak_uv": 20.0}
)

_OF_RESPONSE: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType({
    "cmap": {"onset_ms": "motor_latency", "peak_uv": "cmap_amplitude"},
    "snap": {
        "onset_ms": "sensory_onset_latency", "peak_ms": "sensory_peak_latency", "peak_uv": "snap_amplitude",
        "peak_to_peak_uv": "snap_peak_to_peak_amplitude",
    },
    "f_wave": {"onset_ms": "f_mean_latency", "peak_uv": "f_amplitude", "peak_to_peak_uv": "f_amplitude"},
    "h_reflex": {"onset_ms": "h_latency", "peak_uv": "h_maximum_amplitude", "peak_to_peak_uv": "h_maximum_amplitude"},
    "r1": {"onset_ms": "blink_r1_latency", "peak_uv": "blink_r1_amplitude", "peak_to_peak_uv": "blink_r1_amplitude"},
    "r2": {"onset_ms": "blink_r2_ipsilateral_latency"},
})  # fmt: skip
"""Fields of a mark whose tolerance, in a response of this kind, is that of a quantity."""
_AS: Final = MappingProxyType({
    "onset_sd_ms": "onset_ms", "peak_sd_ms": "peak_ms", "last_end_ms": "end_ms", "peak_sd_uv": "peak_uv",
    "trough_uv": "peak_uv", "baseline_uv": "peak_uv", "noise_uv": "peak_uv", "peak_threshold_uv": "peak_uv",
    "peak_to_peak_sd_uv": "peak_to_peak_uv", "area_sd_uv_ms": "area_uv_ms", "duration_sd_ms": "duration_ms",
    "total_duration_ms": "duration_ms",
})  # fmt: skip
"""Fields that may move as far as another one."""


def usual_tolerances() -> Tolerances:
    """Return the tolerances of the reference set."""
    return Tolerances(
        measurements={
            name: _PER_QUANTITY.get(name, _PER_UNIT[row.unit])
            for name, row in QUANTITIES.items()
            if row.unit in _PER_UNIT
        },
        marks=dict(_MARKS),
    )


def tolerances_text() -> str:
    """Return the tolerances of the reference set as the text of ``tolerances.json``, one line each."""
    usual = usual_tolerances()
    tables: dict[str, dict[str, dict[str, float | str | None]]] = {
        "measurements": {n: {"tolerance": t, "unit": QUANTITIES[n].unit} for n, t in usual.measurements.items()},
        "marks": {name: {"tolerance": most, "unit": mark_unit(name)} for name, most in usual.marks.items()},
    }
    parts = []
    for section, rows in tables.items():
        lines = ",\n".join(f"  {json.dumps(name)}: {json.dumps(row)}" for name, row in rows.items())
        parts.append(f' "{section}": {{\n{lines}\n }}')
    return '{\n "ncs_tolerances": 1,\n' + ",\n".join(parts) + "\n}\n"


def tolerances_of_marks(tolerances: Tolerances, response: str | None = None) -> dict[str, float]:
    """Return how far each field of `ncs.detect.Marks` may move.

    Parameters
    ----------
    tolerances
        Of a set.
    response
        What was marked, a key of ``ncs.detect.RESPONSES``: a sensory response is a thousandth of a motor one, and may
        move less. ``None`` takes the set's table of marks as it stands.

    Returns
    -------
    dict
        By field, in the unit that its name ends in. What the set says nothing about is absent: it may not move.
    """
    of = tolerances.measurements
    named = {"peak_to_peak_uv": "cmap_peak_to_peak_amplitude", "duration_ms": "cmap_duration"}
    named |= _OF_RESPONSE.get(response or "", {})
    found = dict(tolerances.marks) | {field: of[quantity] for field, quantity in named.items() if quantity in of}
    if "cmap_area" in of and of.get("cmap_amplitude") and "peak_uv" in found:
        # an area of a smaller response may move less, by as much as its height
        found["area_uv_ms"] = of["cmap_area"] / of["cmap_amplitude"] * found["peak_uv"]
    return found | {field: found[other] for field, other in _AS.items() if other in found}
