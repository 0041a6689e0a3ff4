"""Traces to and from mne: ``to_mne`` gives ``mne.EpochsArray`` in volts, ``from_mne`` takes any epochs back.

The names of the metadata columns are fixed here, in ``_COLUMNS``. mne is imported when one of the two is called.
"""

from __future__ import annotations

import math
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from ncs.errors import InvalidInputError
from ncs.model import Filters, Origin, Provenance, Stimulus, Trace, readonly_samples

if TYPE_CHECKING:
    import mne
    import pandas as pd
    from numpy.typing import NDArray

__all__ = ["from_mne", "to_mne"]

_UV_PER_V = 1e6
_NO_SITE = "stimulus"
_COLUMNS = (
    "stimulation_site", "distance_mm", "stimulus_offset_ms", "intensity_ma", "intensity_v", "pulse_duration_ms",
    "averaged_count", "low_cut_hz", "high_cut_hz", "notch_hz",
)  # fmt: skip


def to_mne(trace: Trace) -> mne.EpochsArray:
    """Return a trace as epochs of mne.

    Parameters
    ----------
    trace
        Any trace whose stimulus time is known.

    Returns
    -------
    mne.EpochsArray
        In volts, true sign; one channel of type ``emg``; one epoch per sweep; time 0 is the sample nearest to the
        stimulus. The event is named after the stimulation site, and epochs of several sites may be concatenated.
        ``metadata`` has one row per sweep: site, distance, exact stimulus time after time 0, intensity, averaged
        sweeps, filters (``info["highpass"]`` and ``info["lowpass"]`` stay at mne's defaults, because mne sets them
        only where it filters itself).

    Raises
    ------
    InvalidInputError
        When the stimulus time is unknown, or differs between the sweeps by more than half a sample: epochs have one
        time axis.

    Examples
    --------
    >>> study, _ = __import__("ncs").simulate.motor_study(seed=1)
    >>> epochs = to_mne(study.traces[0])
    >>> epochs.get_channel_types(), list(epochs.event_id), float(epochs.times[0])
    (['emg'], ['wrist'], -0.002)
    """
    zero = round(_common_stimulus_ms(trace) * trace.sampling_rate_hz / 1000)
    import mne

    name = trace.channel or "EMG"
    info = mne.create_info([name], trace.sampling_rate_hz, ["emg"])
    if trace.filters.text:
        info["description"] = f"filters: {trace.filters.text}"
    event = trace.stimulation_site or _NO_SITE
    number = zlib.crc32(event.encode()) % 0x7FFFFFFF + 1  # one number per name, so that epochs of sites can be joined
    starts = np.arange(trace.n_sweeps) * trace.n_samples
    return mne.EpochsArray(
        trace.samples_uv[:, np.newaxis, :].astype(np.float64) / _UV_PER_V,
        info,
        events=np.column_stack([starts, np.zeros_like(starts), np.full_like(starts, number)]),
        tmin=-zero / trace.sampling_rate_hz,
        event_id={event: number},
        baseline=None,
        metadata=_metadata(trace, zero),
        verbose="WARNING",
    )


