"""The columns that ncs adds to BIDS tables: one row each, from which the data dictionary is written.

The same names are read back; a unit is part of a name, and stands in the dictionary as well.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from ncs.model import Direction, Side, Technique

__all__ = ["EVENT_COLUMNS", "STUDY_FIELDS", "TRACE_FIELDS", "Column", "dictionary"]


class Column(NamedTuple):
    """One column: what it means, its unit, and the values it can have."""

    name: str
    description: str
    units: str = ""
    levels: tuple[str, ...] = ()


STUDY_FIELDS = (
    Column("nerve", "Nerve that was stimulated."),
    Column("side", "Side of the body.", levels=tuple(Side)),
    Column("technique", "Kind of nerve conduction study.", levels=tuple(Technique)),
    Column("direction", "Direction of the impulse in a sensory study.", levels=tuple(Direction)),
    Column("recording_site", "Place of the active recording electrode."),
    Column("skin_temperature_c", "Skin temperature.", "degree Celsius"),
    Column("temperature_site", "Where the skin temperature was taken."),
)
TRACE_FIELDS = (
    Column("stimulation_site", "Place of the stimulating cathode, without the side."),
    Column("distance_mm", "Length along the nerve from the cathode to the active recording electrode.", "mm"),
    Column("pulse_duration_ms", "Duration of the stimulus pulse.", "ms"),
    Column("averaged_count", "How many responses the recorder averaged into this sweep."),
)
EVENT_COLUMNS = (
    Column("onset", "Time of the stimulus after the first sample of the file.", "s"),
    Column("duration", "Duration of the stimulus pulse; n/a where it is not known.", "s"),
    Column("trial_type", "What happened: an electrical stimulus of a nerve.", levels=("stimulus",)),
    Column("stimulus_label", "Text of the stimulus annotation in the EDF file; equal texts are equal stimuli."),
    Column("sweep_onset", "Time of the first sample of the sweep (data record) after that of the file.", "s"),
    *STUDY_FIELDS,
    *TRACE_FIELDS,
    Column("intensity_ma", "Stimulus current.", "mA"),
    Column("intensity_v", "Stimulus voltage.", "V"),
)


def dictionary(columns: tuple[Column, ...]) -> dict[str, Any]:
    """Return the content of the JSON file that explains columns."""
    explained: dict[str, Any] = {}
    for column in columns:
        entry: dict[str, Any] = {"Description": column.description}
        if column.units:
            entry["Units"] = column.units
        if column.levels:
            entry["Levels"] = {str(level): str(level).replace("_", " ") for level in column.levels}
        explained[column.name] = entry
    return explained
