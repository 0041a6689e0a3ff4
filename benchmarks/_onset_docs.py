"""The page and the pictures of the onset benchmark, written from its figures; nothing is measured here.

The page's own words stand in ``_PAGE``; every number in it comes from the figures.
"""

from __future__ import annotations

from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks._onset_report import number, verdict
from benchmarks._real import AFTER, QUIET
from benchmarks._scores import LEVELS, Figures

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_NONE_MS, _LEAST_MS = 10.0, 0.0008
"""Ends of the error axis; a sweep in which a method found nothing lies at the far one."""

_PAGE = """# How good the onsets are

This page is written by `python -m benchmarks.onsets --docs docs`; every number on it was measured in one run.
`make bench` measures the same, prints it, and writes it as JSON; `python -m benchmarks.onsets --compare OLD NEW` shows
what changed between two releases.

Detector version {version}. Peers: {peers}.

## Beside published rules and other programs

![Absolute onset errors of every method in five conditions](images/onset-benchmark.svg)

The same {n_side} simulated sweeps for every method: motor-unit sums in a volume conductor at 20 kHz, 50 ms long, with
8 to 200 units, latency spread 0.6 to 4 ms, onset 2.5 to 8 ms after the stimulus. The true onset is the moment at which
the noise-free response reaches 2 % of its negative peak. The sweeps come from the *test* population (seed {seed}); what
the estimator knows of rising edges was learned from the *train* population with other seeds.

A cell is median |error| in ms / bias in ms / gross errors in percent (more than 1 ms, or nothing found). Robust spread
and microseconds a sweep stand in the JSON.

{side_by_side}

The published rules define the onset by themselves (5 % of the peak, five standard deviations, …): a constant bias is
their definition rather than a fault, and cancels in a velocity. Their spread does not.

## The default method by itself

All {n_ncs} sweeps of every condition. *95 % interval* is the percentage of marked sweeps in which onset plus or
minus 1.96 stated standard deviations holds the truth; *velocity interval* is the same for the velocity over 200 mm
between two simulated stimulation sites of one nerve.

{alone}

![Coverage of the stated intervals](images/onset-calibration.svg)

## Is there a response at all

Without a response, marked: {marked:.2f} % of {n_without} sweeps. Peak of at least 20 sigma, missed: {missed:.2f} % of
{n_with}. An onset counts as marked; everything else (no response, too noisy, clipped, at the window's edge) as not
marked.

{presence}

Small sensory responses (antidromic, on artefact tails), by the height of their peak over the noise:

{small}

## Recordings from elsewhere

{real}

## Cost

{cost}

## What is wanted, and what was found

Limits for the nerve action potentials (10 % and 5 % of an amplitude, 0.02 ms) are this benchmark's own choice.

{targets}

## How the others were called

They run in an environment of their own, on the same arrays, one sweep after the other. Settings were chosen among a few
on the *train* population, so that each does its best; whatever is not named here is its default. Where a peer takes a
stretch of time in which to look, it got 2 to 12 ms after the stimulus: knowledge that `ncs` is not given.

- **MEP-CMAP Analyser**, every method: `dispatch_onset` on millivolts, negative up, above the mean of the samples before
  the stimulus; `pre_ms` is the time of the stimulus, `search_start_ms` and `min_latency_ms` are 2, `max_latency_ms`
  is 12, and the search goes on to the end of the sweep.
  - *bigoni*, *peak_fraction*: defaults. *bigoni_walkback*: 2 standard deviations.
  - *cusum*: k = 4 and h = 200 standard deviations, at most 2 ms of accumulation, a response of at least 1 ms.
  - *rms_envelope*: windows of 0.5 and 0.2 ms, 10 standard deviations, a response of at least 1 ms, 0.5 ms sustained.
  - *boyles*: blocks of 1 ms, its two gates on derivatives open.
  - *bootstrap*: defaults. It averages over 5 ms and wants half of that quiet between stimulus and response, which these
    latencies rarely leave; it then answers with the earliest moment allowed.
  - *methods_median*: its default members, with the settings above.
- **ObsPy** `aic_simple`: negative up, from 2 ms after the stimulus to the largest sample within 25 ms.
- **ObsPy** `pk_baer`: negative up, from 1 ms after the stimulus, above the mean of the first 0.5 ms; `tdownmax` 5,
  `tupevent` 30, thresholds 12 and 6, `preset_len` 20, `p_dur` 200 samples.
- **ObsPy** `ar_pick`: the sweep as all three components up to 25 ms, the first ms after the stimulus cut out; 20 to
  3000 Hz, windows of 2 and 0.5 ms, 2 coefficients, variance over 1 ms.

Seismograms are marked as if 100 samples a second were 10,000, with {quiet} samples before the "stimulus". Each starts
300 to 700 samples before the analyst's pick (by lot) and ends {after} samples after it; ObsPy's AIC sees the same
stretch. The first motion may go either way, so `ncs` marks a seismogram as it is and turned over, and the earlier onset
counts. Nothing found counts as far off as the stretch is long.
"""