def from_mne(
    epochs: mne.BaseEpochs,
    *,
    pick: str | None = None,
    stimulation_site: str | None = None,
    distance_mm: float | None = None,
    intensity_ma: float | NDArray[np.float64] | None = None,
    filters: Filters | None = None,
) -> Trace:
    """Return one channel of epochs as a trace.

    Parameters
    ----------
    epochs
        Any epochs of mne whose time 0 is the stimulus, all from one stimulation site: select with
        ``epochs["wrist"]``. Active minus reference, so that a CMAP's negative peak is negative.
    pick
        Name of the channel; needed where there is more than one of type ``emg``.
    stimulation_site, distance_mm, intensity_ma, filters
        What the epochs do not say. What ``to_mne`` wrote into ``metadata`` is read back, and must not be contradicted.

    Returns
    -------
    Trace
        In microvolts. ``provenance`` says ``file`` of what the epochs state and ``sidecar`` of what was given here.

    Raises
    ------
    InvalidInputError
        When ``epochs`` are none, the channel is ambiguous, absent, or not in volts, the sweeps come from several
        sites, or an argument contradicts the metadata.

    Examples
    --------
    >>> study, _ = __import__("ncs").simulate.motor_study(seed=1)
    >>> trace = from_mne(to_mne(study.traces[1]))
    >>> trace.stimulation_site, trace.distance_mm
    ('elbow', 300.0)
    """
    import mne

    if not isinstance(epochs, mne.BaseEpochs):
        raise InvalidInputError(f"epochs: expected mne epochs, found {type(epochs).__name__}")
    index = _channel(epochs, pick)
    if not epochs.preload:  # what mne drops is known, and gone from the metadata, only after loading
        epochs = epochs.copy().load_data(verbose="WARNING")
    if len(epochs) == 0:
        raise InvalidInputError("epochs: expected one sweep or more, found none (all were dropped)")
    samples = epochs.get_data(picks=[index], verbose="WARNING")[:, 0, :] * _UV_PER_V
    stated = _Stated(epochs.metadata, len(epochs))
    site = stated.one("stimulation_site", stimulation_site)
    distance = stated.one("distance_mm", distance_mm)
    current = stated.per_sweep("intensity_ma", intensity_ma)
    origins = dict.fromkeys(("samples", "sampling_rate_hz", "unit", "stimulus_ms"), Origin.FILE) | stated.origins
    return Trace(
        samples_uv=readonly_samples(samples.astype(np.float32)),
        sampling_rate_hz=float(epochs.info["sfreq"]),
        stimulus_ms=_stimulus_times(epochs, stated),
        stimulation_site=site,
        distance_mm=distance,
        stimulus=Stimulus(
            intensity_ma=current,
            intensity_v=stated.per_sweep("intensity_v", None),
            duration_ms=stated.one("pulse_duration_ms", None),
        ),
        filters=_filters(epochs, stated, filters),
        averaged_count=_whole(stated.one("averaged_count", None)),
        channel=str(epochs.ch_names[index]),
        provenance=Provenance(origins | ({"filters": Origin.SIDECAR} if filters is not None else {})),
    )


def _common_stimulus_ms(trace: Trace) -> float:
    """Return the stimulus time that all sweeps share to within half a sample."""
    if trace.stimulus_ms is None:
        raise InvalidInputError(
            "trace: expected a known stimulus time, found none. "
            "Set it with dataclasses.replace(trace, stimulus_ms=…), in ms after the first sample."
        )
    if trace.n_sweeps == 0 or trace.n_samples == 0:
        raise InvalidInputError(f"trace: expected samples, found shape {trace.samples_uv.shape}")
    apart_ms = float(np.ptp(trace.stimulus_ms))
    half_sample_ms = 500 / trace.sampling_rate_hz
    if not apart_ms <= half_sample_ms * (1 + 1e-9):
        raise InvalidInputError(
            f"stimulus_ms: expected the same time in every sweep to within half a sample ({half_sample_ms:g} ms), "
            f"found times {apart_ms:g} ms apart. Epochs have one time axis: convert the sweeps one by one, or cut "
            "them so that the stimuli coincide."
        )
    return float(trace.stimulus_ms.mean())


def _metadata(trace: Trace, zero: int) -> pd.DataFrame:
    import pandas as pd

    assert trace.stimulus_ms is not None  # the caller has asked
    values: dict[str, Any] = {
        "stimulation_site": trace.stimulation_site,
        "distance_mm": trace.distance_mm,
        "stimulus_offset_ms": trace.stimulus_ms - zero * 1000 / trace.sampling_rate_hz,
        "intensity_ma": trace.stimulus.intensity_ma,
        "intensity_v": trace.stimulus.intensity_v,
        "pulse_duration_ms": trace.stimulus.duration_ms,
        "averaged_count": trace.averaged_count,
        "low_cut_hz": trace.filters.low_cut_hz,
        "high_cut_hz": trace.filters.high_cut_hz,
        "notch_hz": trace.filters.notch_hz,
    }
    known = {name: values[name] for name in _COLUMNS if values[name] is not None}
    return pd.DataFrame(known, index=range(trace.n_sweeps))


