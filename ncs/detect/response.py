"""``mark``: checks, conversion and names around the kernels, which live in ``_kernels``; nothing here loops."""

from __future__ import annotations

import math
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ncs.detect import _kernels
from ncs.detect._compiled import unwarned
from ncs.detect._rise import rise_model
from ncs.detect.blink import BLINK, BLINK_PARAMETERS, Component, mark_blink
from ncs.detect.late import LATE, LATE_PARAMETERS, LateResponse, mark_late
from ncs.detect.marks import Marks, MarksDraft
from ncs.errors import InvalidInputError

__all__ = [
    "DEFAULT_ONSET_METHOD",
    "DETECTOR_PARAMETERS",
    "DETECTOR_VERSION",
    "ONSET_METHODS",
    "RESPONSES",
    "OnsetMethod",
    "check_method",
    "mark",
    "warm_up",
]

DEFAULT_ONSET_METHOD: Final = "changepoint"
DETECTOR_VERSION: Final = 4
"""Raised whenever a number that ``mark`` returns can change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OnsetMethod:
    """One onset rule.

    Parameters
    ----------
    code
        Number by which the kernel knows it.
    description
        The rule in one sentence, with its parameter.
    source
        Where it was published.
    parameter
        Per response: threshold in uV, multiple of the noise, share of the peak, or a duration in ms.
    """

    code: int
    description: str
    source: str
    parameter: MappingProxyType[str, float]


def _both(cmap: float, snap: float) -> MappingProxyType[str, float]:
    return MappingProxyType({"cmap": cmap, "snap": snap})


ONSET_METHODS: Final = MappingProxyType(
    {
        "changepoint": OnsetMethod(
            code=_kernels.METHOD_CHANGEPOINT,
            description="baseline, artefact tail and rising edge fitted together; onset at 2 % of the negative peak",
            source="ncs",
            parameter=_both(0.02, 0.02),
        ),
        "threshold": OnsetMethod(
            code=_kernels.METHOD_THRESHOLD,
            description="last rise through a fixed voltage before the peak (uV)",
            source="recalled, provisional",
            parameter=_both(100.0, 2.0),
        ),
        "sd": OnsetMethod(
            code=_kernels.METHOD_SD,
            description="last crossing of a multiple of the noise that is held for 0.5 ms",
            source="Hodges & Bui 1996, Electroencephalogr Clin Neurophysiol 101:511",
            parameter=_both(5.0, 3.0),
        ),
        "percent_of_peak": OnsetMethod(
            code=_kernels.METHOD_PERCENT_OF_PEAK,
            description="last rise through a share of the negative peak",
            source="recalled, provisional",
            parameter=_both(0.05, 0.05),
        ),
        "tangent": OnsetMethod(
            code=_kernels.METHOD_TANGENT,
            description="where the tangent at the steepest rise (over the given ms) meets the baseline",
            source="recalled, provisional",
            parameter=_both(0.2, 0.1),
        ),
        "second_derivative": OnsetMethod(
            code=_kernels.METHOD_SECOND_DERIVATIVE,
            description="largest Savitzky-Golay second derivative (over the given ms) before the steepest rise",
            source="recalled, provisional",
            parameter=_both(1.0, 0.5),
        ),
        "rising_run": OnsetMethod(
            code=_kernels.METHOD_RISING_RUN,
            description="start of the longest run of rising samples before the peak, longer than the given ms",
            source="Bigoni et al. 2022, J Neural Eng, doi 10.1088/1741-2552/ac636c",
            parameter=_both(0.8, 0.4),
        ),
        "aic": OnsetMethod(
            code=_kernels.METHOD_AIC,
            description="minimum of Akaike's criterion for a change of variance up to the peak",
            source="Maeda 1985, Zisin 38:365",
            parameter=_both(0.0, 0.0),
        ),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Response:
    """What the kernel must know of a kind of response; times in ms.

    An amplifier that has been driven by the artefact swings back slowly and by some microvolts: ``slowest_rise_ms``
    (10 % of the rise to its peak) and ``least_uv`` (of the negative peak) keep such swings from being marked.
    ``least_swing_noise`` is from how many times the noise on rise and fall together are seen as a response; slow noise
    does the like where the band of the amplifier lets it through.
    """

    code: int
    blank_ms: float
    latest_ms: float
    smooth_ms: float
    peak_threshold_uv: float
    slowest_rise_ms: float
    least_uv: float
    least_swing_noise: float


_DIRECT: Final = MappingProxyType(
    {
        "cmap": _Response(
            code=0,
            blank_ms=0.6,
            latest_ms=50.0,
            smooth_ms=0.3,
            peak_threshold_uv=50.0,
            slowest_rise_ms=15.0,
            least_uv=25.0,
            least_swing_noise=30.0,
        ),
        "snap": _Response(
            code=1,
            blank_ms=0.5,
            latest_ms=20.0,
            smooth_ms=0.15,
            peak_threshold_uv=2.0,
            slowest_rise_ms=1.8,
            least_uv=0.0,
            least_swing_noise=18.0,
        ),
    }
)

RESPONSES: Final = MappingProxyType[str, _Response | LateResponse | Component]({**_DIRECT, **LATE, **BLINK})

DETECTOR_PARAMETERS: Final[dict[str, Any]] = (
    {
        name: {
            "blank_ms": r.blank_ms,
            "latest_ms": r.latest_ms,
            "smooth_ms": r.smooth_ms,
            "peak_threshold_uv": r.peak_threshold_uv,
            "slowest_rise_ms": r.slowest_rise_ms,
            "least_uv": r.least_uv,
            "least_swing_noise": r.least_swing_noise,
        }
        for name, r in _DIRECT.items()
    }
    | LATE_PARAMETERS
    | BLINK_PARAMETERS
)


_MOST_RATE_HZ: Final = 1e9
_MOST_SMOOTH_MS: Final = 5.0
_MOST_MS: Final = 1e6
"""Beyond these, a position in samples would not fit into the integers of the kernels."""


def check_method(onset_method: str) -> OnsetMethod:
    """Return the named onset method.

    Raises
    ------
    InvalidInputError
        When there is none of that name.
    """
    method = ONSET_METHODS.get(onset_method)
    if method is None:
        raise InvalidInputError(f"onset_method: expected one of {', '.join(ONSET_METHODS)}, found {onset_method!r}")
    return method


def mark(
    samples_uv: ArrayLike,
    sampling_rate_hz: float,
    *,
    stimulus_ms: ArrayLike,
    response: str = "cmap",
    window_ms: tuple[float, float] | None = None,
    onset_method: str = DEFAULT_ONSET_METHOD,
    smooth_ms: float | None = None,
) -> Marks:
    """Mark the evoked response in every sweep.

    Parameters
    ----------
    samples_uv
        Shape ``(n_sweeps, n_samples)`` or ``(n_samples,)``, microvolts, true sign (negative peak negative).
    sampling_rate_hz
        Samples per second.
    stimulus_ms
        Time of the stimulus after sample 0; scalar or shape ``(n_sweeps,)``; may be negative.
    response
        ``"cmap"``, ``"snap"``, ``"f_wave"`` or ``"h_reflex"``; the last two are sought after the M wave; ``"r1"`` or
        ``"r2"`` of the blink reflex, which begin where activity of either sign begins.
    window_ms
        Earliest and latest time after the stimulus in which the negative peak is sought; the default starts when the
        stimulus artefact is over and ends with the sweep, at the latest 50 ms (CMAP) or 20 ms (SNAP) after the
        stimulus.
    onset_method
        A name in ``ONSET_METHODS``; late responses have methods of their own, whatever is named.
    smooth_ms
        Over which time samples are averaged while the response is sought; the default is 0.3 ms (CMAP) or 0.15 ms
        (SNAP). More finds weaker responses.

    Returns
    -------
    Marks
        Arrays of shape ``(n_sweeps,)``; times after the stimulus in ms; NaN where there is none.

    Raises
    ------
    InvalidInputError
        When an argument has a wrong shape or value. A sweep that cannot be marked is an outcome, not an error.

    Examples
    --------
    >>> import numpy as np
    >>> mark(np.zeros((1, 500)), 10_000, stimulus_ms=2.0).outcome.tolist()
    [5]
    """
    method = check_method(onset_method)
    kind = RESPONSES.get(response)
    if kind is None:
        raise InvalidInputError(f"response: expected one of {', '.join(RESPONSES)}, found {response!r}")
    samples = _samples(samples_uv)
    rate_khz = _rate(sampling_rate_hz)
    stimulus = _stimulus(stimulus_ms, samples.shape[0])
    if isinstance(kind, LateResponse):
        asked = None if window_ms is None else _window(window_ms, kind)
        return mark_late(samples, rate_khz, stimulus, response, asked)
    if isinstance(kind, Component):
        return mark_blink(samples, rate_khz, stimulus, kind, _window(window_ms, kind))
    first_ms, last_ms = _window(window_ms, kind)
    options = np.array(
        [
            rate_khz,
            first_ms,
            last_ms,
            kind.smooth_ms if smooth_ms is None else _smoothing(smooth_ms),
            kind.peak_threshold_uv,
            method.parameter[response],
            kind.slowest_rise_ms,
            kind.least_uv,
            kind.least_swing_noise,
        ],
        np.float64,
    )
    out = np.empty((samples.shape[0], _kernels.N_OUTPUTS), np.float64)
    codes = np.zeros((samples.shape[0], 2), np.int8)
    with unwarned():
        _kernels.mark_sweeps(samples, stimulus, options, method.code, *rise_model(response), out, codes)
    return _marks(out, codes)


def _marks(out: NDArray[np.float64], codes: NDArray[np.int8]) -> Marks:
    """Return marks whose fields are the columns of what the kernel has written."""
    made: Any = MarksDraft()
    (
        made.onset_ms, made.onset_sd_ms, made.peak_ms, made.peak_sd_ms, made.peak_uv, made.peak_sd_uv, made.end_ms,
        made.last_end_ms, made.trough_ms, made.trough_uv, made.area_uv_ms, made.area_sd_uv_ms, made.peak_to_peak_uv,
        made.peak_to_peak_sd_uv, made.duration_ms, made.duration_sd_ms, made.total_duration_ms, made.peak_threshold_uv,
        made.baseline_uv, made.noise_uv,
    ) = out.T  # fmt: skip
    made.outcome, made.flags = codes.T
    return made.finished(out, codes)  # type: ignore[no-any-return]


def _samples(samples_uv: ArrayLike) -> NDArray[Any]:
    array = np.asarray(samples_uv)
    if array.ndim == 1:
        array = array[np.newaxis, :]
    if array.ndim != 2:
        raise InvalidInputError(f"samples_uv: expected shape (n_sweeps, n_samples), found {array.shape}")
    if array.dtype.kind not in "fiu":
        raise InvalidInputError(f"samples_uv: expected real numbers, found {array.dtype}")
    wanted = np.float32 if array.dtype == np.float32 else np.float64
    return np.ascontiguousarray(array, dtype=wanted)


def _rate(sampling_rate_hz: float) -> float:
    rate = float(sampling_rate_hz)
    if not 0 < rate <= _MOST_RATE_HZ:
        raise InvalidInputError(
            f"sampling_rate_hz: expected a number above 0 and at the most {_MOST_RATE_HZ:g}, found {sampling_rate_hz!r}"
        )
    return rate / 1000.0


def _stimulus(stimulus_ms: ArrayLike, n_sweeps: int) -> NDArray[np.float64]:
    times = np.asarray(stimulus_ms, np.float64)
    if times.ndim > 1 or (times.ndim == 1 and times.shape[0] not in (1, n_sweeps)):
        raise InvalidInputError(f"stimulus_ms: expected a number or {n_sweeps} numbers, found shape {times.shape}")
    stated = times.tolist() if times.shape == (n_sweeps,) else [times.item()] * n_sweeps
    return np.array([time if abs(time) < _MOST_MS else math.nan for time in stated], np.float64)


def _smoothing(smooth_ms: float) -> float:
    width = float(smooth_ms)
    if not 0 < width <= _MOST_SMOOTH_MS:
        raise InvalidInputError(
            f"smooth_ms: expected a number above 0 and at the most {_MOST_SMOOTH_MS:g}, found {smooth_ms!r}"
        )
    return width


def _window(window_ms: tuple[float, float] | None, kind: _Response | LateResponse | Component) -> tuple[float, float]:
    if window_ms is None:
        return (kind.blank_ms if isinstance(kind, _Response) else kind.earliest_ms), kind.latest_ms
    first, last = (float(edge) for edge in window_ms)
    if not (math.isfinite(first) and math.isfinite(last) and first < last):
        raise InvalidInputError(f"window_ms: expected (earliest, latest) with earliest < latest, found {window_ms!r}")
    return max(first, -_MOST_MS), min(last, _MOST_MS)


def warm_up() -> None:
    """Load or compile every kernel, so that the first recording takes no longer than the others."""
    ramp = np.sin(np.linspace(0.0, 6.0, 200)).reshape(1, -1)
    for samples in (ramp, ramp.astype(np.float32)):
        for onset_method in ONSET_METHODS:
            mark(samples, 10_000.0, stimulus_ms=1.0, onset_method=onset_method)