def write(figures: Figures, folder: Path) -> None:
    """Write ``onset-benchmark.md`` and its two pictures into a folder of documents."""
    images = folder / "images"
    images.mkdir(parents=True, exist_ok=True)
    (folder / "onset-benchmark.md").write_text(page(figures), encoding="utf-8")
    draw_errors(figures, images / "onset-benchmark.svg")
    draw_calibration(figures, images / "onset-calibration.svg")
    print(f"written to {folder / 'onset-benchmark.md'} and {images}")


def page(figures: Figures) -> str:
    """Return the page."""
    presence = figures["presence"]
    peers = ", ".join(f"{name} {version}" for name, version in figures["peers"]["versions"].items())
    return _PAGE.format(
        version=figures["detector_version"],
        peers=peers or f"none ({figures['peers']['skipped']})",
        n_side=figures["n"]["side_by_side"],
        n_ncs=figures["n"]["ncs"],
        seed=figures["n"]["seed"],
        quiet=QUIET,
        after=AFTER,
        side_by_side=_side_by_side(figures["conditions"]),
        alone=_alone(figures),
        marked=presence["marked_percent"],
        n_without=presence["n_without"],
        missed=presence["missed_percent"],
        n_with=presence["n_with"],
        presence=_presence(presence),
        small=_small(figures["small"]),
        real=_real(figures["real"]),
        cost=_cost(figures["cost"]),
        targets=_targets(figures["targets"]),
    )


def _table(head: list[str], rows: list[list[str]]) -> str:
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [head, ["---"] * len(head), *rows])


def _side_by_side(conditions: Figures) -> str:
    methods = next(iter(conditions.values()))["methods"]
    rows = []
    for method in methods:
        cells = []
        for condition in conditions.values():
            row = condition["methods"][method]
            error, bias = number(row.get("median_error_ms")), number(row.get("bias_ms"), "+.3f")
            cells.append(f"{error} / {bias} / {row['gross_percent']:.1f}")
        rows.append([f"**{method}**" if method == "ncs changepoint" else method, *cells])
    return _table(["method", *(f"`{name}`" for name in conditions)], rows)


def _alone(figures: Figures) -> str:
    rows = []
    for name, condition in figures["conditions"].items():
        row, speed = condition["ncs"], figures["velocity"][name]
        rows.append([
            f"`{name}`", number(row.get("median_error_ms"), ".4f"), f"{row['gross_percent']:.2f}",
            number(row["coverage_percent"], ".1f"), number(row["peak_error_ms"], ".4f"),
            number(row["amplitude_error_percent"], ".2f"), number(row["amplitude_error_noise"], ".2f"),
            number(speed["coverage_percent"], ".1f"), number(speed["median_error_m_s"], ".2f"),
        ])  # fmt: skip
    head = [
        "condition", "median onset error, ms", "gross, %", "95 % interval, %", "peak latency, ms", "amplitude, %",
        "amplitude, in noise", "velocity interval, %", "velocity error, m/s",
    ]  # fmt: skip
    return _table(head, rows)


