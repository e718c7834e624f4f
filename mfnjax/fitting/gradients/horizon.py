"""How long a rollout may be before its gradients are noise: the Lyapunov time of a run."""

from __future__ import annotations

import math
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from mfnjax._checks import check_int, check_kind, check_real
from mfnjax.core.grid import Grid
from mfnjax.core.state import State, StateLike
from mfnjax.errors import NumericalInstabilityError
from mfnjax.fitting.plain_json import json_text
from mfnjax.models.base import Model
from mfnjax.simulation import Stepper, simulate
from mfnjax.simulation.checks import as_state

RENORMALISE_EVERY = 8
"""Steps between two renormalisations of the tangent: it must not overflow float32 in between."""


class GradientNoiseWarning(UserWarning):
    """A rollout is so long that its gradients say nothing about a finite change."""


@final
@dataclass(frozen=True)
class GradientHorizon:
    """What `gradient_horizon` found.

    Attributes:
        exponent: Largest Lyapunov exponent along the second half of the run, 1/time.
        standard_error: Of it, from the scatter along the run.
        lyapunov_time: 1/exponent; infinite where no growth was found.
        recommended_steps: Longest useful rollout, ln(1/perturbation)/(exponent·dt) steps; infinite
            where no growth was found.
        steps: The steps asked about.
        growth: ln of the growth of the tangent over them, as measured.
        perturbation: The relative change that has to stay small.
    """

    exponent: float
    standard_error: float
    lyapunov_time: float
    recommended_steps: float
    steps: int
    growth: float
    perturbation: float

    @property
    def is_noise(self) -> bool:
        """Whether gradients over the steps asked about are noise."""
        return self.steps > self.recommended_steps

    def to_json(self, path: str | Path | None = None) -> str:
        """The result as JSON (infinity is null); written to ``path`` if given."""
        return json_text({**asdict(self), "is_noise": self.is_noise}, path)

    def __str__(self) -> str:
        rate = f"largest Lyapunov exponent {self.exponent:.4g} ± {self.standard_error:.1g} per time"
        if math.isinf(self.recommended_steps):
            return f"{rate}: no growth, a rollout may be of any length"
        verdict = "noise" if self.is_noise else "useful"
        return (
            f"{rate}, Lyapunov time {self.lyapunov_time:.4g}: gradients are useful over about "
            f"{int(self.recommended_steps)} steps; over {self.steps} they are {verdict}"
        )


