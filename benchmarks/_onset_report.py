"""The onset benchmark on the screen: tables, verdicts, and two runs side by side. Numbers in, text out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from benchmarks._scores import Figures


def show(figures: Figures) -> None:
    """Print everything."""
    _side_by_side(figures)
    _alone(figures)
    _presence(figures["presence"])
    _small(figures["small"])
    _cost(figures["cost"])
    _recordings(figures["real"])
    _targets(figures["targets"])


def number(value: Any, form: str = ".3f", none: str = "-") -> str:
    """Return a number as text, or what stands for none."""
    return none if value is None else format(value, form)


def _side_by_side(figures: Figures) -> None:
    n = figures["n"]
    for name, condition in figures["conditions"].items():
        print(f"\n  {name}: first {n['side_by_side']} sweeps (test population, seed {n['seed']})")
        print(f"    {'method':26s} median |error|   spread     bias  gross %    us a sweep")
        for method, row in condition["methods"].items():
            print(
                f"    {method:26s} {number(row.get('median_error_ms'), '14.4f', '             -')}"
                f" {number(row.get('spread_ms'), '8.4f', '       -')} {number(row.get('bias_ms'), '+8.4f', '       -')}"
                f" {row['gross_percent']:8.2f} {row['us_a_sweep']:13.1f}"
            )
    if figures["peers"]["skipped"]:
        print(f"\n  PEERS SKIPPED: {figures['peers']['skipped']}")
    else:
        print("\n  peers:", ", ".join(f"{name} {version}" for name, version in figures["peers"]["versions"].items()))


def _alone(figures: Figures) -> None:
    print(f"\n  ncs changepoint, all {figures['n']['ncs']} sweeps; velocity over 200 mm")
    print(f"    {'condition':27s}  |onset|  gross %  95 % int   |peak|   ampl %  ampl/noise  velocity 95 % int")
    for name, condition in figures["conditions"].items():
        row, speed = condition["ncs"], figures["velocity"][name]
        print(
            f"    {name:27s} {number(row.get('median_error_ms'), '8.4f')} {row['gross_percent']:8.2f}"
            f" {number(row['coverage_percent'], '9.1f')} {number(row['peak_error_ms'], '8.4f')}"
            f" {number(row['amplitude_error_percent'], '8.2f')} {number(row['amplitude_error_noise'], '11.2f')}"
            f" {number(speed['coverage_percent'], '19.1f')}"
        )


def _presence(presence: Figures) -> None:
    for what, kinds, share in (("without a response, marked", "marked_by_kind", "marked_percent"),
                               ("20 sigma and more, missed", "missed_by_kind", "missed_percent")):  # fmt: skip
        count = presence["n_without" if kinds == "marked_by_kind" else "n_with"]
        print(f"\n  {what}: {presence[share]:.2f} % of {count}")
        for name, row in presence[kinds].items():
            print(f"    {name:40s} {row['percent']:7.2f} % of {row['n']}")


def _small(small: dict[str, Figures]) -> None:
    print("\n  small sensory responses on artefact tails")
    for name, row in small.items():
        print(
            f"    {name:12s} found {row['found_percent']:6.1f} %, |onset| {row['median_error_ms']:.3f} ms,"
            f" 95 % interval {row['coverage_percent']:.1f} %"
        )


def _cost(cost: Figures) -> None:
    print(f"\n  cost: {cost['us_a_sweep']:.1f} us for {cost['samples_a_sweep']} samples")
    print(f"    {cost['sums']:.0f} passes of numpy.sum, {cost['sum_us_a_sweep']:.3f} us each")
    if "fastest_peer" in cost:
        print(f"    {cost['times_faster']:.2f} times as fast as the fastest peer, {cost['fastest_peer']}")


def _recordings(real: Figures) -> None:
    print("\n  recordings")
    if "skipped" in real:
        print(f"    SKIPPED: {real['skipped']}")
        return
    flat = {name: row for name, row in real.items() if name != "mep"} | real["mep"]["subjects"]
    for name, row in flat.items():
        print(f"    {name:10s}", ", ".join(f"{key} {_short(value)}" for key, value in row.items()))


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _targets(targets: list[Figures]) -> None:
    reached = sum(row["reached"] is True for row in targets)
    print(f"\n  targets: {reached} of {len(targets)} reached")
    for row in targets:
        found = number(row["found"], "8.3f", "       -")
        print(f"    {row['name']:58s} wanted {row['wanted']:10s} found {found} {verdict(row)}")


def verdict(row: Figures) -> str:
    """Return what became of a target, in words."""
    if row["reached"] is None:
        return "not measured"
    if row["reached"]:
        return "reached"
    return f"MISSED by {row['missed_by']:.3g} {row['unit']}".rstrip()


def compare(old: Figures, new: Figures) -> None:
    """Print every figure of two runs that differs by more than 2 percent, and every target whose verdict changed."""
    before, after = dict(_leaves(old)), dict(_leaves(new))
    for path in sorted(before.keys() | after.keys()):
        a, b = before.get(path), after.get(path)
        if a is None or b is None:
            if a is not b:
                print(f"{path:80s} {number(a, '10.4f', '         -')} -> {number(b, '10.4f', '         -')}")
        elif abs(b - a) > 0.02 * max(abs(a), abs(b)):
            print(f"{path:80s} {a:10.4f} -> {b:10.4f}")
    verdicts = {row["name"]: verdict(row) for row in old["targets"]}
    for row in new["targets"]:
        was, now = verdicts.get(row["name"], "no such target"), verdict(row)
        if was.split()[0] != now.split()[0]:
            print(f"{row['name']}: {was} -> {now}")


def _leaves(figures: Any, path: str = "") -> Iterator[tuple[str, float]]:
    """Yield every number with the names that lead to it.

    Targets are compared by their verdicts, and the costs of single methods not at all: they vary too much.
    """
    if isinstance(figures, Mapping):
        for key, value in figures.items():
            if key != "targets" and not (key == "us_a_sweep" and "/methods/" in path):
                yield from _leaves(value, f"{path}/{key}" if path else key)
    elif isinstance(figures, (int, float)) and not isinstance(figures, bool):
        yield path, float(figures)
