"""What the amplitudes of two sites say beside block and dispersion: a weak stimulus, or nerves that take another way.

Nothing here is a diagnosis: each flag names one pattern, and the alternative that looks the same.
"""

from __future__ import annotations

from typing import Final

from ncs.detect.marks import Flag
from ncs.measure._study import SitePair, Value
from ncs.model import Study

__all__ = ["pattern_of"]

_LARGER: Final = 1.10
"""Proximal over distal above which the proximal response counts as larger. ncs's own limit, provisional."""
_DROP: Final = 0.80
"""Proximal over distal amplitude and area below which an ulnar forearm is a drop. ncs's own limit, provisional."""
_BEYOND_NOISE: Final = 3.0

_THENAR = frozenset({"apb", "abductor pollicis brevis", "thenar", "opponens pollicis", "op", "flexor pollicis brevis"})
_HYPOTHENAR = frozenset({"adm", "abductor digiti minimi", "hypothenar", "adq", "abductor digiti quinti"})
_INTEROSSEOUS = frozenset({"fdi", "first dorsal interosseous", "first dorsal interosseus", "1st dorsal interosseous"})
_EDB = frozenset({"edb", "extensor digitorum brevis"})
_WRIST = frozenset({"wrist"})
_ELBOW = frozenset({"elbow", "antecubital fossa", "cubital fossa"})
_BELOW_ELBOW = frozenset({"below elbow", "b elbow", "below the elbow", "b. elbow", "be"})
_ANKLE = frozenset({"ankle"})


def pattern_of(study: Study, pair: SitePair, amplitude_ratio: Value, area_ratio: Value) -> tuple[tuple[str, ...], str]:
    """Return the flags of a pair of sites, and what has to be said beside them.

    Parameters
    ----------
    study
        Its nerve and its recording site decide which pattern it can be.
    pair
        Distal and proximal site.
    amplitude_ratio, area_ratio
        Proximal over distal CMAP amplitude and area. A drop that the area does not share is dispersion: fibres that
        take another way are missing from both.

    Returns
    -------
    tuple
        Names of flags, and a note; both empty where the amplitudes are as expected.
    """
    if amplitude_ratio.value is None:
        return (), ""
    slack = _BEYOND_NOISE * (amplitude_ratio.sd or 0.0)
    if amplitude_ratio.value > max(_LARGER, 1.0 + slack):
        named = _crossing(study, pair)
        flags = ("submaximal_suspected", *named)
        return flags, _support(pair) if named and named[0].startswith("martin_gruber") else ""
    is_drop = amplitude_ratio.value < min(_DROP, 1.0 - slack)
    is_drop &= area_ratio.value is not None and area_ratio.value < _DROP
    if is_drop and _is_ulnar_forearm(study, pair):
        site = _folded(study.recording_site)
        if site in _HYPOTHENAR:
            return ("martin_gruber_1_suspected",), ""
        if site in _INTEROSSEOUS:
            return ("martin_gruber_2_suspected",), ""
    return (), ""


def _crossing(study: Study, pair: SitePair) -> tuple[str, ...]:
    """Return the anastomosis that makes a proximal response larger in this nerve and muscle."""
    nerve, muscle = _folded(study.nerve), _folded(study.recording_site)
    distal, proximal = _folded(pair.distal.trace.stimulation_site), _folded(pair.proximal.trace.stimulation_site)
    if nerve == "median" and distal in _WRIST and proximal in _ELBOW:
        by_muscle = ((_THENAR, "3"), (_HYPOTHENAR, "1"), (_INTEROSSEOUS, "2"))
        return tuple(f"martin_gruber_{kind}_suspected" for muscles, kind in by_muscle if muscle in muscles)
    if nerve in {"fibular", "deep fibular"} and muscle in _EDB and distal in _ANKLE:
        return ("accessory_fibular_suspected",)
    return ()


def _is_ulnar_forearm(study: Study, pair: SitePair) -> bool:
    distal, proximal = _folded(pair.distal.trace.stimulation_site), _folded(pair.proximal.trace.stimulation_site)
    return _folded(study.nerve) == "ulnar" and distal in _WRIST and proximal in _BELOW_ELBOW


def _support(pair: SitePair) -> str:
    """Return whether fibres that reach another muscle first show as a positivity from the proximal site only."""
    if pair.proximal.has(Flag.INITIAL_POSITIVITY) and not pair.distal.has(Flag.INITIAL_POSITIVITY):
        return "the proximal response alone begins with a positivity, as crossing fibres to another muscle make it"
    return ""


def _folded(text: str | None) -> str:
    return " ".join((text or "").casefold().split())
