"""One table of tolerances, by kind and dtype. A test that needs a looser one says why."""

from __future__ import annotations

RELATIVE = {
    ("same_formula", "float64"): 1e-12,
    ("same_formula", "float32"): 1e-5,
    ("gradient", "float64"): 1e-6,
    ("forward_reverse", "float64"): 1e-10,
    ("feature", "float32"): 1e-5,
    ("batched", "float32"): 1e-6,
    ("batched", "float64"): 1e-12,
}
"""(what is compared, dtype) → the largest relative difference."""
