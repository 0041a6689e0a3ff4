"""Benchmarks of ncs: ``python -m benchmarks`` runs all and prints ratios measured in one run."""
