"""Least squares on the soft features: a run whose summary statistics are what was measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np

from mfnjax._checks import check_int, check_real
from mfnjax.core.grid import Grid
from mfnjax.core.pytree import register_pytree
from mfnjax.core.state import State
from mfnjax.errors import DataError, ParameterError
from mfnjax.features.config import FeatureConfig
from mfnjax.features.soft import SOFT_FEATURES, soft_features
from mfnjax.fitting.objectives.objective import (
    LeastSquares,
    RunSettings,
    Unknowns,
    fields_of_start,
)
from mfnjax.models.base import Model


@final
@register_pytree
@dataclass(frozen=True)
class SoftFeatures(LeastSquares):
    """r = (feature − target)/σ over chosen soft features; build it by `soft_feature_targets`.

    Attributes:
        targets: Feature → its target, in its own unit.
        sigma: Feature → σ.
        start: The start of the run.
        settings: How the run goes; the frames that it keeps, of the measured field, are those that
            the features see.
        width: Width of the soft masks, mV.
        scale: Volts for one unit of the measured field.
        config: Thresholds and box sizes (static).
        has_sigma: Whether σ was given (static).
    """

    targets: dict[str, Any]
    sigma: dict[str, Any]
    start: dict[str, Any]
    settings: RunSettings
    width: Any
    scale: Any
    config: FeatureConfig = field(metadata={"static": True})
    has_sigma: bool = field(metadata={"static": True})

    @property
    def noise_is_known(self) -> bool:
        """Whether σ was given."""
        return self.has_sigma

    @property
    def num_residuals(self) -> int:
        """One a feature."""
        return len(self.targets)

    def predict(self, model: Model) -> dict[str, jax.Array]:
        """The soft features of the model's run, for the names that have a target."""
        frames = self.settings.run(model, self.start).history
        grid = self.settings.grid
        found = soft_features(
            frames * self.scale, self.width, self.config, mask=grid.mask, ndim=len(grid.shape)
        )
        return {name: found[name] for name in self.targets}

    def residuals(self, model: Model, unknowns: Unknowns) -> jax.Array:
        """(feature − target)/σ, one a feature."""
        found = self.predict(model)
        return jnp.stack([(found[n] - t) / self.sigma[n] for n, t in self.targets.items()])

    def redraw(
        self, model: Model, unknowns: Unknowns, *, scale: Any, key: jax.Array
    ) -> SoftFeatures:
        """The model's own features with noise scale·σ."""
        found = self.predict(model)
        noise = jax.random.normal(key, (len(found),), next(iter(found.values())).dtype)
        targets = {
            name: value + scale * self.sigma[name] * noise[index]
            for index, (name, value) in enumerate(found.items())
        }
        return replace(self, targets=targets)


def soft_feature_targets(
    targets: Mapping[str, float],
    *,
    start: Mapping[str, Any] | State,
    grid: Grid,
    steps: int,
    save_every: int | None = None,
    observed: str = "potential",
    scale: float = 1.0,
    sigma: Mapping[str, float] | float | None = None,
    width: float = 2.0,
    config: FeatureConfig | None = None,
    dt: float = 1.0,
    stepper: str | None = None,
    adjoint: str | float = "nested",
    key: jax.Array | None = None,
) -> SoftFeatures:
    """Least squares between the soft features of a run and targets.

    Args:
        targets: Feature (see `mfnjax.features.SOFT_FEATURES`) → target, in its own unit.
        start: The state that the run starts from.
        grid: The grid.
        steps: Steps of the run.
        save_every: Steps between the frames that the features see; None: the last frame alone.
        observed: The field that is measured.
        scale: Volts for one unit of that field (features are of potentials).
        sigma: Standard deviation of the targets, one for all or by name. None: a hundredth of the
            target, and how large the noise is, the residuals tell.
        width: Width w of the soft masks, mV.
        config: Thresholds and box sizes of the features.
        dt: Time step.
        stepper: As for `mfnjax.simulate`.
        adjoint: Memory policy of reverse mode, as for `mfnjax.simulate`.
        key: Key of the run's randomness.

    Raises:
        ParameterError: A feature without a soft twin; a number out of range.
        DataError: A target that is not finite.

    Examples:
        >>> import jax
        >>> from mfnjax import Grid, MyceliumModel
        >>> from mfnjax.fitting import soft_feature_targets
        >>> grid, key = Grid((16, 16)), jax.random.key(0)
        >>> start = MyceliumModel().initial_state(grid, key=key)
        >>> objective = soft_feature_targets(
        ...     {"V_std": 2.5}, start=start, grid=grid, steps=5, key=key)
        >>> float(objective(MyceliumModel(alpha=0.1))) > float(objective(MyceliumModel(alpha=0.05)))
        True
    """
    check_int("steps", steps, 1, 2**31 - 1)
    every = check_int("save_every", steps if save_every is None else save_every, 1, steps)
    check_real("width", width, 0.0, 1e6, open_low=True)
    if not targets:
        raise ParameterError("targets must name at least one feature")
    spreads: dict[str, float] = {}
    for name, value in targets.items():
        if name not in SOFT_FEATURES:
            raise ParameterError(
                f"{name!r} has no soft twin; those that have: {', '.join(SOFT_FEATURES)}"
            )
        if not np.isfinite(value):
            raise DataError(f"the target of {name} is {value!r}: a finite number was expected")
        if isinstance(sigma, Mapping) and name not in sigma:
            raise ParameterError(f"sigma has no {name!r}; it has {', '.join(sigma) or 'nothing'}")
        given = sigma[name] if isinstance(sigma, Mapping) else sigma
        usual = 0.01 * abs(value) or 0.01
        spreads[name] = check_real(
            f"sigma of {name}", usual if given is None else given, 0.0, 1e300, open_low=True
        )
    fields = fields_of_start(start, observed)
    dtype = fields[observed].dtype

    def cast(values: Mapping[str, float]) -> dict[str, jax.Array]:
        return {name: jnp.asarray(value, dtype) for name, value in values.items()}

    return SoftFeatures(
        targets=cast(targets),
        sigma=cast(spreads),
        start=fields,
        settings=RunSettings(grid, dt, key, steps, every, observed, stepper, adjoint),
        width=jnp.asarray(width, dtype),
        scale=jnp.asarray(scale, dtype),
        config=FeatureConfig() if config is None else config,
        has_sigma=sigma is not None,
    )
