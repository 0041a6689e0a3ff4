"""What a simulated nerve is like, and how it is recorded; a new nerve is one row of the two tables of sites.

Healthy values are the defaults; everything is checked when the object is made.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from ncs.model import Side
from ncs.simulate._ranges import Range, check_ranges, raise_all
from ncs.simulate.contamination import Contamination
from ncs.simulate.sweeps import ENTRANCE_MM

__all__ = [
    "MOTOR_RECORDING", "MOTOR_SITES", "SENSORY_RECORDING", "SENSORY_SITES", "MotorNerve", "Recording", "SensoryNerve",
    "places",
]  # fmt: skip

SiteTable: TypeAlias = Mapping[str, tuple[str, tuple[str, ...]]]

MOTOR_SITES: SiteTable = {
    "median": ("APB", ("wrist", "elbow")),
    "ulnar": ("ADM", ("wrist", "below elbow")),
    "fibular": ("EDB", ("ankle", "fibular head")),
    "tibial": ("AH", ("ankle", "popliteal fossa")),
}
SENSORY_SITES: SiteTable = {
    "median": ("finger II", ("wrist", "elbow")),
    "ulnar": ("finger V", ("wrist", "below elbow")),
    "sural": ("ankle", ("calf",)),
}
_MOTOR_CONTAMINATION = Contamination(
    noise_uv=5.0, artefact_uv=(500.0, 3000.0), tail_uv=(20.0, 150.0), tail_ms=(0.5, 2.0), offset_uv=5.0
)
_SENSORY_CONTAMINATION = Contamination(
    noise_uv=0.4, low_cut_hz=20.0, high_cut_hz=2000.0, artefact_uv=(20.0, 150.0), tail_uv=(1.0, 8.0), tail_ms=(0.3, 1.0)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class MotorNerve:
    """A motor nerve and its muscle.

    Parameters
    ----------
    nerve, side
        Which one. ``recording_site`` and ``sites`` have to be given for nerves other than median, ulnar, fibular and
        tibial.
    velocity_m_s
        Of the first segment; the true onsets say exactly this.
    distal_latency_ms
        True onset at the distal site; met exactly.
    distal_distance_mm
        From the distal stimulation site to the active electrode.
    segment_mm
        Length of each segment, distal first: a number for one segment, a tuple for more sites.
    further_velocities_m_s
        Of the second and every further segment.
    amplitude_uv
        Negative peak at the distal site; 0 for a nerve that gives no response at any site.
    blocked_fraction
        Share of the units that do not conduct over the first segment.
    further_blocked_fractions
        The same of the second and every further segment; empty where nothing is blocked there.
    n_units
        Number of motor units.
    latency_spread_ms
        From the first to the last arrival at the muscle, stimulated distally.
    velocity_spread
        How much longer the slowest unit takes over a segment than the fastest one, as a share: what makes the
        response disperse between the sites.
    size_spread
        Standard deviation of the logarithm of the units' sizes.
    initial_positivity
        Whether the active electrode lies off the end-plates.
    recording_site, sites
        Muscle; stimulation sites, distal first.
    """

    nerve: str = "median"
    side: Side = Side.RIGHT
    velocity_m_s: float = 56.0
    distal_latency_ms: float = 3.4
    distal_distance_mm: float = 80.0
    segment_mm: float | tuple[float, ...] = 220.0
    further_velocities_m_s: tuple[float, ...] = ()
    amplitude_uv: float = 9000.0
    blocked_fraction: float = 0.0
    further_blocked_fractions: tuple[float, ...] = ()
    n_units: Range = (100, 200)
    latency_spread_ms: Range = (1.5, 3.0)
    velocity_spread: float = 0.15
    size_spread: Range = (0.4, 0.7)
    initial_positivity: bool = False
    recording_site: str | None = None
    sites: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        faults = check_ranges(
            self,
            least={
                "velocity_m_s": 0.5, "distal_latency_ms": 0.1, "distal_distance_mm": 0.0, "amplitude_uv": 0.0,
                "blocked_fraction": 0.0, "velocity_spread": 0.0,
            },
            most={"blocked_fraction": 1.0, "velocity_spread": 5.0},
        )  # fmt: skip
        _hashable(self)
        faults += _site_faults(self, MOTOR_SITES)
        raise_all(faults)


@dataclass(frozen=True, slots=True, kw_only=True)
class SensoryNerve:
    """A sensory nerve.

    Parameters
    ----------
    nerve, side
        Which one. ``recording_site`` and ``sites`` have to be given for nerves other than median, ulnar and sural.
    velocity_m_s
        Distance over true onset latency at the distal site; met exactly.
    distance_mm
        From the distal stimulation site to the active electrode.
    segment_mm, further_velocities_m_s
        Segments to more proximal sites and their velocities; both empty for one site.
    amplitude_uv
        Negative peak at the distal site; 0 for a nerve that gives no response.
    n_fibres
        Number of groups of fibres.
    velocity_spread
        How much longer the slowest group takes than the fastest one, as a share.
    size_spread
        Standard deviation of the logarithm of the groups' sizes.
    direction
        ``"antidromic"`` or ``"orthodromic"``.
    recording_site, sites
        Place of the active electrode; stimulation sites, distal first.
    """

    nerve: str = "median"
    side: Side = Side.RIGHT
    velocity_m_s: float = 57.0
    distance_mm: float = 140.0
    segment_mm: float | tuple[float, ...] = ()
    further_velocities_m_s: tuple[float, ...] = ()
    amplitude_uv: float = 35.0
    n_fibres: Range = (100, 300)
    velocity_spread: float = 0.5
    size_spread: Range = (0.3, 0.6)
    direction: Literal["antidromic", "orthodromic"] = "antidromic"
    recording_site: str | None = None
    sites: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        least = {"velocity_m_s": 0.5, "distance_mm": 1.0, "amplitude_uv": 0.0, "velocity_spread": 0.0}
        faults = check_ranges(self, least=least, most={"velocity_spread": 5.0})
        faults += _site_faults(self, SENSORY_SITES)
        if self.direction not in ENTRANCE_MM:
            faults.append(f"direction: expected one of {sorted(ENTRANCE_MM)}, found {self.direction!r}")
        raise_all(faults)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """How a study is recorded.

    Parameters
    ----------
    n_sweeps
        Sweeps per site.
    sampling_rate_hz, duration_ms, stimulus_ms
        Samples per second, length of a sweep, time of the stimulus after its first sample.
    contamination
        What is added; the amplifier's filters stand here as well.
    averaged_count
        How many sweeps the machine says to have averaged into each; the noise is that of the average.
    skin_temperature_c
        Skin temperature; ``None`` where none was measured.
    intensity_ma
        Stimulus intensity.
    stimulus_duration_ms
        Width of the stimulus.
    latency_scale
        True latencies of this session over those of the nerve at its usual temperature: above 1 in a cooler limb.
        Velocities are divided by it; the shape of the responses stays.
    amplitude_scale
        True amplitudes of this session over those of the nerve: what placing the electrodes anew does.
    """

    n_sweeps: int = 1
    sampling_rate_hz: float = 20_000.0
    duration_ms: float = 50.0
    stimulus_ms: float = 2.0
    contamination: Contamination = _MOTOR_CONTAMINATION
    averaged_count: int | None = None
    skin_temperature_c: float | None = 33.0
    intensity_ma: float = 30.0
    stimulus_duration_ms: float = 0.2
    latency_scale: float = 1.0
    amplitude_scale: float = 1.0

    def __post_init__(self) -> None:
        least = {
            "n_sweeps": 1.0, "sampling_rate_hz": 1.0, "duration_ms": 1.0, "stimulus_ms": -1e3, "intensity_ma": 0.0,
            "stimulus_duration_ms": 0.0, "latency_scale": 0.1, "amplitude_scale": 0.01,
        }  # fmt: skip
        raise_all(check_ranges(self, least=least, most={"latency_scale": 10.0, "amplitude_scale": 100.0}))


MOTOR_RECORDING = Recording()
SENSORY_RECORDING = Recording(
    duration_ms=20.0, contamination=_SENSORY_CONTAMINATION, averaged_count=10, intensity_ma=15.0,
    stimulus_duration_ms=0.1,
)  # fmt: skip


def _hashable(nerve: MotorNerve) -> None:
    """Make tuples of lists: responses are kept by nerve."""
    for name in ("segment_mm", "further_velocities_m_s", "further_blocked_fractions", "sites"):
        if isinstance(value := getattr(nerve, name), list):
            object.__setattr__(nerve, name, tuple(value))


def _lengths(lengths: float | tuple[float, ...]) -> tuple[float, ...]:
    return lengths if isinstance(lengths, tuple) else (lengths,)


def _site_faults(nerve: MotorNerve | SensoryNerve, table: SiteTable) -> list[str]:
    """Return what is wrong with the sites and segments of a nerve."""
    faults = []
    lengths = _lengths(nerve.segment_mm)
    velocities = nerve.further_velocities_m_s
    if isinstance(nerve, MotorNerve):
        velocities = (nerve.velocity_m_s, *velocities)
        blocked = nerve.further_blocked_fractions
        if len(blocked) not in {0, len(velocities) - 1} or not all(0.0 <= share <= 1.0 for share in blocked):
            wanted = f"none, or one of 0 to 1 for each of {len(velocities) - 1} further segments"
            faults.append(f"further_blocked_fractions: expected {wanted}, found {blocked!r}")
    if len(lengths) != len(velocities):
        faults.append(f"segment_mm: expected one length per velocity ({len(velocities)}), found {len(lengths)}")
    faults += [f"segment_mm: expected more than 0, found {length!r}" for length in lengths if not length > 0]
    faults += [f"further_velocities_m_s: expected more than 0, found {v!r}" for v in velocities if not v > 0]
    known = table.get(nerve.nerve, (None, ()))
    if nerve.recording_site is None and known[0] is None:
        faults.append(f"recording_site: expected one for nerve {nerve.nerve!r}, found None")
    sites = nerve.sites if nerve.sites is not None else known[1]
    if len(sites) < len(lengths) + 1:
        faults.append(f"sites: expected {len(lengths) + 1} for nerve {nerve.nerve!r}, found {len(sites)}")
    return faults


def places(nerve: MotorNerve | SensoryNerve, table: SiteTable) -> tuple[str, tuple[str, ...], tuple[float, ...]]:
    """Return recording site, stimulation sites and segment lengths."""
    recording_site, usual = table.get(nerve.nerve, ("", ()))
    lengths = _lengths(nerve.segment_mm)
    sites = nerve.sites if nerve.sites is not None else usual
    return nerve.recording_site or recording_site, sites[: len(lengths) + 1], lengths
