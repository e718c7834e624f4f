"""Names that moved: they are found at their old place until they go (docs/api_policy.md)."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable, Mapping
from typing import Any


def moved(module: str, places: Mapping[str, str]) -> Callable[[str], Any]:
    """A ``__getattr__`` for ``module`` that finds moved names (name → module) and warns."""

    def find(name: str) -> Any:
        if name not in places:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        warnings.warn(
            f"{module}.{name} is now {places[name]}.{name}", DeprecationWarning, stacklevel=2
        )
        return getattr(importlib.import_module(places[name]), name)

    return find
