"""How the cost of a run grows: ``python -m benchmarks.scaling``."""