class _Stated:
    """What the metadata of epochs state in the columns of ``to_mne``; arguments fill the gaps."""

    def __init__(self, metadata: pd.DataFrame | None, n_sweeps: int) -> None:
        self._n_sweeps = n_sweeps
        self._columns: dict[str, list[Any]] = {}
        self.origins: dict[str, Origin] = {}
        if metadata is not None:
            names = [name for name in _COLUMNS if name in metadata.columns]
            self._columns = {name: metadata[name].tolist() for name in names}

    def one(self, name: str, given: Any) -> Any:
        """Return the value all sweeps share; ``None`` where neither side states one."""
        values = {_none_for_nan(value) for value in self._columns.get(name, ())}
        if len(values) > 1:
            found = ", ".join(sorted(str(value) for value in values))
            hint = " Select one, as in epochs['wrist']." if name == "stimulation_site" else ""
            raise InvalidInputError(f"epochs.metadata[{name!r}]: expected one value, found {found}.{hint}")
        stated = values.pop() if values else None
        if given is not None and stated is not None and given != stated:
            raise InvalidInputError(
                f"{name}: expected {stated!r}, which the epochs' metadata state, found {given!r}. Correct one of them."
            )
        if stated is None and given is None:
            return None
        self.origins[name] = Origin.FILE if stated is not None else Origin.SIDECAR
        return given if stated is None else stated

    def per_sweep(self, name: str, given: Any) -> NDArray[np.float64] | None:
        """Return one number per sweep, or ``None``."""
        spread = None if given is None else self._spread(name, given)
        stated = self._columns.get(name)
        if stated is None:
            if spread is not None:
                self.origins["stimulus"] = Origin.SIDECAR
            return spread
        values = np.asarray(stated, np.float64)
        if spread is not None and not np.array_equal(spread, values):
            raise InvalidInputError(f"{name}: expected what the epochs' metadata state, found {given!r}")
        if name.startswith("intensity"):
            self.origins["stimulus"] = Origin.FILE
        return values

    def _spread(self, name: str, given: Any) -> NDArray[np.float64]:
        values = np.asarray(given, np.float64)
        if values.shape not in {(), (self._n_sweeps,)}:
            raise InvalidInputError(
                f"{name}: expected one number, or one for each of {self._n_sweeps} sweeps, found shape {values.shape}"
            )
        return np.broadcast_to(values, (self._n_sweeps,)).copy()


def _none_for_nan(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)


def _channel(epochs: mne.BaseEpochs, pick: str | None) -> int:
    """Return the index of the channel meant; it must be in volts."""
    names = list(epochs.ch_names)
    if pick is not None:
        if pick not in names:
            raise InvalidInputError(f"pick: expected one of {', '.join(names)}, found {pick!r}")
        index = names.index(pick)
    else:
        emg = [i for i, kind in enumerate(epochs.get_channel_types()) if kind == "emg"]
        found = emg or list(range(len(names)))
        if len(found) != 1:
            choices = ", ".join(names[i] for i in found)
            raise InvalidInputError(f"pick: expected the name of one channel, found none; there are {choices}")
        index = found[0]
    from mne.io.constants import FIFF

    channel = epochs.info["chs"][index]
    if channel["unit"] != FIFF.FIFF_UNIT_V:
        kind = epochs.get_channel_types()[index]
        raise InvalidInputError(
            f"pick: expected a channel in volts, found {names[index]!r} of type {kind!r}. "
            f"If it is a voltage, say so: epochs.set_channel_types({{{names[index]!r}: 'emg'}})."
        )
    return index


def _stimulus_times(epochs: mne.BaseEpochs, stated: _Stated) -> NDArray[np.float64]:
    """Return the time of the stimulus after the first sample: time 0, and what the metadata add to it."""
    zero_ms = np.full(len(epochs), -float(epochs.times[0]) * 1000)
    offset = stated.per_sweep("stimulus_offset_ms", None)
    return zero_ms if offset is None else zero_ms + offset


def _filters(epochs: mne.BaseEpochs, stated: _Stated, given: Filters | None) -> Filters:
    """Return the filters given, or those of the metadata, or those that mne applied; mne's defaults say nothing."""
    if given is not None:
        return given
    low, high, notch = (stated.one(name, None) for name in ("low_cut_hz", "high_cut_hz", "notch_hz"))
    highpass, lowpass = float(epochs.info["highpass"]), float(epochs.info["lowpass"])
    if highpass > 0:
        low = max(low or 0.0, highpass)
    if lowpass < float(epochs.info["sfreq"]) / 2 * (1 - 1e-9):
        high = min(high or math.inf, lowpass)
    return Filters(low_cut_hz=low, high_cut_hz=high, notch_hz=notch)
