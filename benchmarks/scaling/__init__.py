"""How the cost of a run grows, and what bounds it: ``python -m benchmarks.scaling``."""
