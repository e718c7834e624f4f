"""Pointwise least squares: a run against measured fields, cell by cell and time by time."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np

from mfnjax._checks import check_int, check_items, check_key, check_kind, check_real, shown
from mfnjax.core.boundary import ByField, Sides
from mfnjax.core.grid import Grid
from mfnjax.core.pytree import register_pytree
from mfnjax.core.state import State
from mfnjax.errors import DataError, ParameterError
from mfnjax.fitting.objectives.objective import LeastSquares, RunSettings, Unknowns
from mfnjax.fitting.objectives.refinement import refined
from mfnjax.models.base import Model

START = "start"
"""The unknowns of a noisy start are called ``start.FIELD``."""


@final
@register_pytree
@dataclass(frozen=True)
class Pointwise(LeastSquares):
    """r = (u(x, t) − data)/σ over the cells and times that were measured; build it by `pointwise`.

    A start that was itself measured with noise is estimated along: start = measured + σ₀z, with the
    unknowns z (of order 1) among the residuals, as ln N(z; 0, 1) has it.

    Attributes:
        start: Field → the start, on the data's cells.
        start_sigma: Field → σ₀, for those whose start is noisy.
        data: Field → measurements (T, H, W), 0 where there is none.
        mask: Field → which of them count.
        sigma: Field → σ, of the data's shape.
        settings: How the run goes.
        steps: The steps at which was measured (static).
        coarsen: Cells of the run along each side of a cell of the data (static).
        columns: Columns of the data's cells that were measured, None for all (static).
        has_sigma: Whether σ was given (static).
    """

    start: dict[str, Any]
    start_sigma: dict[str, Any]
    data: dict[str, Any]
    mask: dict[str, Any]
    sigma: dict[str, Any]
    settings: RunSettings
    steps: tuple[int, ...] = field(metadata={"static": True})
    coarsen: tuple[int, ...] = field(metadata={"static": True})
    columns: tuple[int, ...] | None = field(metadata={"static": True})
    has_sigma: bool = field(metadata={"static": True})

    @property
    def unknowns(self) -> dict[str, Any]:
        """z = 0 for every field whose start is noisy."""
        return {f"{START}.{name}": jnp.zeros_like(s) for name, s in self.start_sigma.items()}

    @property
    def prior(self) -> dict[str, tuple[Any, Any]]:
        """The measured start of every field whose start is noisy, and its σ₀."""
        return {f"{START}.{name}": (self.start[name], s) for name, s in self.start_sigma.items()}

    @property
    def noise_is_known(self) -> bool:
        """Whether σ was given."""
        return self.has_sigma

    @property
    def num_residuals(self) -> int:
        """The measurements that count, and one for each unknown of the start."""
        measured = sum(int(np.sum(np.asarray(m))) for m in self.mask.values())
        return measured + sum(int(np.size(s)) for s in self.start_sigma.values())

    def predict(self, model: Model, unknowns: Unknowns) -> dict[str, jax.Array]:
        """What the model says the measurements are: field → (T, H, W)."""
        history = self.settings.run(model, self.initial(unknowns)).history
        frames = np.asarray(self.steps) // math.gcd(*self.steps) - 1
        return {name: self._measured(history[name][frames]) for name in self.data}

    def initial(self, unknowns: Unknowns) -> dict[str, jax.Array]:
        """The start of the run, on the grid of the run."""
        periodic = self.settings.grid.boundary.name == "periodic"
        start = {}
        for name, value in self.start.items():
            if name in self.start_sigma:
                value = value + self.start_sigma[name] * unknowns[f"{START}.{name}"]
            start[name] = refined(value, self.coarsen, periodic=periodic)
        return start

    def residuals(self, model: Model, unknowns: Unknowns) -> jax.Array:
        """(u − data)/σ, 0 where nothing was measured; then the z of a noisy start."""
        starts = [jnp.ravel(unknowns[name]) for name in self.prior]
        return jnp.concatenate([self.measured_residuals(model, unknowns), *starts])

    def measured_residuals(self, model: Model, unknowns: Unknowns) -> jax.Array:
        """The same without the z."""
        fields = self.residual_fields(model, unknowns).values()
        return jnp.concatenate([jnp.ravel(r) for r in fields])

    def residual_fields(self, model: Model, unknowns: Unknowns) -> dict[str, jax.Array]:
        """The same by field, (T, H, W)."""
        predicted = self.predict(model, unknowns)
        return {
            name: jnp.where(self.mask[name], (predicted[name] - u) / self.sigma[name], 0)
            for name, u in self.data.items()
        }

    def with_prior(self, prior: Mapping[str, tuple[Any, Any]]) -> Pointwise:
        """The same with these measurements of its starts."""
        own = {name: f"{START}.{name}" for name in self.start_sigma}
        given = {name: prior[key] for name, key in own.items() if key in prior}
        return replace(
            self,
            start=self.start | {name: start for name, (start, _) in given.items()},
            start_sigma=self.start_sigma | {name: sigma for name, (_, sigma) in given.items()},
        )

    def redraw(self, model: Model, unknowns: Unknowns, *, scale: Any, key: jax.Array) -> Pointwise:
        """The model's prediction with noise scale·σ; a noisy start is measured anew, too."""
        predicted = self.predict(model, unknowns)
        start_key, data_key = jax.random.split(key)

        def noise(key: jax.Array, sigma: jax.Array) -> jax.Array:
            return scale * sigma * jax.random.normal(key, sigma.shape, sigma.dtype)

        data = {
            name: predicted[name] + noise(jax.random.fold_in(data_key, index), self.sigma[name])
            for index, name in enumerate(self.data)
        }
        start = dict(self.start)
        for index, (name, sigma) in enumerate(self.start_sigma.items()):
            truth = start[name] + sigma * unknowns[f"{START}.{name}"]
            start[name] = truth + noise(jax.random.fold_in(start_key, index), sigma)
        return replace(self, data=data, start=start)

    def _measured(self, frames: jax.Array) -> jax.Array:
        means = frames
        if math.prod(self.coarsen) > 1:
            pairs = zip(frames.shape[1:], self.coarsen, strict=True)
            shape = [part for size, by in pairs for part in (size // by, by)]
            inside = tuple(range(2, 2 * len(self.coarsen) + 1, 2))
            means = frames.reshape((len(frames), *shape)).mean(inside)
        return means if self.columns is None else means[..., np.asarray(self.columns)]


def pointwise(
    data: Mapping[str, Any],
    *,
    start: Mapping[str, Any] | State,
    grid: Grid,
    steps: Sequence[int],
    dt: float = 1.0,
    sigma: Any = None,
    mask: Mapping[str, Any] | None = None,
    start_sigma: Mapping[str, Any] | None = None,
    columns: Sequence[int] | None = None,
    coarsen: int = 1,
    stepper: str | None = None,
    adjoint: str | float = "nested",
    key: jax.Array | None = None,
) -> Pointwise:
    """Least squares between a run and measured fields.

    Args:
        data: Field → measurements (T, *shape), or (T, W) for a grid (1, W). A NaN is a missing
            one. Fields that were not measured are left out.
        start: The state that the run starts from: every field of the model, on the data's cells.
        grid: The grid of the run. Where it has a mask, a cell counts by the part φ of it that
            takes part: as one whose σ is 1/√φ times as large.
        steps: The T steps at which was measured, rising, ≥ 1.
        dt: Time step.
        sigma: Standard deviation of the noise: a number, or by field a number or an array that
            broadcasts to the data. None: all measurements count alike, and how large the noise is
            is estimated from the residuals.
        mask: Field → which measurements count; beside the NaNs. None: all.
        start_sigma: Field → standard deviation of its start, where that was measured with noise:
            the start is then estimated along with the parameters. Needs ``sigma``.
        columns: The columns of the data's cells that were measured; None: all.
        coarsen: A cell of the data is the mean over so many cells of the run along every side.
            The start on the run's cells is that of parabolas with these means (see
            `mfnjax.fitting.objectives.refinement`).
        stepper: As for `mfnjax.simulate`.
        adjoint: Memory policy of reverse mode, as for `mfnjax.simulate`.
        key: Key of the run's randomness, for models that draw.

    Returns:
        The objective.

    Raises:
        ParameterError: A shape, a step, a name or a σ is not accepted.
        DataError: Nothing was measured.

    Examples:
        >>> import jax.numpy as jnp
        >>> from mfnjax import FisherKPPModel, Grid
        >>> from mfnjax.fitting import pointwise
        >>> start = jnp.where(jnp.arange(16) < 8, 1.0, 0.0)[None]
        >>> seen = jnp.full((2, 16), 0.5)
        >>> objective = pointwise({"u": seen}, start={"u": start}, steps=[10, 20], dt=0.5,
        ...                       grid=Grid((1, 16), boundary="neumann"), sigma=0.1)
        >>> objective.num_residuals, round(float(objective(FisherKPPModel())), 1)
        (32, 334.9)
    """
    check_kind("grid", grid, Grid)
    check_real("dt", dt, 0.0, np.inf, open_low=True)
    if key is not None:
        key = check_key(key)
    if not isinstance(start, State):
        check_kind("start", start, Mapping)
    factors = _factors(coarsen, grid)
    cells = tuple(size // factor for size, factor in zip(grid.shape, factors, strict=True))
    times = _check_steps(steps)
    fields = start.asdict() if isinstance(start, State) else dict(start)
    starts = {name: _start_array(name, value, cells) for name, value in fields.items()}
    dtype = next(iter(starts.values())).dtype if starts else jnp.result_type(float)
    chosen = None if columns is None else _check_columns(columns, cells[-1])
    shape = (len(times), *cells[:-1], cells[-1] if chosen is None else len(chosen))
    fraction = None
    if grid.mask is not None:
        fraction = np.asarray(grid.mask)[..., slice(None) if chosen is None else list(chosen)]
    _check_names("data", data, starts)
    _check_names("start_sigma", {} if start_sigma is None else start_sigma, starts)
    if start_sigma and sigma is None:
        raise ParameterError(
            "start_sigma needs sigma=: how much the measured start counts depends on the noise of "
            "the other measurements"
        )
    _check_names("mask", {} if mask is None else mask, data)
    values, masks, sigmas = {}, {}, {}
    for name, value in data.items():
        array = _data_array(name, value, shape)
        counts = np.isfinite(array)
        if fraction is not None:
            counts &= fraction > 0
        if mask is not None and name in mask:
            counts &= _broadcast(f"mask of {name!r}", np.asarray(mask[name], bool), shape)
        masks[name] = jnp.asarray(counts)
        values[name] = jnp.asarray(np.where(counts, array, 0), dtype)
        spread = _sigma_array(name, sigma, shape, counts)
        if fraction is not None:
            spread = spread / np.sqrt(np.where(fraction > 0, fraction, 1))
        sigmas[name] = jnp.asarray(spread, dtype)
    if not any(np.any(m) for m in masks.values()):
        raise DataError("data: not one measurement that counts")
    return Pointwise(
        start={name: jnp.asarray(value, dtype) for name, value in starts.items()},
        start_sigma={
            name: jnp.asarray(_sigma_array(f"start of {name}", s, cells, None), dtype)
            for name, s in (start_sigma or {}).items()
        },
        data=values,
        mask=masks,
        sigma=sigmas,
        settings=RunSettings(
            grid,
            dt,
            key,
            times[-1],
            save_every=math.gcd(*times),
            stepper=stepper,
            adjoint=adjoint,
        ),
        steps=times,
        coarsen=factors,
        columns=chosen,
        has_sigma=sigma is not None,
    )


def _factors(coarsen: int, grid: Grid) -> tuple[int, ...]:
    check_int("coarsen", coarsen, 1, 1024)
    factors = tuple(coarsen if size > 1 else 1 for size in grid.shape)
    for size, factor in zip(grid.shape, factors, strict=True):
        if size % factor:
            raise ParameterError(f"coarsen = {coarsen} does not divide the grid {grid.shape}")
    if coarsen > 1 and (grid.mask is not None or isinstance(grid.boundary, (Sides, ByField))):
        raise ParameterError("coarsen needs a grid without a mask, and the same sides everywhere")
    return factors


def _check_steps(steps: Sequence[int]) -> tuple[int, ...]:
    listed = check_items("steps", steps, "rising integers ≥ 1")
    times = tuple(check_int("steps", step, 1, 2**31 - 1) for step in listed)
    if not times or any(b <= a for a, b in pairwise(times)):
        raise ParameterError(f"steps must be rising integers ≥ 1, got {list(steps)!r}")
    return times


def _check_columns(columns: Sequence[int], width: int) -> tuple[int, ...]:
    listed = check_items("columns", columns, "a list of columns")
    chosen = tuple(check_int("columns", column, 0, width - 1) for column in listed)
    if not chosen or len(set(chosen)) < len(chosen):
        raise ParameterError(f"columns must be different columns, got {list(columns)!r}")
    return chosen


def _check_names(what: str, given: Mapping[str, Any], fields: Mapping[str, Any]) -> None:
    if not isinstance(given, Mapping):
        raise ParameterError(f"{what} must be a mapping field → values, got {shown(given)}")
    if not given and what == "data":
        raise ParameterError("data must hold at least one field")
    whose = "data" if what == "mask" else "start"
    for name in given:
        if name not in fields:
            raise ParameterError(
                f"{what} has a field {name!r} that the {whose} has not; it has {', '.join(fields)}"
            )


def _as_frames(array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """(T, W) is short for (T, 1, W)."""
    is_line = array.ndim == 2 and len(shape) == 3 and shape[1] == 1
    return array[:, None, :] if is_line else array


def _start_array(name: str, value: Any, cells: tuple[int, ...]) -> jax.Array:
    array = jnp.asarray(_numbers(f"the start of {name!r}", value))
    if len(cells) == 2 and array.shape == cells[1:] and cells[0] == 1:
        array = array[None]
    if array.shape != cells or not jnp.issubdtype(array.dtype, jnp.floating):
        raise ParameterError(
            f"the start of {name!r} must be real floating point of shape {cells}, got "
            f"{array.dtype} of shape {array.shape}"
        )
    if not np.all(np.isfinite(np.asarray(array))):
        raise DataError(f"the start of {name!r} holds a NaN or an infinity")
    return array


def _data_array(name: str, value: Any, shape: tuple[int, ...]) -> np.ndarray:
    array = _as_frames(_numbers(f"data of {name!r}", value), shape)
    if array.shape != shape or array.dtype.kind not in "fiu":
        raise ParameterError(
            f"data of {name!r} must be numbers of shape {shape} (times, then the cells), got "
            f"{array.dtype} of shape {array.shape}"
        )
    if np.isinf(array).any():
        raise DataError(f"data of {name!r} holds an infinity; a missing measurement is a NaN")
    return array


def _sigma_array(
    name: str, sigma: Any, shape: tuple[int, ...], counts: np.ndarray | None
) -> np.ndarray:
    if isinstance(sigma, Mapping) and name not in sigma:
        raise ParameterError(f"sigma has no {name!r}; it has {', '.join(sigma) or 'nothing'}")
    value = 1.0 if sigma is None else sigma[name] if isinstance(sigma, Mapping) else sigma
    numbers = _numbers(f"sigma of {name!r}", value).astype(float)
    array = _broadcast(f"sigma of {name!r}", numbers, shape)
    counted = array if counts is None else array[counts]
    if not np.all((counted > 0) & np.isfinite(counted)):
        raise ParameterError(f"sigma of {name!r} must be positive and finite everywhere")
    return array if counts is None else np.where(counts, array, 1.0)


def _numbers(what: str, value: Any) -> np.ndarray:
    try:
        array = np.asarray(value)
    except ValueError as error:  # rows of different lengths
        raise ParameterError(f"{what} must be an array of numbers ({error})") from error
    if array.dtype.kind not in "fiub" and not jnp.issubdtype(array.dtype, jnp.floating):
        raise ParameterError(f"{what} must be numbers, got {array.dtype} of shape {array.shape}")
    return array


def _broadcast(what: str, array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    try:
        return np.broadcast_to(_as_frames(array, shape) if len(shape) == 3 else array, shape)
    except ValueError as error:
        raise ParameterError(f"{what} must broadcast to {shape}, got {array.shape}") from error
