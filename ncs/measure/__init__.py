"""Marks to numbers."""
