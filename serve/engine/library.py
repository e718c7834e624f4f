"""Kinds of work that call the library as a notebook would: one item at a time.

The programs they need live in the library's own caches, by shape.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable, Sequence
from typing import Any, ClassVar, NamedTuple, final

import numpy as np

from serve.engine.kind import Kind


@final
class Validation(Kind):
    """A validation cycle: an item is a `mfnjax.v41.validation.ValidationConfig`."""

    name: ClassVar[str] = "validate"
    seconds_per_unit: ClassVar[float] = 1e-7
    uses_library_caches: ClassVar[bool] = True

    def key(self, item: Any) -> Hashable:
        return dataclasses.replace(item, seed=0, steps=1, epochs=1)

    def units(self, item: Any) -> float:
        return 16 * item.grid_size**2 * item.steps + 20_000 * item.epochs

    def run(self, key: Hashable, items: Sequence[Any]) -> list[Any]:
        from mfnjax.v41.validation import run_validation

        return [run_validation(item) for item in items]


@final
class Features(Kind):
    """The features of an array: a field, a history, or a mask."""

    name: ClassVar[str] = "features"
    seconds_per_unit: ClassVar[float] = 1e-7
    uses_library_caches: ClassVar[bool] = True

    def key(self, item: np.ndarray) -> Hashable:
        # Histories are padded to a power of two of frames.
        frames = (len(item) - 1).bit_length() if item.ndim == 3 else -1
        return frames, item.shape[-2:], item.dtype.str

    def units(self, item: np.ndarray) -> float:
        return float(item.size)

    def run(self, key: Hashable, items: Sequence[np.ndarray]) -> list[Any]:
        from mfnjax.features import compute_features

        return [compute_features(item) for item in items]


MAX_PAIRS = 2**24
"""Distances of one aggregation: 4096 clients in one cluster, which takes 0.3 GB."""

DISTANCE_UNITS = 64
"""What a distance costs beside its coordinates, in coordinates."""


@final
class Dimension(Kind):
    """The dimension of what is active of an array, with its interval."""

    name: ClassVar[str] = "dimension"
    seconds_per_unit: ClassVar[float] = 3e-7
    uses_library_caches: ClassVar[bool] = True

    def key(self, item: np.ndarray) -> Hashable:
        return item.shape[-2:]

    def units(self, item: np.ndarray) -> float:
        return float(item[-1].size if item.ndim == 3 else item.size)

    def run(self, key: Hashable, items: Sequence[np.ndarray]) -> list[Any]:
        from mfnjax.features.config import FeatureConfig
        from mfnjax.features.measurement import active_mask, dimension_columns, dimension_of

        config = FeatureConfig()
        finals = [item[-1] if item.ndim == 3 else item for item in items]
        return [dimension_columns(dimension_of(active_mask(one, config))) for one in finals]


@final
class Clients(NamedTuple):
    """Updates (n, d) of n clients, and how to aggregate them."""

    updates: np.ndarray
    num_clusters: int
    byzantine_fraction: float
    seed: int

    @property
    def pairs(self) -> int:
        """Distances between clients that are computed."""
        from mfnjax.federated.hierarchical import make_plan

        plan = make_plan(len(self.updates), self.num_clusters, self.byzantine_fraction, 0.1)
        return plan.pairs


@final
class Aggregation(Kind):
    """Hierarchical Krum of a list of gradients."""

    name: ClassVar[str] = "aggregate"
    seconds_per_unit: ClassVar[float] = 1e-9
    uses_library_caches: ClassVar[bool] = True

    def key(self, item: Clients) -> Hashable:
        return item.updates.shape, item.num_clusters, item.byzantine_fraction

    def units(self, item: Clients) -> float:
        return float(item.pairs) * (item.updates.shape[1] + DISTANCE_UNITS)

    def run(self, key: Hashable, items: Sequence[Clients]) -> list[np.ndarray]:
        import jax

        from mfnjax.federated import hierarchical_krum

        return [
            np.asarray(
                hierarchical_krum(
                    item.updates,
                    num_clusters=item.num_clusters,
                    byzantine_fraction=item.byzantine_fraction,
                    key=jax.random.key(np.uint32(item.seed)),
                ).update
            )
            for item in items
        ]


VALIDATION, FEATURES, AGGREGATION = Validation(), Features(), Aggregation()
DIMENSION = Dimension()
