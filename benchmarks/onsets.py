"""How good the onsets of ``ncs.detect`` are, beside published rules and other people's pickers, in one run.

    python -m benchmarks onsets                      measure, print, write build/benchmarks.json
    python -m benchmarks.onsets --docs docs          the same, and write the page and its pictures
    python -m benchmarks.onsets --compare OLD NEW    two JSON files side by side

A missed target is printed and does not fail the run.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from benchmarks import _onset_docs, _onset_report, _peer_environment, _real, _scores, _simulated
from benchmarks._peer_environment import Peers
from benchmarks._scores import Figures
from ncs import detect
from ncs.simulate import CONDITIONS


def run() -> Figures:
    """Measure everything, print the tables and the verdicts, and return the figures."""
    figures = measure()
    _onset_report.show(figures)
    return figures


def measure() -> Figures:
    """Return every figure of the benchmark."""
    detect.warm_up()
    recordings, reason = _real.folder()
    named = _simulated.sweeps()
    parts = {} if reason else _real.seismograms(recordings)
    given = _simulated.for_peers(named) | {f"seismic/{key}": values for key, values in parts.items()}
    peers = _peer_environment.run(given)
    figures: Figures = {
        "n": {"ncs": _simulated.N_NCS, "side_by_side": _simulated.N_PEERS, "seed": _simulated.SEED},
        "detector_version": detect.DETECTOR_VERSION,
        "peers": {"versions": peers.versions, "skipped": peers.skipped},
        "conditions": {name: _condition(name, named[name], peers) for name in named},
        "velocity": _simulated.velocities(),
        "presence": _simulated.presence({} if reason else _real.artefacts(recordings)),
        "small": _simulated.small(),
        "cost": _simulated.cost(named, _seconds(peers, list(named))),
        "real": {"skipped": reason} if reason else _recordings(recordings, parts, peers),
    }
    return figures | {"targets": _scores.judge(figures)}


def _condition(name: str, sweeps: Any, peers: Peers) -> Figures:
    picked = {
        peer: (peers.found[f"{name}/{peer}/onset_ms"], float(peers.found[f"{name}/{peer}/seconds"]))
        for peer in peers.names(name)
    }
    return {
        "methods": _simulated.methods(sweeps, picked),
        "ncs": _simulated.ncs_alone(sweeps, float(CONDITIONS[name].contamination.noise_uv)),
    }


def _seconds(peers: Peers, conditions: list[str]) -> dict[str, float]:
    """Return what a sweep costs each peer, on average over the conditions."""
    return {
        peer: sum(float(peers.found[f"{name}/{peer}/seconds"]) for name in conditions) / len(conditions)
        for peer in peers.names(conditions[0])
    }


def _recordings(recordings: Path, parts: dict[str, Any], peers: Peers) -> Figures:
    return {
        "nerve_cap": _real.nerve_cap(recordings),
        **_real.m_and_h(recordings),
        "mep": _real.mep(recordings),
        "seismic": _real.seismic(parts, peers.found.get("seismic/picks")),
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.onsets", description="Measure the onset estimator.")
    parser.add_argument("--docs", type=Path, metavar="FOLDER", help="also write onset-benchmark.md and its pictures")
    parser.add_argument("--json", type=Path, default=Path("build/onsets.json"), help="where to write the figures")
    parser.add_argument("--from", type=Path, dest="source", metavar="JSON", help="do not measure; take these figures")
    parser.add_argument("--compare", type=Path, nargs=2, metavar=("OLD", "NEW"), help="print what changed, and stop")
    chosen = parser.parse_args()
    if chosen.compare:
        _onset_report.compare(*(_load(path) for path in chosen.compare))
        return
    if chosen.source:
        figures = _load(chosen.source)
        _onset_report.show(figures)
    else:
        figures = run()
        chosen.json.parent.mkdir(parents=True, exist_ok=True)
        chosen.json.write_text(json.dumps({"onsets": figures}, indent=1) + "\n")
        print(f"\nwritten to {chosen.json}")
    if chosen.docs:
        _onset_docs.write(figures, chosen.docs)


def _load(path: Path) -> Figures:
    """Return the figures of a file written here or by ``python -m benchmarks``."""
    return json.loads(path.read_text())["onsets"]


if __name__ == "__main__":
    main()