def _presence(presence: Figures) -> str:
    rows = [
        [what, name, str(row["n"]), f"{row['percent']:.2f}"]
        for what, key in (("nothing there, marked", "marked_by_kind"), ("20 sigma, missed", "missed_by_kind"))
        for name, row in presence[key].items()
    ]
    return _table(["", "sweeps", "n", "%"], rows)


def _small(small: dict[str, Figures]) -> str:
    rows = [
        [
            name, str(row["n"]), f"{row['found_percent']:.1f}", f"{row['median_error_ms']:.3f}",
            f"{row['coverage_percent']:.1f}",
        ]
        for name, row in small.items()
    ]  # fmt: skip
    return _table(["peak", "n", "found, %", "median onset error, ms", "95 % interval, %"], rows)


def _real(real: Figures) -> str:
    if "skipped" in real:
        return f"Not measured: {real['skipped']}."
    cap = real["nerve_cap"]
    waves = {"M wave": real["m_wave"], "H reflex": real["h_reflex"]}
    waves |= {f"MEP {name}": figures for name, figures in real["mep"]["subjects"].items()}
    stable = _table(
        ["noise made twice as large", "clear sweeps", "bias, ms", "spread, ms", "lost, %", "moved by > 1 ms, %"],
        [
            [
                label, f"{row['n']} of {row['of']}", number(row["bias_ms"], "+.3f"), number(row.get("spread_ms")),
                number(row.get("lost_percent"), ".1f"), number(row.get("jumped_percent"), ".1f"),
            ]
            for label, row in waves.items()
        ],
    )  # fmt: skip
    quake = real["seismic"]
    return (
        f"Auditory-nerve compound action potentials at {cap['n']} levels from 25 dB up, against one rater's table: P1"
        f" marked at {cap['marked_p1']} levels, N1 at {cap['marked_n1']}; P1 latency"
        f" {number(cap['p1_error_ms'], '.4f')} ms away (median of those marked); P1 amplitude"
        f" {cap['p1_amplitude_error_percent']:.1f} % and P1 to N1 {cap['p1_n1_error_percent']:.1f} % away, where a mark"
        f" that is not made counts as 100 %. Of the {cap['n_weak']} weaker levels {cap['marked_of_the_weak']} were"
        " marked.\n\n"
        f"{stable}\n\n"
        f"{quake['n']} seismograms, distance to the analyst's pick in samples (median): ncs"
        f" {quake['ncs_median_samples']:.1f}, ObsPy's AIC {number(quake.get('aic_median_samples'), '.1f')}; nothing"
        f" picked by ncs in {quake['ncs_none_percent']:.0f} %."
    )


def _cost(cost: Figures) -> str:
    text = (
        f"{cost['us_a_sweep']:.1f} microseconds for a sweep of {cost['samples_a_sweep']} samples, everything marked,"
        f" one core: {cost['sums']:.0f} times one `numpy.sum` over the same float32 array."
    )
    if "fastest_peer" not in cost:
        return text
    costs = sorted(cost["peer_us_a_sweep"].items(), key=lambda item: item[1])
    rows = [[name, f"{us:.0f}", f"{us / cost['us_a_sweep']:.1f}"] for name, us in costs]
    return text + "\n\n" + _table(["peer", "microseconds a sweep", "times the cost of ncs"], rows)


def _targets(targets: list[Figures]) -> str:
    rows = [
        [row["name"].replace("|", "\\|"), f"{row['wanted']} {row['unit']}".strip(), number(row["found"]), verdict(row)]
        for row in targets
    ]
    return _table(["", "wanted", "found", ""], rows)


def _style(method: str) -> dict[str, Any]:
    """Return how a method is drawn: families differ in marker and grey, not in colour."""
    if method == "ncs changepoint":
        return {"color": "black", "marker": "D", "markersize": 5.5, "linewidth": 2.6}
    if method.startswith("ncs"):
        return {"color": "0.45", "marker": "o", "markersize": 4, "linewidth": 1.2}
    white = {"markerfacecolor": "white", "linewidth": 1.2, "markersize": 4.5}
    return {"color": "0.1", "marker": "s" if method.startswith("MEP") else "^", **white}


