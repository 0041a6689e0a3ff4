"""How a person says where the stimuli of a recording are: shared by sidecar and protocol. Import this module lazily.

What is done with it stands in ``_stimuli.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator

from ncs.io._settings import SettingsModel, SiteText, Text, site_text

__all__ = ["StimuliEntry", "TriggerEntry"]

_MOST_TIMES = 100_000


def _times(value: object) -> object:
    """Return ``(site, seconds)`` pairs as given: a number, a list, or a mapping from sites to either."""
    if isinstance(value, Mapping):
        return {site: _numbers(numbers) for site, numbers in value.items()}
    return {"": _numbers(value)}


def _numbers(value: object) -> tuple[float, ...]:
    values = list(value) if isinstance(value, (list, tuple)) else [value]
    numbers = [float(item) for item in values if isinstance(item, (int, float)) and not isinstance(item, bool)]
    if not values or len(numbers) != len(values) or not all(abs(number) < float("inf") for number in numbers):
        raise ValueError("a number, a list of numbers, or these by site")
    if len(numbers) > _MOST_TIMES:
        raise ValueError(f"at most {_MOST_TIMES} times")
    return tuple(numbers)


def _markers(value: object) -> object:
    if isinstance(value, (list, tuple)) and value and all(isinstance(item, str) and item.strip() for item in value):
        return {item.strip(): None for item in value}
    if isinstance(value, Mapping) and value:
        return {str(text).strip(): site for text, site in value.items()}
    raise ValueError("a list of texts, or texts with the stimulation site of each")


_NUMBER_LIST = {"anyOf": [{"type": "number"}, {"type": "array", "items": {"type": "number"}, "minItems": 1}]}
_TIMES_SCHEMA = {"anyOf": [*_NUMBER_LIST["anyOf"], {"type": "object", "additionalProperties": _NUMBER_LIST}]}
_MARKERS_SCHEMA = {
    "anyOf": [
        {"type": "array", "items": {"type": "string"}, "minItems": 1},
        {"type": "object", "additionalProperties": {"anyOf": [{"type": "string"}, {"type": "null"}]}},
    ]
}

SiteKey = Annotated[str, AfterValidator(lambda text: site_text(text) if text else text)]
Times = Annotated[dict[SiteKey, tuple[float, ...]], BeforeValidator(_times), WithJsonSchema(_TIMES_SCHEMA)]
Markers = Annotated[dict[Text, SiteText | None], BeforeValidator(_markers), WithJsonSchema(_MARKERS_SCHEMA)]


class TriggerEntry(SettingsModel):
    """How stimuli are marked in the files of a laboratory."""

    markers: Markers | None = None
    """Which annotations, markers, events or trigger codes are stimuli, as the file words them: a list, or a mapping
    that gives the stimulation site of each, such as `{"S 1": "wrist", "S 2": "elbow"}`. All others are not."""
    trigger_channel: Text | None = None
    """Label of the channel that holds the trigger: pulses, or codes (`Status` of a BDF file)."""
    threshold: float | None = None
    """Level of the trigger channel, in its own unit, that a pulse crosses; half of its height where not stated."""
    edge: Literal["rising", "falling"] | None = None
    """Which edge of the pulse is the stimulus; the one that leaves the resting level where not stated."""


class StimuliEntry(TriggerEntry):
    """Where the stimuli of a continuous recording are."""

    times_s: Times | None = Field(default=None)
    """Times of the stimuli after the first sample of the recording, s: a list, or a mapping from stimulation sites to
    lists, such as `{"wrist": [1.2, 2.2], "elbow": [5.1]}`."""
    times_ms: Times | None = Field(default=None)
    """The same in ms."""
    use: Literal["annotations", "trigger", "times"] | None = None
    """Which statement to use where there are several; without it annotations go before the trigger channel, and that
    before `times_s`."""

    def sites(self) -> dict[str, str]:
        """Return the stimulation sites that markers and times have, by the label of their stimuli."""
        named = {text: site for text, site in (self.markers or {}).items() if site is not None}
        timed = self.times_s if self.times_s is not None else self.times_ms
        return named | {site: site for site in timed or {} if site}

    @model_validator(mode="after")
    def _says_what_it_uses(self) -> StimuliEntry:
        if self.times_s is not None and self.times_ms is not None:
            raise ValueError("only one of `times_s` and `times_ms`")
        if self.use == "times" and self.times_s is None and self.times_ms is None:
            raise ValueError("`times_s` or `times_ms`, which `use` asks for")
        return self
