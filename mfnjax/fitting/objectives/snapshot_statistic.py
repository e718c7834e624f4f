"""Objectives for one snapshot whose start is not known: statistics in place of cells.

A run from any start of the model's kind is compared by what does not depend on the start. These
objectives say how alike two patterns are; their gradients through long runs are of little use
(the longer the run, the more of them is noise: see `mfnjax.fitting.gradient_horizon`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np

from mfnjax._checks import check_choice, check_real
from mfnjax.core.grid import Grid
from mfnjax.core.pytree import register_pytree
from mfnjax.errors import DataError, ParameterError
from mfnjax.features import soft_box_counting_dimension
from mfnjax.fitting.objectives.field_statistics import (
    correlation_length,
    radial_power_spectrum,
    soft_histogram,
    structure_function,
)
from mfnjax.fitting.objectives.objective import (
    LeastSquares,
    RunSettings,
    Unknowns,
    fields_of_start,
)
from mfnjax.models.base import Model

STATISTICS = ("spectrum", "histogram", "structure", "length", "dimension")
"""What `snapshot_statistic` can compare."""

HISTOGRAM_BINS = 16


@final
@register_pytree
@dataclass(frozen=True)
class SnapshotStatistic(LeastSquares):
    """r = (statistic of the run − statistic of the image)/scale; built by `snapshot_statistic`.

    Attributes:
        start: Field → where the runs start (H, W).
        seen: The image's statistic (n,).
        scale: What counts as a difference of one, traced.
        edges: Edges of the histogram's bins (n + 1,).
        width: Width of the soft histogram and of the soft mask.
        threshold: Threshold of the soft mask.
        settings: How the run goes.
        observed: The field that the image shows (static).
        statistic: One of `STATISTICS` (static).
        sizes: Box sizes of the dimension (static).
    """

    start: dict[str, Any]
    seen: Any
    scale: Any
    edges: Any
    width: Any
    threshold: Any
    settings: RunSettings
    observed: str = field(metadata={"static": True})
    statistic: str = field(metadata={"static": True})
    sizes: tuple[int, ...] = field(metadata={"static": True})

    @property
    def num_residuals(self) -> int:
        """Numbers in the statistic."""
        return int(np.size(self.seen))

    def measure(self, values: jax.Array) -> jax.Array:
        """The statistic of a field (H, W): (n,)."""
        return jnp.atleast_1d(_MEASURES[self.statistic](self, values))

    def residuals(self, model: Model, unknowns: Unknowns) -> jax.Array:
        """(statistic of the run − statistic of the image)/scale, (n,)."""
        run = self.settings.run(model, self.start)
        return (self.measure(run.state[self.observed]) - self.seen) / self.scale


def _dimension(objective: SnapshotStatistic, values: jax.Array) -> jax.Array:
    soft = jax.nn.sigmoid((values - objective.threshold) / objective.width)
    return soft_box_counting_dimension(soft, objective.sizes)[0]


_MEASURES: dict[str, Callable[[SnapshotStatistic, jax.Array], jax.Array]] = {
    "spectrum": lambda _, values: radial_power_spectrum(values)[1:],
    "histogram": lambda o, values: soft_histogram(values, o.edges, o.width),
    "structure": lambda _, values: structure_function(values)[1:],
    "length": lambda _, values: correlation_length(values),
    "dimension": _dimension,
}


def snapshot_statistic(
    statistic: str,
    image: Any,
    *,
    observed: str,
    start: Any,
    grid: Grid,
    steps: int,
    dt: float = 1.0,
    scale: float | None = None,
    width: float | None = None,
    threshold: float | None = None,
    sizes: tuple[int, ...] = (1, 2, 4, 8, 16),
    stepper: str | None = None,
    adjoint: str | float = "nested",
    key: jax.Array | None = None,
) -> SnapshotStatistic:
    """An objective that compares one statistic of a run's end with that of an image.

    Objectives are weighed and added: ``snapshot_statistic("spectrum", …) + 0.5 *
    snapshot_statistic("histogram", …)``.

    Args:
        statistic: ``spectrum`` (`radial_power_spectrum`), ``histogram`` (`soft_histogram`, 16
            bins over the image's range), ``structure`` (`structure_function`), ``length``
            (`correlation_length`) or ``dimension`` (`soft_box_counting_dimension`).
        image: The field that was seen (H, W).
        observed: Which field of the model it is.
        start: Where the run starts: a `State`, or field → (H, W).
        grid: Its grid.
        steps: Steps of the run ≥ 0.
        dt: Time step.
        scale: What counts as a difference of one; None: the root mean square of the image's own
            statistic.
        width: Width of the soft histogram and mask; None: 1/20 of the image's range.
        threshold: Of the mask; None: the middle of the image's range.
        sizes: Box sizes of the dimension.
        stepper: As for `mfnjax.simulate`.
        adjoint: Memory policy of reverse mode.
        key: Key of the run's randomness.

    Returns:
        The objective, a least-squares one.

    Raises:
        ParameterError: An argument is not accepted.
        DataError: The image holds a NaN, or every cell of it is the same.

    Examples:
        >>> import jax
        >>> from mfnjax import GrayScottModel, Grid, simulate
        >>> from mfnjax.fitting import snapshot_statistic
        >>> grid, model = Grid((16, 16)), GrayScottModel()
        >>> start = model.initial_state(grid, key=jax.random.key(0))
        >>> image = simulate(model, start, grid=grid, steps=50).state["v"]
        >>> same = dict(observed="v", start=start, grid=grid, steps=50)
        >>> both = snapshot_statistic("spectrum", image, **same) + 0.5 * snapshot_statistic(
        ...     "length", image, **same)
        >>> print(f"{both(model):.4f}")
        0.0000
    """
    check_choice("statistic", statistic, STATISTICS)
    fields = fields_of_start(start, observed)
    dtype = fields[observed].dtype
    values = jnp.asarray(image, dtype)
    if len(grid.shape) != 2 or grid.mask is not None or not grid.is_isotropic:
        raise ParameterError(
            "a statistic of a picture needs a grid (H, W) of one spacing, without a mask: take "
            "pointwise, which weighs by the mask"
        )
    if values.shape != grid.shape:
        raise ParameterError(f"image must have the grid's shape {grid.shape}, got {values.shape}")
    if not np.isfinite(np.asarray(values)).all():
        raise DataError("image holds a NaN or an infinity")
    low, high = float(jnp.min(values)), float(jnp.max(values))
    if low == high:
        raise DataError(f"image: every cell is {low:g}: there is no pattern to compare with")
    for name, value in (("scale", scale), ("width", width)):
        if value is not None:
            check_real(name, value, 0.0, 1e300, open_low=True)
    objective = SnapshotStatistic(
        start=fields,
        seen=jnp.zeros(1, dtype),
        scale=jnp.ones((), dtype),
        edges=jnp.linspace(low, high, HISTOGRAM_BINS + 1, dtype=dtype),
        width=jnp.asarray((high - low) / 20 if width is None else width, dtype),
        threshold=jnp.asarray((low + high) / 2 if threshold is None else threshold, dtype),
        settings=RunSettings(grid, dt, key, steps, stepper=stepper, adjoint=adjoint),
        observed=observed,
        statistic=statistic,
        sizes=tuple(sizes),
    )
    seen = objective.measure(values)
    size = jnp.sqrt(jnp.mean(seen**2)) if scale is None else jnp.asarray(scale, dtype)
    return replace(objective, seen=seen, scale=size)
