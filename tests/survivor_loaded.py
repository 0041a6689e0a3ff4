"""Imported by the server of processes, so that a batch it starts has nothing left to load."""

from tests.survivor import load_everything

load_everything()
