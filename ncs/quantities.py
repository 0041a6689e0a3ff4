"""The one table of everything ncs measures: name, unit, definition, source.

A new quantity is one row here and one function in ``ncs.measure``. Names are stored in databases: never rename a row.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

__all__ = ["QUANTITIES", "Quantity", "quantity"]

_BUSCHBACHER = "Buschbacher & Prahlow, Manual of Nerve Conduction Studies, 2nd ed. (cited second-hand)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantity:
    """One measurable quantity.

    Parameters
    ----------
    name
        The stored name.
    unit
        Unit of the value and of its standard deviation; ``"1"`` for a ratio.
    label
        Short heading for tables.
    definition
        What is measured, in one sentence.
    source
        Where the definition comes from.
    per
        ``"site"``, ``"segment"`` or ``"study"``.
    decimals
        Digits after the point when printed in ``display_unit``.
    display_unit, display_factor
        Unit for printing, and what a value is multiplied with to get there.
    """

    name: str
    unit: str
    label: str
    definition: str
    source: str
    per: str
    decimals: int
    display_unit: str = ""
    display_factor: float = 1.0

    def __post_init__(self) -> None:
        if not self.display_unit:
            object.__setattr__(self, "display_unit", self.unit)


_ROWS = (
    Quantity(
        name="onset_latency", unit="ms", label="latency", per="site", decimals=2,
        definition="Time from the stimulus to the onset of a response; stands where no technique is given.",
        source="ncs",
    ),
    Quantity(
        name="motor_latency", unit="ms", label="latency", per="site", decimals=2,
        definition="Time from the stimulus to the onset of the CMAP (2 % of its negative peak).",
        source="Preston & Shapiro, Electromyography and Neuromuscular Disorders (cited second-hand)",
    ),
    Quantity(
        name="distal_motor_latency", unit="ms", label="DML", per="site", decimals=2,
        definition="Motor latency from the stimulation site nearest to the recording electrode.",
        source="Preston & Shapiro, Electromyography and Neuromuscular Disorders (cited second-hand)",
    ),
    Quantity(
        name="cmap_amplitude", unit="uV", label="amplitude", per="site", decimals=2,
        definition="CMAP amplitude from baseline to the negative peak.",
        source="Bio-protocol 8962572", display_unit="mV", display_factor=1e-3,
    ),
    Quantity(
        name="cmap_peak_to_peak_amplitude", unit="uV", label="p-p", per="site", decimals=2,
        definition="CMAP amplitude from the negative peak to the positive peak that follows it.",
        source="AAN 1991 criteria, which use it", display_unit="mV", display_factor=1e-3,
    ),
    Quantity(
        name="cmap_area", unit="uV.ms", label="area", per="site", decimals=1,
        definition="Area of the negative peak, from onset to its first return to baseline.",
        source=_BUSCHBACHER, display_unit="mV.ms", display_factor=1e-3,
    ),
    Quantity(
        name="cmap_duration", unit="ms", label="duration", per="site", decimals=1,
        definition="Duration of the negative peak, from onset to its first return to baseline.",
        source=_BUSCHBACHER,
    ),
    Quantity(
        name="cmap_total_duration", unit="ms", label="total dur.", per="site", decimals=1,
        definition=(
            "Time from the onset of the first negative peak to the return to baseline of the last negative peak; the "
            "voltage below which a peak is not counted is stated in the method of every value."
        ),
        source="PMC8108415",
    ),
    Quantity(
        name="cmap_amplitude_ratio", unit="1", label="ampl. p/d", per="segment", decimals=2,
        definition="Proximal over distal CMAP amplitude (baseline to negative peak).", source="PMID 8159178",
    ),
    Quantity(
        name="cmap_area_ratio", unit="1", label="area p/d", per="segment", decimals=2,
        definition="Proximal over distal negative-peak area.", source="PMID 8159178",
    ),
    Quantity(
        name="cmap_duration_ratio", unit="1", label="dur. p/d", per="segment", decimals=2,
        definition="Proximal over distal negative-peak duration.", source="PMID 8159178",
    ),
    Quantity(
        name="motor_conduction_velocity", unit="m/s", label="MCV", per="segment", decimals=1,
        definition="Distance between two stimulation sites over the difference of their motor latencies.",
        source="Preston & Shapiro, Electromyography and Neuromuscular Disorders (cited second-hand)",
    ),
    Quantity(
        name="terminal_latency_index", unit="1", label="TLI", per="study", decimals=2,
        definition=(
            "Distal distance over the product of the velocity of the next segment and the distal motor latency; "
            "limits hold only for the distal distance they were made with."
        ),
        source="JNNP 2012;83:476",
    ),
    Quantity(
        name="residual_latency", unit="ms", label="residual", per="study", decimals=2,
        definition="Distal motor latency minus distal distance over the velocity of the next segment.",
        source="recalled, provisional",
    ),
    Quantity(
        name="sensory_onset_latency", unit="ms", label="onset", per="site", decimals=2,
        definition="Time from the stimulus to the onset of the SNAP (2 % of its negative peak).", source=_BUSCHBACHER,
    ),
    Quantity(
        name="sensory_peak_latency", unit="ms", label="peak", per="site", decimals=2,
        definition="Time from the stimulus to the negative peak of the SNAP; limits hold only for their distance.",
        source=_BUSCHBACHER,
    ),
    Quantity(
        name="snap_amplitude", unit="uV", label="amplitude", per="site", decimals=1,
        definition="SNAP amplitude from baseline (onset) to the negative peak.", source=_BUSCHBACHER,
    ),
    Quantity(
        name="snap_peak_to_peak_amplitude", unit="uV", label="p-p", per="site", decimals=1,
        definition="SNAP amplitude from the negative peak to the positive peak that follows it.", source=_BUSCHBACHER,
    ),
    Quantity(
        name="sensory_conduction_velocity", unit="m/s", label="SCV", per="segment", decimals=1,
        definition=(
            "Distance from the stimulation site to the recording electrode over the onset latency, or, for a segment "
            "between two stimulation sites, their distance over the difference of the onset latencies."
        ),
        source=_BUSCHBACHER,
    ),
)  # fmt: skip

QUANTITIES: MappingProxyType[str, Quantity] = MappingProxyType({row.name: row for row in _ROWS})


def quantity(name: str) -> Quantity:
    """Return one row of the table.

    Raises
    ------
    KeyError
        When there is no such quantity.

    Examples
    --------
    >>> quantity("motor_conduction_velocity").unit
    'm/s'
    """
    return QUANTITIES[name]
