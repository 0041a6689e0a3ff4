"""Bytes to model: one module per format, a registry that sniffs, sidecar and protocol files."""
