"""The one table of everything ncs measures: name, unit, definition, source.

A new quantity is one row here and one function in ``ncs.measure``. Names are stored in databases: never rename a row.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
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

_PRESTON = "Preston & Shapiro, Electromyography and Neuromuscular Disorders (cited second-hand)"
_NCS = "ncs"
_RECALLED = "recalled, provisional"

_CLINICAL = "clinical convention (cited second-hand)"
_NORMATIVE_F = "Normative F wave values and the number of recorded F waves (abstract, scilit e33f7a76)"
_SIGMOID = "Klimstra & Zehr 2008, Exp Brain Res 186:93 (recalled)"

# name, unit, heading, per, decimals, definition, source
_LATE = (
    ("f_minimum_latency", "ms", "F min", "site", 2,
     ("Shortest onset latency of the F waves of a series, at the first deflection of either polarity: the expected "
      "shortest of the true ones, given how uncertain each is."), _NORMATIVE_F),
    ("f_mean_latency", "ms", "F mean", "site", 2,
     "Mean onset latency of the F waves of a series; a repeat of the same wave counts once.", _NORMATIVE_F),
    ("f_median_latency", "ms", "F median", "site", 2,
     "Median onset latency of the F waves of a series; a repeat of the same wave counts once.", _NORMATIVE_F),
    ("f_maximum_latency", "ms", "F max", "site", 2,
     "Longest onset latency of the F waves of a series: the expected longest of the true ones.", _NORMATIVE_F),
    ("f_chronodispersion", "ms", "chronodisp.", "site", 2, "Longest minus shortest F latency.", _NORMATIVE_F),
    ("f_persistence", "%", "persist.", "site", 0,
     ("Share of the stimuli that an F wave (at least 40 uV peak to peak and above the noise) follows; repeats count, "
      "A waves do not."), _NORMATIVE_F),
    ("f_amplitude", "uV", "F p-p", "site", 0,
     "Mean peak-to-peak amplitude of the F waves of a series; a repeat of the same wave counts once.", _NORMATIVE_F),
    ("f_m_ratio", "%", "F/M", "site", 1,
     "Mean peak-to-peak amplitude of the F waves over the peak-to-peak amplitude of the M wave.", _NORMATIVE_F),
    ("f_stimuli", "1", "stimuli", "site", 0, "Number of stimuli of an F-wave series that could be judged.", _NCS),
    ("f_repeats", "1", "repeats", "site", 0,
     "Number of F waves that are the wave of an earlier stimulus once more (repeater waves).", _NORMATIVE_F),
    ("f_a_wave_sweeps", "1", "A waves", "site", 0,
     "Number of sweeps in which an A wave (constant latency and shape) was recognised and left out.", _NCS),
    ("f_estimate", "ms", "F est.", "site", 2,
     ("Twice the distance from cathode to spinal cord over the motor conduction velocity, plus 1 ms, plus the distal "
      "motor latency."), _CLINICAL),
    ("f_estimate_difference", "ms", "F - est.", "site", 2, "Shortest F latency minus the F estimate.", _CLINICAL),
    ("h_latency", "ms", "H latency", "site", 2,
     "Onset latency of the H reflex where it is largest, at the first deflection of either polarity.", _NCS),
    ("h_minimum_latency", "ms", "H min", "site", 2,
     "Shortest onset latency of any H reflex of at least a tenth of the largest one.", _CLINICAL),
    ("h_maximum_amplitude", "uV", "Hmax", "site", 2,
     "Largest peak-to-peak amplitude of the H reflex, of the means of equal stimuli.", _CLINICAL),
    ("m_maximum_amplitude", "uV", "Mmax", "site", 2,
     "Largest peak-to-peak amplitude of the M wave beside H reflexes, of the means of equal stimuli.", _CLINICAL),
    ("h_m_ratio", "%", "Hmax/Mmax", "site", 0, "Largest H reflex over largest M wave, both peak to peak.", _CLINICAL),
    ("h_threshold", "mA", "H thr.", "site", 2,
     "Intensity from which on, up to the largest H reflex, at least half of the stimuli evoke one.", _NCS),
    ("m_threshold", "mA", "M thr.", "site", 2,
     "Intensity from which on, up to the largest M wave, at least half of the stimuli evoke one.", _NCS),
    ("h_half_maximum_intensity", "mA", "H 50%", "site", 2,
     "Intensity for half of the maximum of the sigmoid fitted to the ascending part of the H recruitment curve.",
     _SIGMOID),
    ("m_half_maximum_intensity", "mA", "M 50%", "site", 2,
     "Intensity for half of the maximum of the sigmoid fitted to the M recruitment curve.", _SIGMOID),
    ("h_recruitment_slope", "%/mA", "H slope", "site", 0,
     "Slope at half maximum of the sigmoid of the H recruitment curve, in percent of its maximum.", _SIGMOID),
    ("m_recruitment_slope", "%/mA", "M slope", "site", 0,
     "Slope at half maximum of the sigmoid of the M recruitment curve, in percent of its maximum.", _SIGMOID),
)  # fmt: skip

# name, unit, heading, per, decimals, definition, source. Of a train of stimuli, ``segment`` names the train.
_SPECIAL = (
    ("train_first_amplitude", "uV", "A1", "segment", 2,
     "CMAP amplitude (baseline to negative peak) of the first response of a train.", _PRESTON),
    ("train_first_area", "uV.ms", "area 1", "segment", 1,
     "Negative-peak area of the first response of a train.", _PRESTON),
    ("decrement_4th", "%", "decr. 4th", "segment", 1,
     "Loss of CMAP amplitude at the fourth response of a train, in percent of the first; negative for a gain.",
     _PRESTON),
    ("decrement_5th", "%", "decr. 5th", "segment", 1,
     "Loss of CMAP amplitude at the fifth response of a train, in percent of the first; negative for a gain.",
     _PRESTON),
    ("decrement_maximum", "%", "decr. max.", "segment", 1,
     ("Largest loss of CMAP amplitude of any response of a train, in percent of the first; the method has the response "
     "and the whole course."), _NCS),
    ("decrement_last", "%", "decr. last", "segment", 1,
     "Loss of CMAP amplitude at the last response of a train, in percent of the first.", _NCS),
    ("increment_maximum", "%", "incr. max.", "segment", 1,
     ("Largest gain of CMAP amplitude of any response of a train, in percent of the first; negative where all are "
     "smaller."), _NCS),
    ("area_decrement_4th", "%", "area decr. 4th", "segment", 1,
     "Loss of negative-peak area at the fourth response of a train, in percent of the first.", _PRESTON),
    ("area_decrement_5th", "%", "area decr. 5th", "segment", 1,
     "Loss of negative-peak area at the fifth response of a train, in percent of the first.", _PRESTON),
    ("area_decrement_maximum", "%", "area decr. max.", "segment", 1,
     "Largest loss of negative-peak area of any response of a train, in percent of the first.", _NCS),
    ("area_decrement_last", "%", "area decr. last", "segment", 1,
     "Loss of negative-peak area at the last response of a train, in percent of the first.", _NCS),
    ("area_increment_maximum", "%", "area incr. max.", "segment", 1,
     "Largest gain of negative-peak area of any response of a train, in percent of the first.", _NCS),
    ("exercise_increment", "%", "incr. exercise", "segment", 1,
     ("Gain of CMAP amplitude of the first response of a train after exercise over the first one before, in percent "
     "of that."), _PRESTON),
    ("area_exercise_increment", "%", "area incr. exercise", "segment", 1,
     ("Gain of negative-peak area of the first response of a train after exercise over the first one before, in "
     "percent of that."), _PRESTON),
    ("stimulation_rate", "Hz", "rate", "segment", 2,
     "One over the median interval between the stimuli of a train.", _NCS),
    ("latency_step", "ms", "step", "segment", 2,
     ("Difference of the motor latencies of two neighbouring stimulation sites of an inching study, proximal minus "
     "distal."), _PRESTON),
    ("latency_step_per_10_mm", "ms", "step/10 mm", "segment", 2,
     "Latency step over the distance of the two sites, for 10 mm.", _NCS),
    ("latency_step_maximum", "ms", "largest step", "study", 2,
     "Largest latency step for 10 mm of an inching study; the method says where, and what the others are like.", _NCS),
    ("amplitude_step_maximum", "%", "largest drop", "study", 1,
     ("Largest loss of CMAP amplitude between two neighbouring sites of an inching study, in percent of the distal "
     "one; the method says where."), _NCS),
    ("mixed_onset_latency", "ms", "onset", "site", 2,
     "Time from the stimulus to the onset of the mixed nerve potential (2 % of its negative peak).", _BUSCHBACHER),
    ("mixed_peak_latency", "ms", "peak", "site", 2,
     "Time from the stimulus to the negative peak of the mixed nerve potential; limits hold only for their distance.",
     _BUSCHBACHER),
    ("mixed_amplitude", "uV", "amplitude", "site", 1,
     "Amplitude of the mixed nerve potential from baseline (onset) to the negative peak.", _BUSCHBACHER),
    ("mixed_peak_to_peak_amplitude", "uV", "p-p", "site", 1,
     "Amplitude of the mixed nerve potential from the negative peak to the positive peak that follows it.",
     _BUSCHBACHER),
    ("mixed_conduction_velocity", "m/s", "velocity", "segment", 1,
     ("Distance from the stimulation site to the recording electrode over the onset latency, or, for a segment between "
     "two stimulation sites, their distance over the difference of the onset latencies."), _BUSCHBACHER),
    ("scan_maximum_amplitude", "uV", "maximum", "site", 2,
     "Median CMAP amplitude (baseline to negative peak) on the plateau of a CMAP scan.", _NCS),
    ("scan_s0", "mA", "S0", "site", 2,
     ("Stimulus current at which responses begin, in the middle between the strongest stimulus below which none stands "
     "out of the noise and the next one."), _RECALLED),
    ("scan_s5", "mA", "S5", "site", 2,
     "Stimulus current for 5 % of the maximum on the rising curve fitted to a CMAP scan.", _RECALLED),
    ("scan_s50", "mA", "S50", "site", 2,
     "Stimulus current for 50 % of the maximum on the rising curve fitted to a CMAP scan.", _RECALLED),
    ("scan_s95", "mA", "S95", "site", 2,
     "Stimulus current for 95 % of the maximum on the rising curve fitted to a CMAP scan.", _RECALLED),
    ("scan_s100", "mA", "S100", "site", 2,
     ("Stimulus current from which on all responses lie on the plateau, in the middle between it and the next weaker "
     "one."), _RECALLED),
    ("scan_range", "%", "range", "site", 1, "S95 minus S5, in percent of S50.", _RECALLED),
    ("scan_noise", "uV", "noise", "site", 1,
     "Standard deviation of the amplitude of an unchanged response, from the plateau of a CMAP scan.", _NCS),
    ("scan_step_count", "1", "steps", "site", 0,
     ("Number of gaps between neighbouring amplitudes of a CMAP scan that exceed the multiple of the noise stated in "
     "the method: candidates for large motor units."), _NCS),
    ("scan_largest_step", "uV", "largest step", "site", 2,
     "Largest gap between neighbouring amplitudes of a CMAP scan; the method says at which current.", _NCS),
    ("scan_step_share", "%", "in steps", "site", 1,
     "Sum of the step candidates of a CMAP scan, in percent of the maximum.", _NCS),
    ("scan_d50", "1", "D50", "site", 0,
     "How many of the largest gaps between neighbouring amplitudes of a CMAP scan add up to half of the maximum.",
     _RECALLED),
    ("blink_r1_latency", "ms", "R1", "site", 2,
     "Onset latency of R1 of the blink reflex: the median of the sweeps in which it is found.", _PRESTON),
    ("blink_r1_amplitude", "uV", "R1 ampl.", "site", 1,
     "Amplitude of R1 from its largest negative to its largest positive peak: the median of the sweeps.", _PRESTON),
    ("blink_r1_persistence", "%", "R1 persist.", "site", 0, "Share of the sweeps in which R1 is found.", _NCS),
    *(
        row
        for side in ("ipsilateral", "contralateral")
        for row in (
            (f"blink_r2_{side}_latency", "ms", f"R2 {side[:5]}.", "site", 1,
             f"Shortest onset latency of the {side} R2 of the blink reflex in any sweep.", _PRESTON),
            (f"blink_r2_{side}_median_latency", "ms", f"R2 {side[:5]}. median", "site", 1,
             f"Median onset latency of the {side} R2 of the blink reflex.", _NCS),
            (f"blink_r2_{side}_persistence", "%", f"R2 {side[:5]}. persist.", "site", 0,
             f"Share of the sweeps in which the {side} R2 is found.", _NCS),
        )
    ),
)  # fmt: skip

_SMALL = ("f_", "mixed_", "blink_", "scan_noise")
"""How names begin whose values are printed in microvolts."""


def _special(name: str, unit: str, label: str, per: str, decimals: int, definition: str, source: str) -> Quantity:
    display = {} if name.startswith(_SMALL) else {"uV": "mV", "uV.ms": "mV.ms"}
    return Quantity(
        name=name, unit=unit, label=label, per=per, decimals=decimals, definition=definition, source=source,
        display_unit=display.get(unit, ""), display_factor=1e-3 if unit in display else 1.0,
    )  # fmt: skip


_LATE_ROWS = tuple(_special(*row) for row in _LATE)
_SPECIAL_ROWS = tuple(_special(*row) for row in _SPECIAL)

_KIERNAN = "Kiernan et al., Muscle Nerve 2000;23:399-409 (cited second-hand); computed by the recorder"

# name, unit, heading, decimals, definition: what threshold tracking reports; ncs passes these on and computes none.
_EXCITABILITY = (
    ("half_maximum_stimulus", "mA", "stim 50%", 2, "Stimulus current for half of the maximum response."),
    ("strength_duration_time_constant", "ms", "SDTC", 3,
     ("Strength-duration time constant: pulse width at which the line of threshold charge over pulse width meets zero, "
     "with its sign reversed (Weiss's law).")),
    ("rheobase", "mA", "rheobase", 2, "Slope of threshold charge over pulse width (Weiss's law)."),
    ("stimulus_response_slope", "1", "SR slope", 2, "Slope of the stimulus-response curve, as the recorder scales it."),
    ("excitability_peak_response", "uV", "peak resp.", 3, "Largest response, as the recorder measures amplitudes."),
    ("excitability_maximum_cmap", "uV", "max CMAP", 3,
     ("Maximum CMAP of the stimulus-response curve, as the recorder measures amplitudes; the pulse width is in the "
     "method.")),
    ("resting_iv_slope", "1", "rest. I/V", 3,
     "Slope of current over threshold reduction between -10 and 10 % of threshold."),
    ("minimum_iv_slope", "1", "min. I/V", 3, "Least slope of current over threshold reduction."),
    ("hyperpolarizing_iv_slope", "1", "hyp. I/V", 3,
     "Slope of current over threshold reduction between -100 and -80 % of threshold."),
    ("relative_refractory_period", "ms", "RRP", 2,
     "Interval after a supramaximal stimulus at which the threshold change first crosses zero."),
    ("refractoriness_2_ms", "%", "refr. 2 ms", 1, "Threshold change 2 ms after a supramaximal stimulus."),
    ("refractoriness_2_5_ms", "%", "refr. 2.5 ms", 1, "Threshold change 2.5 ms after a supramaximal stimulus."),
    ("superexcitability", "%", "superexc.", 1,
     "Lowest mean of threshold changes (negative) at three neighbouring intervals of the recovery cycle."),
    ("superexcitability_5_ms", "%", "superexc. 5 ms", 1, "Threshold change 5 ms after a supramaximal stimulus."),
    ("superexcitability_7_ms", "%", "superexc. 7 ms", 1, "Threshold change 7 ms after a supramaximal stimulus."),
    ("subexcitability", "%", "subexc.", 1,
     ("Highest mean of threshold changes at three neighbouring intervals of the recovery cycle after "
     "superexcitability.")),
    ("ted_10_20_ms", "%", "TEd 10-20", 1,
     "Mean threshold reduction 10 to 20 ms after the start of a depolarizing current of 40 % of threshold."),
    ("ted_40_60_ms", "%", "TEd 40-60", 1,
     "Mean threshold reduction 40 to 60 ms after the start of a depolarizing current of 40 % of threshold."),
    ("ted_90_100_ms", "%", "TEd 90-100", 1,
     "Mean threshold reduction 90 to 100 ms after the start of a depolarizing current of 40 % of threshold."),
    ("ted_peak", "%", "TEd peak", 1,
     "Greatest threshold reduction during a depolarizing current of 40 % of threshold, as the recorder smooths it."),
    ("ted_undershoot", "%", "TEd undersh.", 1,
     ("Greatest threshold increase (negative) after a depolarizing current of 40 % of threshold, as the recorder "
     "smooths it.")),
    ("teh_10_20_ms", "%", "TEh 10-20", 1,
     "Mean threshold reduction 10 to 20 ms after the start of a hyperpolarizing current of 40 % of threshold."),
    ("teh_20_40_ms", "%", "TEh 20-40", 1,
     "Mean threshold reduction 20 to 40 ms after the start of a hyperpolarizing current of 40 % of threshold."),
    ("teh_90_100_ms", "%", "TEh 90-100", 1,
     "Mean threshold reduction 90 to 100 ms after the start of a hyperpolarizing current of 40 % of threshold."),
    ("teh_overshoot", "%", "TEh oversh.", 1,
     "Greatest threshold reduction after a hyperpolarizing current of 40 % of threshold, as the recorder smooths it."),
    ("teh_slope_101_140_ms", "1", "TEh slope", 3,
     ("Slope of threshold reduction over time, 101 to 140 ms after the start of a hyperpolarizing current of 40 % of "
     "threshold.")),
    ("ted20_peak", "%", "TEd20 peak", 1,
     "Greatest threshold reduction during a depolarizing current of 20 % of threshold, as the recorder smooths it."),
    ("ted20_10_20_ms", "%", "TEd20 10-20", 1,
     "Mean threshold reduction 10 to 20 ms after the start of a depolarizing current of 20 % of threshold."),
    ("teh20_10_20_ms", "%", "TEh20 10-20", 1,
     "Mean threshold reduction 10 to 20 ms after the start of a hyperpolarizing current of 20 % of threshold."),
    ("ted40_accommodation", "%", "TEd40 accom.", 1,
     "Accommodation to a depolarizing current of 40 % of threshold, as the recorder computes it."),
    ("s2_accommodation", "%", "S2 accom.", 1,
     "TEd(peak) minus TEd(90-100 ms)."),
    ("accommodation_half_time", "ms", "accom. t/2", 1,
     "Time in which half of the accommodation to a depolarizing current takes place, as the recorder computes it."),
    ("excitability_latency", "ms", "exc. latency", 2, "Latency of the tracked response, as the recorder measures it."),
    ("polarizing_current", "mA", "polar.", 3, "Polarizing current in which the cycle was recorded."),
    ("polarizing_current_percent", "%", "polar. %", 1,
     "Polarizing current in which the cycle was recorded, in percent of threshold."),
    ("reported_value", "", "reported", 3, "A number of the recorder that ncs has no name for; its method names it."),
)  # fmt: skip

_REPORTED_ROWS = tuple(
    Quantity(
        name=name, unit=unit, label=label, per="study", decimals=decimals, definition=definition, source=_KIERNAN,
        **({"display_unit": "mV", "display_factor": 1e-3} if unit == "uV" else {}),  # type: ignore[arg-type]
    )
    for name, unit, label, decimals, definition in _EXCITABILITY
)  # fmt: skip


def _derived(names: tuple[str, ...], suffix: str, label: str, definition: str) -> tuple[Quantity, ...]:
    """Return a row for each of the named quantities that is made from it: same unit, another name and definition."""
    of_row = {row.name: row for row in _ROWS}
    return tuple(
        replace(
            of_row[name],
            name=f"{name}_{suffix}",
            label=label.format(of_row[name].label),
            definition=definition.format(name.replace("_", " ")),
            source="ncs",
        )
        for name in names
    )


_TIMED = (
    "distal_motor_latency", "motor_conduction_velocity", "sensory_onset_latency", "sensory_peak_latency",
    "sensory_conduction_velocity",
)  # fmt: skip
TEMPERATURE_CORRECTED: MappingProxyType[str, str] = MappingProxyType(
    {name: f"{name}_temperature_corrected" for name in _TIMED}
)
"""Quantities that have a temperature-corrected form, and its name."""
COMPARED_BETWEEN_SIDES = (
    "distal_motor_latency", "cmap_amplitude", "motor_conduction_velocity", "sensory_onset_latency",
    "sensory_peak_latency", "snap_amplitude", "sensory_conduction_velocity",
)  # fmt: skip
"""Quantities of which right and left are compared; each has a row ``…_side_difference``."""
_DERIVED_ROWS = (
    *_derived(
        _TIMED, "temperature_corrected", "{} corr.",
        "The {} brought to a reference temperature by a linear rule that the method states; beside the measured value.",
    ),
    *_derived(COMPARED_BETWEEN_SIDES, "side_difference", "{} R-L", "The {} of the right side minus that of the left."),
)  # fmt: skip

QUANTITIES: MappingProxyType[str, Quantity] = MappingProxyType(
    {row.name: row for row in (*_ROWS, *_LATE_ROWS, *_SPECIAL_ROWS, *_DERIVED_ROWS, *_REPORTED_ROWS)}
)


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
