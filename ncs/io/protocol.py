"""The protocol file: what a laboratory does the same way every time (TOML).

Its values fill only what file and sidecar leave open, and carry ``Origin.PROTOCOL``. A new field goes here, into
``_complete.py``, and into docs/protocol.md. Import this module lazily.
"""

from __future__ import annotations

import itertools
import re
import tomllib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from ncs.errors import Problem, SidecarError
from ncs.io._settings import (
    LowerText,
    SettingsModel,
    SideText,
    SiteText,
    TechniqueText,
    Text,
    path_text,
    read_settings_bytes,
    validate,
    whole_number,
)
from ncs.io._stimuli import is_same_marker
from ncs.io._stimulus_settings import TriggerEntry

if TYPE_CHECKING:
    import os

__all__ = ["PROTOCOL_VERSION", "ChannelEntry", "Protocol", "ProtocolStudy", "load_protocol"]

PROTOCOL_VERSION = 1


class ChannelEntry(SettingsModel):
    """What a channel label of the laboratory's machine means."""

    nerve: LowerText | None = None
    """Nerve, such as `median`."""
    side: SideText | None = None
    """Side of the body: `left` or `right`."""
    technique: TechniqueText | None = None
    """`motor`, `sensory`, `mixed`, `f_wave`, `h_reflex`, `repetitive_stimulation`, `blink_reflex`, `inching` or
    `cmap_scan`."""
    recording_site: Text | None = None
    """Where the active recording electrode is, such as `APB`."""


class ProtocolStudy(SettingsModel):
    """How the laboratory does one study."""

    nerve: LowerText
    """Nerve, such as `median`."""
    technique: TechniqueText
    """`motor`, `sensory`, `mixed`, `f_wave`, `h_reflex`, `repetitive_stimulation`, `blink_reflex`, `inching` or
    `cmap_scan`."""
    recording_site: Text | None = None
    """Restricts the entry to one recording site."""
    sites: tuple[SiteText, ...] = Field(strict=False, min_length=1)
    """Stimulation sites from distal to proximal."""
    distances_mm: dict[SiteText, Annotated[float, Field(gt=0)]] = Field(default_factory=dict)
    """Fixed distance from the cathode to the active recording electrode, by site, mm."""
    stimulus_labels: dict[Text, SiteText] = Field(default_factory=dict)
    """Site that a stimulus label means in this study; goes before the laboratory's general `stimulus_labels`."""
    temperature_site: Text | None = None
    """Where the laboratory takes the skin temperature."""

    @model_validator(mode="after")
    def _sites_agree(self) -> ProtocolStudy:
        if len(set(self.sites)) != len(self.sites):
            raise ValueError("each site once in `sites`")
        unknown = sorted({*self.distances_mm, *self.stimulus_labels.values()} - set(self.sites))
        if unknown:
            raise ValueError(
                f"every site of `distances_mm` and `stimulus_labels` in `sites`, and {unknown[0]!r} is not"
            )
        lengths = [self.distances_mm[site] for site in self.sites if site in self.distances_mm]
        if any(proximal <= distal for distal, proximal in itertools.pairwise(lengths)):
            raise ValueError("distances that rise from the distal to the proximal site")
        return self


class Protocol(SettingsModel):
    """A laboratory's habits."""

    ncs_protocol: Annotated[Literal[1], BeforeValidator(whole_number)]
    """Version of this format: 1."""
    name: Text | None = None
    """Name of the protocol; not used by ncs."""
    distance_sd_mm: Annotated[float, Field(ge=0)] | None = None
    """Standard deviation of the laboratory's tape measurement of one distance, mm."""
    channels: dict[Text, ChannelEntry] = Field(default_factory=dict)
    """What each channel label means; letters' case does not count."""
    stimulus_labels: dict[Text, SiteText] = Field(default_factory=dict)
    """Site that each stimulus label means; letters' case does not count."""
    stimuli: TriggerEntry | None = None
    """How stimuli are marked in the laboratory's continuous recordings."""
    studies: tuple[ProtocolStudy, ...] = Field(default=(), strict=False)
    """Order of the sites and fixed distances, by nerve and technique."""

    @model_validator(mode="after")
    def _studies_differ(self) -> Protocol:
        keys = [(study.nerve, study.technique, (study.recording_site or "").casefold()) for study in self.studies]
        twice = next((key for key in keys if keys.count(key) > 1), None)
        if twice is not None:
            raise ValueError(
                f"one entry for each nerve, technique and recording site, and {' '.join(twice).strip()} has two"
            )
        return self

    def channel(self, label: str) -> ChannelEntry | None:
        """Return what a channel label means, or ``None``."""
        return next(
            (entry for name, entry in self.channels.items() if name.casefold() == label.strip().casefold()), None
        )

    def study(self, nerve: str | None, technique: str | None, recording_site: str | None) -> ProtocolStudy | None:
        """Return the entry of a study; one that names the recording site goes before one that does not."""
        fitting = [
            s for s in self.studies if nerve is not None and (s.nerve, s.technique) == (nerve.lower(), technique)
        ]
        here = (recording_site or "").casefold()
        exact = [s for s in fitting if s.recording_site is not None and s.recording_site.casefold() == here]
        return next(iter([*exact, *(s for s in fitting if s.recording_site is None)]), None)

    def site_of_label(self, label: str, study: ProtocolStudy | None) -> str | None:
        """Return the site that a stimulus label means, or ``None``."""
        markers = self.stimuli.markers if self.stimuli is not None else None
        for table in (study.stimulus_labels if study is not None else {}, self.stimulus_labels, markers or {}):
            for name, site in table.items():
                if site is not None and is_same_marker(name, label):
                    return site
        return None


def load_protocol(source: str | os.PathLike[str] | Mapping[str, Any] | Protocol) -> Protocol:
    """Return a checked protocol.

    Parameters
    ----------
    source
        A path of a TOML file, the content as a mapping, or a protocol (returned as it is).

    Raises
    ------
    SidecarError
        With every mistake at once.
    FileAccessError
        When the file cannot be opened.
    InvalidInputError
        When ``source`` is nothing of the kind.

    Examples
    --------
    >>> lab = load_protocol({"ncs_protocol": 1, "stimulus_labels": {"StimA": "wrist"}})
    >>> lab.site_of_label("stima", None)
    'wrist'
    """
    if isinstance(source, Protocol):
        return source
    if isinstance(source, Mapping):
        return validate(Protocol, source, file="protocol", version_key="ncs_protocol", version=PROTOCOL_VERSION)
    file = path_text(source, "protocol")
    content = _parse_toml(read_settings_bytes(source, "protocol"), file)
    return validate(Protocol, content, file=file, version_key="ncs_protocol", version=PROTOCOL_VERSION)


def _parse_toml(content: bytes, file: str) -> dict[str, Any]:
    try:
        return tomllib.loads(content.decode("utf-8-sig").replace("\r\n", "\n"))
    except UnicodeDecodeError as error:
        place, expected, found = f"byte {error.start}", "UTF-8 text", "other bytes"
    except tomllib.TOMLDecodeError as error:
        match = re.fullmatch(r"(.*) \(at (line \d+, column \d+|end of document)\)", str(error), re.DOTALL)
        place, words = (match[2], match[1]) if match else ("", str(error))
        expected, found = "TOML", words[:1].lower() + words[1:]
    except (ValueError, RecursionError) as error:
        place, expected, found = "", "TOML", str(error).lower()
    raise SidecarError([Problem(file=file, place=place, field="", expected=expected, found=found)])