def draw_errors(figures: Figures, path: Path) -> None:
    """Draw the 5th to 95th percentile and the median of the absolute error, one panel per condition."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    conditions = figures["conditions"]
    methods = list(next(iter(conditions.values()))["methods"])
    with mpl.rc_context({"svg.hashsalt": "ncs", "svg.fonttype": "none", "font.size": 8.5}):
        drawing = Figure(figsize=(13, 0.27 * len(methods) + 1.3), layout="constrained")
        panels = drawing.subplots(1, len(conditions), sharey=True)
        for panel, (name, condition) in zip(panels, conditions.items(), strict=True):
            for place, method in enumerate(methods):
                _draw_range(panel, place, method, condition["methods"][method]["range_ms"])
            panel.set_xscale("log")
            panel.set_xlim(_LEAST_MS, 1.25 * _NONE_MS)
            panel.set_xticks([0.001, 0.01, 0.1, 1.0, _NONE_MS], ["0.001", "0.01", "0.1", "1", "none"])
            panel.axvline(1.0, color="0.6", linewidth=0.8, linestyle=":")
            panel.grid(axis="x", color="0.9", linewidth=0.6)
            panel.set_axisbelow(True)
            panel.set_title(name, fontsize=8.5)
            panel.tick_params(axis="y", length=0)
        panels[0].set_yticks(range(len(methods)), methods)
        panels[0].get_yticklabels()[methods.index("ncs changepoint")].set_fontweight("bold")
        panels[0].set_ylim(len(methods) - 0.4, -0.6)
        drawing.supxlabel("|onset error|, ms: median, 5th to 95th percentile; dotted: 1 ms, beyond which it is gross")
        drawing.savefig(path, metadata={"Date": None, "Creator": None})


def _draw_range(panel: Axes, place: int, method: str, range_ms: list[float | None]) -> None:
    low, middle, high = (min(_NONE_MS if at is None else max(at, _LEAST_MS), _NONE_MS) for at in range_ms)
    style = _style(method)
    line = {key: style[key] for key in ("color", "linewidth")}
    panel.plot([low, high], [place, place], solid_capstyle="butt", **line)
    panel.plot([middle], [place], linestyle="none", **{k: v for k, v in style.items() if k != "linewidth"})


def draw_calibration(figures: Figures, path: Path) -> None:
    """Draw measured minus stated coverage of the onset's intervals, for several levels and every condition."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    kinds = (("o", "-"), ("s", "--"), ("^", "-."), ("D", ":"), ("v", (0, (5, 1, 1, 1, 1, 1))))
    with mpl.rc_context({"svg.hashsalt": "ncs", "svg.fonttype": "none", "font.size": 9}):
        drawing = Figure(figsize=(8, 4), layout="constrained")
        panel = drawing.subplots()
        panel.axhline(0.0, color="0.5", linewidth=1)
        panel.vlines(LEVELS.index(95), -3, 3, color="0.75", linewidth=14, zorder=0)
        panel.annotate("wanted", (LEVELS.index(95), 3.2), ha="center", va="bottom", fontsize=8, color="0.35")
        for (marker, line), (name, condition) in zip(cycle(kinds), figures["conditions"].items(), strict=False):
            at = condition["ncs"]["coverage_at"]
            off = [at[str(level)] - level for level in LEVELS if at[str(level)] is not None]
            panel.plot(range(len(off)), off, marker=marker, linestyle=line, color="black", linewidth=1.1,
                       markersize=5, markerfacecolor="white", label=name)  # fmt: skip
        panel.set_xticks(range(len(LEVELS)), [f"{level} %" for level in LEVELS])
        panel.set_xlabel("stated interval of the onset")
        panel.set_ylabel("percentage that holds the truth,\nminus stated")
        panel.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)
        panel.grid(axis="y", color="0.9", linewidth=0.6)
        panel.set_axisbelow(True)
        drawing.savefig(path, metadata={"Date": None, "Creator": None})
