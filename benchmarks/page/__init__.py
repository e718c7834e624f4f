"""The page of baselines: ``python -m benchmarks.page``."""