def gradient_horizon(
    model: Model,
    state: StateLike,
    *,
    grid: Grid,
    steps: int,
    dt: float = 1.0,
    stepper: str | Stepper | None = None,
    perturbation: float = 1e-3,
    key: jax.Array | None = None,
) -> GradientHorizon:
    """Estimate how many steps a rollout may have before its gradients are noise.

    A change δ of state or parameter grows like δ·e^(λt), with λ the largest Lyapunov exponent. A
    gradient speaks of changes that stay small to the end: with relative changes of ``perturbation``
    (the size of an optimiser's move, or of the noise in data) that is
    t < ln(1/perturbation)/λ. Past it the gradient is exact, huge, and says nothing of where a
    minimum lies. λ is measured along this very run: a random tangent is carried by forward mode and
    renormalised (Benettin's method with one vector); the first half of the run lets it turn into
    the fastest direction, and has to be long enough for that.

    It warns where ``steps`` is longer. Where λ is not above two standard errors, no growth was
    found.

    Args:
        model: The model; of a hard one the tangent between kinks is taken.
        state: Where the rollout starts.
        grid: The grid.
        steps: Length asked about, ≥ 16; also the length of the measurement.
        dt: Time step.
        stepper: As for `simulate`.
        perturbation: Relative change that the gradient is to speak of, in (0, 1).
        key: Key of the run's randomness, held fixed.

    Returns:
        A `GradientHorizon`.

    Raises:
        ParameterError: An argument is out of range, or as for `simulate`.
        NumericalInstabilityError: The run broke.

    Warns:
        GradientNoiseWarning: ``steps`` is over the horizon.

    Examples:
        >>> import jax.numpy as jnp
        >>> from mfnjax import FisherKPPModel, Grid
        >>> from mfnjax.fitting import gradient_horizon
        >>> grid, model = Grid((1, 4)), FisherKPPModel(diffusivity=0.1, growth_rate=0.05)
        >>> full = {"u": jnp.ones((1, 4))}  # u = K is stable, u = 0 is not
        >>> print(gradient_horizon(model, full, grid=grid, steps=200).recommended_steps)
        inf
        >>> empty = {"u": jnp.zeros((1, 4))}
        >>> print(f"{gradient_horizon(model, empty, grid=grid, steps=100).exponent:.3f}")
        0.049

    Source:
        G. Benettin, L. Galgani, A. Giorgilli, J.-M. Strelcyn (1980), doi:10.1007/BF02128236;
        L. Metz, C. D. Freeman, S. S. Schoenholz, T. Kachman (2021), Gradients are not all you
        need, arXiv:2111.05803.
    """
    check_kind("model", model, Model)
    check_kind("grid", grid, Grid)
    steps = check_int("steps", steps, 16, 2**31 - 1)
    perturbation = check_real("perturbation", perturbation, 0.0, 1.0, open_low=True, open_high=True)
    start = as_state(model, state, grid)
    options: dict[str, Any] = {"grid": grid, "dt": dt, "stepper": stepper}
    simulate(model, start, steps=0, key=key, **options)  # every check, with concrete numbers

    @jax.jit
    def measure(model: Model, start: State) -> tuple[Any, Any]:
        def block(carry: Any, _: None) -> tuple[Any, Any]:
            values, step, tangent = carry

            def run(values: Any) -> tuple[Any, Any]:
                now = State(model.fields, values, step)
                end = simulate(model, now, steps=RENORMALISE_EVERY, key=key, **options)
                return end.state.values, (end.state.step, end.status)

            values, tangent, (step, status) = jax.jvp(run, (values,), (tangent,), has_aux=True)
            norm = jnp.sqrt(sum(jnp.sum(u * u) for u in tangent))
            safe = jnp.where(norm > 0, norm, 1)
            tangent = tuple(u / safe for u in tangent)
            return (values, step, tangent), (jnp.log(norm), status)

        keys = jax.random.split(jax.random.key(0), len(start.values))
        drawn = [
            jax.random.normal(k, u.shape, u.dtype) for k, u in zip(keys, start.values, strict=True)
        ]
        norm = jnp.sqrt(sum(jnp.sum(u * u) for u in drawn))
        carry = (start.values, jnp.int32(start.step), tuple(u / norm for u in drawn))
        return lax.scan(block, carry, None, length=-(-steps // RENORMALISE_EVERY))[1]

    logs, status = measure(model, start)
    bad = np.asarray(status.first_bad_step)
    if (bad >= 0).any():
        first = int(np.flatnonzero(bad >= 0)[0])
        field = model.fields[int(np.asarray(status.bad_field)[first])]
        raise NumericalInstabilityError(field, int(bad[first]))
    return _judged(np.asarray(logs, np.float64), steps, float(dt), perturbation)


def _judged(logs: np.ndarray, steps: int, dt: float, perturbation: float) -> GradientHorizon:
    rates = logs[len(logs) // 2 :] / (RENORMALISE_EVERY * dt)
    exponent = float(rates.mean())
    error = float(rates.std(ddof=1) / math.sqrt(len(rates))) if len(rates) > 1 else math.inf
    # Rates of a steady state scatter by rounding alone, and a marginal one is no growth.
    grows = exponent > 2 * error and exponent * steps * dt > 1e-3
    time = 1 / exponent if grows else math.inf
    recommended = math.floor(-math.log(perturbation) * time / dt) if grows else math.inf
    found = GradientHorizon(
        exponent, error, time, recommended, steps, float(logs.sum()), perturbation
    )
    if found.is_noise:
        warnings.warn(str(found), GradientNoiseWarning, stacklevel=3)
    return found
