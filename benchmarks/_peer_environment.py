"""A virtual environment for the peers, made once under ``build/``, and the way arrays go there and come back."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import venv
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

PACKAGES = ("mep-cmap-analyser", "obspy")
FOLDER = Path(__file__).resolve().parents[1] / "build" / "peers"
_SCRIPT = Path(__file__).with_name("_peers.py")


@dataclass(frozen=True, slots=True, kw_only=True)
class Peers:
    """What the peers found: arrays by ``condition/peer/onset_ms`` and ``…/seconds``; or why there is nothing."""

    found: dict[str, Any] = field(default_factory=dict)
    skipped: str | None = None

    @property
    def versions(self) -> dict[str, str]:
        return json.loads(str(self.found["versions"])) if self.found else {}

    def names(self, condition: str) -> list[str]:
        return [key.split("/")[1] for key in self.found if key.startswith(f"{condition}/") and key.endswith("/seconds")]


def run(arrays: dict[str, Any]) -> Peers:
    """Return what the peers make of the arrays; install them first, where they are not."""
    python, reason = _ready()
    if reason is not None:
        return Peers(skipped=reason)
    with tempfile.TemporaryDirectory() as name:
        given, answer = Path(name) / "given.npz", Path(name) / "answer.npz"
        np.savez(given, **arrays)
        command = [python, str(_SCRIPT), str(given), str(answer)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            return Peers(skipped=f"the peers stopped: {_last_line(done.stderr)}")
        with np.load(answer) as found:
            return Peers(found={key: found[key] for key in found.files})


def _ready() -> tuple[str, str | None]:
    """Return the environment's Python, and the reason why it cannot be used."""
    python = FOLDER / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    stamp = FOLDER / "installed"
    wanted = " ".join(PACKAGES)
    if not (stamp.is_file() and stamp.read_text() == wanted):
        print(f"  installing {wanted} into {FOLDER} (once)", flush=True)
        venv.create(FOLDER, clear=True, with_pip=True)
        command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *PACKAGES]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            return str(python), f"pip could not install {wanted}: {_last_line(done.stderr)}"
        stamp.write_text(wanted)
    return str(python), None


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1].strip() if lines else f"no message from {Path(sys.executable).name}"
