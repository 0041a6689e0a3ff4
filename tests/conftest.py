"""Fixtures every test may use."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def recordings() -> Path:
    """Folder of real recordings, or a skip that says where it was looked for."""
    named = os.environ.get("NCS_RECORDINGS")
    folder = Path(named) if named else Path(__file__).resolve().parents[2] / "shared" / "recordings"
    if not folder.is_dir():
        pytest.skip(f"no real recordings at {folder} (set NCS_RECORDINGS to their folder)")
    return folder
