"""A blink reflex with known truth: R1 on the stimulated side, R2 on both, recorded from both sides at once.

R1 is an early, nearly synchronous response that keeps its shape; R2 is late, polyphasic, and another one every time.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ncs.model import Filters, Origin, Provenance, Side, Stimulus, Study, Technique, Trace, readonly_samples
from ncs.simulate._bank import DT_MS, Bank, Population, muscle_bank
from ncs.simulate._compose import FineResponse, Units, add_up, read_at
from ncs.simulate._ranges import Range, Seed, check_ranges, draw, entropy, raise_all, seeds
from ncs.simulate.contamination import Contamination, contaminate
from ncs.simulate.nerves import Recording

__all__ = ["BLINK_RECORDING", "BlinkReflex", "BlinkTruth", "blink_study"]

FloatArray = NDArray[np.float64]
Component = Literal["r1", "r2_ipsilateral", "r2_contralateral"]

BLINK_RECORDING = Recording(
    n_sweeps=8,
    duration_ms=110.0,
    stimulus_ms=10.0,
    contamination=Contamination(
        noise_uv=5.0, low_cut_hz=20.0, high_cut_hz=5000.0, artefact_uv=(200.0, 2000.0), tail_uv=(20.0, 150.0),
        tail_ms=(0.5, 1.5), offset_uv=3.0,
    ),
    intensity_ma=8.0,
)  # fmt: skip

_ONSET_SHARE = 0.05
_NARROWER = 0.5
"""Muscle fibres of the face are short: their potentials last half as long as those of the hand."""
_POWER = {"r1": (2.0, 3.0), "r2": (1.3, 1.8)}


@dataclass(frozen=True, slots=True, kw_only=True)
class BlinkReflex:
    """The blink reflex of one stimulated side.

    Parameters
    ----------
    stimulated
        Side of the supraorbital nerve that is stimulated.
    r1_ms, r2_ipsilateral_ms, r2_contralateral_ms
        Earliest true onsets.
    r1_jitter_ms, r2_jitter_ms
        How much later single sweeps may be.
    r1_uv, r2_uv
        Largest deflection, of either sign.
    r1_spread_ms, r2_spread_ms
        From the first unit to the last.
    r1_units, r2_units
        Number of motor units.
    absent
        Components that do not come.
    """

    stimulated: Side = Side.RIGHT
    r1_ms: float = 10.5
    r2_ipsilateral_ms: float = 31.0
    r2_contralateral_ms: float = 32.0
    r1_jitter_ms: float = 0.4
    r2_jitter_ms: float = 4.0
    r1_uv: Range = (200.0, 600.0)
    r2_uv: Range = (150.0, 500.0)
    r1_spread_ms: Range = (1.0, 2.5)
    r2_spread_ms: Range = (18.0, 32.0)
    r1_units: Range = (8, 25)
    r2_units: Range = (25, 60)
    absent: tuple[Component, ...] = ()

    def __post_init__(self) -> None:
        least = {
            "r1_ms": 3.0, "r2_ipsilateral_ms": 10.0, "r2_contralateral_ms": 10.0, "r1_jitter_ms": 0.0,
            "r2_jitter_ms": 0.0, "r1_uv": 1e-6, "r2_uv": 1e-6, "r1_spread_ms": 0.0, "r2_spread_ms": 0.0, "r1_units": 1,
            "r2_units": 1,
        }  # fmt: skip
        raise_all(check_ranges(self, least=least, most={"r1_units": 1000.0, "r2_units": 1000.0}))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BlinkTruth:
    """True onsets after the stimulus, shape ``(n_sweeps,)``; NaN for a component that does not come.

    The onset is the first moment at which the response, of either sign, reaches 5 % of its largest deflection.
    """

    r1_ms: FloatArray
    r2_ms: FloatArray
    is_ipsilateral: bool


def blink_study(
    reflex: BlinkReflex | None = None,
    *,
    seed: Seed,
    recording: Recording = BLINK_RECORDING,
    population: Population = "train",
    **changes: Any,
) -> tuple[tuple[Study, Study], tuple[BlinkTruth, BlinkTruth]]:
    """Simulate a blink reflex: one stimulated side, recorded from both.

    Parameters
    ----------
    reflex
        Default ``BlinkReflex()``, a healthy one after stimulation on the right.
    seed
        The same seed gives the same samples.
    recording
        How it is recorded.
    population
        As in `cmap`.
    **changes
        Fields of `BlinkReflex` that replace those of ``reflex``.

    Returns
    -------
    tuple of Study, tuple of BlinkTruth
        First what is recorded on the stimulated side, then on the other.

    Raises
    ------
    InvalidInputError
        When a parameter is out of its limits.

    Examples
    --------
    >>> studies, truths = blink_study(seed=1)
    >>> [study.side.value for study in studies], [bool(np.isnan(truth.r1_ms).all()) for truth in truths]
    (['right', 'left'], [False, True])
    """
    b = replace(reflex or BlinkReflex(), **changes)
    other = Side.LEFT if b.stimulated is Side.RIGHT else Side.RIGHT
    made = [_side(b, side, seed, recording, population) for side in (b.stimulated, other)]
    (near, near_truth), (far, far_truth) = made
    return (near, far), (near_truth, far_truth)


def _side(b: BlinkReflex, side: Side, seed: Seed, r: Recording, population: Population) -> tuple[Study, BlinkTruth]:
    ipsilateral = side is b.stimulated
    n, n_samples = r.n_sweeps, round(r.duration_ms * r.sampling_rate_hz / 1e3)
    seed_r1, seed_r2, seed_noise = seeds(entropy(seed, "blink", b.stimulated, side), 3)
    clean, absent = np.zeros((n, n_samples)), np.full(n, np.nan)
    r1 = r2 = absent
    bank = muscle_bank(population)
    if ipsilateral and "r1" not in b.absent:
        rng = np.random.default_rng(seed_r1)
        fine = _responses(rng, bank, n, b.r1_units, b.r1_spread_ms, _POWER["r1"], same=True)
        r1 = b.r1_ms + b.r1_jitter_ms * rng.random(n)
        clean += _placed(fine, r1, np.repeat(draw(rng, b.r1_uv, 1), n), r)
    if ("r2_ipsilateral" if ipsilateral else "r2_contralateral") not in b.absent:
        rng = np.random.default_rng(seed_r2)
        fine = _responses(rng, bank, n, b.r2_units, b.r2_spread_ms, _POWER["r2"], same=False)
        earliest = b.r2_ipsilateral_ms if ipsilateral else b.r2_contralateral_ms
        late = rng.random(n)
        r2 = earliest + b.r2_jitter_ms * (late - late.min())
        clean += _placed(fine, r2, draw(rng, b.r2_uv, n), r)
    samples = contaminate(
        clean, sampling_rate_hz=r.sampling_rate_hz, stimulus_ms=np.full(n, r.stimulus_ms),
        contamination=r.contamination, seed=seed_noise,
    )  # fmt: skip
    return _study(samples, b, side, r), BlinkTruth(r1_ms=r1, r2_ms=r2, is_ipsilateral=ipsilateral)


def _responses(
    rng: np.random.Generator,
    bank: Bank,
    n: int,
    units: Range,
    spread_ms: Range,
    power: tuple[float, float],
    *,
    same: bool,
) -> FineResponse:
    """Return responses of units that fire at random times; with ``same``, the same ones in every sweep."""
    drawn = 1 if same else n
    count = max(int(draw(rng, units, 1)[0]), 1)
    spread = draw(rng, spread_ms, 1)[0] / _NARROWER
    shape = rng.integers(bank.n_shapes, size=(drawn, count))
    weight = np.exp(0.6 * rng.standard_normal((drawn, count)))
    delay = spread * rng.beta(power[0], power[1], (drawn, count))
    repeat = n // drawn
    return add_up(
        bank,
        Units(
            body=np.full(n, rng.integers(bank.n_bodies)),
            shape=np.repeat(shape, repeat, axis=0),
            weight=np.repeat(weight, repeat, axis=0),
            delay_ms=np.repeat(delay, repeat, axis=0),
        ),
    )


def _placed(fine: FineResponse, onset_ms: FloatArray, size_uv: FloatArray, r: Recording) -> FloatArray:
    """Return sweeps in which every response has its onset and its largest deflection."""
    deflection = np.abs(fine.samples_uv)
    largest = deflection.max(axis=1, keepdims=True)
    first = (deflection >= _ONSET_SHARE * largest).argmax(axis=1)
    rows = np.arange(first.size)
    step = deflection[rows, first] - deflection[rows, first - 1]
    inside = (_ONSET_SHARE * largest[:, 0] - deflection[rows, first - 1]) / step
    start = fine.start_ms + (first - 1 + np.clip(inside, 0.0, 1.0)) * DT_MS
    time = np.arange(round(r.duration_ms * r.sampling_rate_hz / 1e3)) * (1e3 / r.sampling_rate_hz) - r.stimulus_ms
    wanted = (time[np.newaxis, :] - onset_ms[:, np.newaxis]) / _NARROWER + start[:, np.newaxis]
    return np.asarray(read_at(fine, wanted) * (size_uv / largest[:, 0])[:, np.newaxis])


def _study(samples: FloatArray, b: BlinkReflex, side: Side, r: Recording) -> Study:
    of_trace = ("stimulation_site", "stimulus_ms", "sampling_rate_hz", "unit", "stimulus", "filters")
    trace = Trace(
        samples_uv=readonly_samples(samples.astype(np.float32)),
        sampling_rate_hz=r.sampling_rate_hz,
        stimulus_ms=np.full(r.n_sweeps, r.stimulus_ms),
        stimulation_site="supraorbital",
        stimulus=Stimulus(
            intensity_ma=np.full(r.n_sweeps, r.intensity_ma),
            duration_ms=r.stimulus_duration_ms,
            label=f"Stimulus {b.stimulated.value} supraorbital",
        ),
        filters=Filters(low_cut_hz=r.contamination.low_cut_hz, high_cut_hz=r.contamination.high_cut_hz),
        provenance=Provenance(dict.fromkeys(of_trace, Origin.FILE)),
    )
    of_study = ("nerve", "side", "technique", "recording_site")
    return Study(
        traces=(trace,),
        nerve="facial",
        side=side,
        technique=Technique.BLINK_REFLEX,
        recording_site="orbicularis oculi",
        provenance=Provenance(dict.fromkeys(of_study, Origin.FILE)),
    )
