"""Which parameters the data can tell, and along which directions they cannot.

The residuals' sensitivities to relative changes of the parameters are decomposed by singular
values. A direction of zero is one along which the parameters can be moved without any change in
what is predicted; one with a standard error over 100 % is not determined in practice ('sloppy').

Source: R. N. Gutenkunst et al. (2007), doi:10.1371/journal.pcbi.0030189.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import final

import jax.numpy as jnp
import numpy as np

from mfnjax._checks import check_kind, check_real
from mfnjax.errors import ParameterError
from mfnjax.fitting.inference.uncertainty import curvatures, jacobian_at, noise_scale, resolution
from mfnjax.fitting.result import FitResult

PART = 0.1
"""A parameter takes part in a direction if its component is over this."""


@final
@dataclass(frozen=True)
class Direction:
    """A direction in the space of relative changes of the parameters.

    Attributes:
        components: Parameter → its part, the largest ±1; parts below 1 % are left out.
        relative_error: Standard error along it, relative (0.1: 10 %); infinite if nothing is seen.
        kind: ``determined``, ``sloppy`` (over the limit) or ``unseen`` (the data do not depend
            on it).
    """

    components: dict[str, float]
    relative_error: float
    kind: str

    def __str__(self) -> str:
        return " · ".join(
            name if abs(part - 1) < 0.005 else f"{name}^{part:.2f}"
            for name, part in self.components.items()
        )


@final
@dataclass(frozen=True, repr=False)
class Identifiability:
    """What the data can tell about the parameters of a fit.

    Attributes:
        identifiable: Parameters that the data determine.
        without_influence: Parameters on which the prediction does not depend at all.
        confounded: The other parameters that are not determined, alone or in a combination.
        directions: From the stiffest to the sloppiest.
        condition_number: Largest over smallest singular value of the sensitivities.
        limits: Parameter that ended where small changes have no influence → (low, high) of what the
            data say all the same (see `one_sided`); the report fills it.
    """

    identifiable: tuple[str, ...]
    without_influence: tuple[str, ...]
    confounded: tuple[str, ...]
    directions: tuple[Direction, ...]
    condition_number: float
    limits: dict[str, tuple[float | None, float | None]] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether every parameter is identifiable."""
        return not self.without_influence and not self.confounded

    @property
    def sloppy(self) -> tuple[Direction, ...]:
        """The directions that are not determined, the sloppiest last."""
        return tuple(d for d in self.directions if d.kind != "determined")

    def __repr__(self) -> str:
        return self.text()

    def text(self) -> str:
        """A few lines for people."""
        known = ", ".join(self.identifiable) or "none"
        lines = [f"Identifiable: {known}. Condition number {self.condition_number:.3g}."]
        silent = [name for name in self.without_influence if name not in self.limits]
        if silent:
            lines.append(f"No influence on the data: {', '.join(silent)}.")
        for name, (low, high) in self.limits.items():
            limits = [f"{name} > {low:.3g}"] if low is not None else []
            limits += [f"{name} < {high:.3g}"] if high is not None else []
            lines.append(
                f"{name} ended where small changes of it have no influence; the data say only "
                f"{' and '.join(limits)}."
            )
        for direction in self.sloppy:
            names = list(direction.components)
            if set(names) <= set(self.limits):
                continue
            if direction.kind == "unseen" and set(names) <= set(self.without_influence):
                continue
            if direction.kind == "unseen":
                lines.append(
                    f"Not identifiable, only in combination: {', '.join(names)}: moving them as "
                    f"{direction} changes nothing in the data."
                )
            else:
                lines.append(
                    f"Poorly determined: {direction}, standard error "
                    f"{100 * direction.relative_error:.3g} %."
                )
        return "\n".join(lines)


def identifiability(
    result: FitResult, *, limit: float = 1.0, scale: float | None = None
) -> Identifiability:
    """Say by name which parameters the data determine, and which directions they do not.

    Unknowns of the objective are allowed for: only what they cannot explain counts.

    Args:
        result: The fit.
        limit: Relative standard error over which a direction counts as sloppy.
        scale: Factor s² on the variance of the noise, as for `covariance`.

    Returns:
        An `Identifiability`.

    Raises:
        ParameterError: No parameters were fitted.

    Examples:
        >>> import jax.numpy as jnp
        >>> from mfnjax import FisherKPPModel, fit
        >>> from mfnjax.fitting import CallableObjective, identifiability
        >>> # The speed of a front, 2√(Dλ), tells the product alone.
        >>> speed = CallableObjective(
        ...     lambda m: 2 * jnp.sqrt(m.diffusivity * m.growth_rate) - 1.0, squares=True)
        >>> report = identifiability(fit(FisherKPPModel(1.0, 1.0), speed, fixed=["K"]), scale=1e-4)
        >>> print(report.text())
        Identifiable: none. Condition number inf.
        Not identifiable, only in combination: diffusivity, growth_rate: moving them as
        diffusivity · growth_rate^-1.00 changes nothing in the data.
    """
    check_kind("result", result, FitResult)
    check_real("limit", limit, 0.0, 1e6, open_low=True)
    layout = result.layout
    if not layout.entries:
        raise ParameterError("no parameters were fitted, so there is nothing to identify")
    factor, _ = noise_scale(result, scale)
    sensitivity = _relative_sensitivity(result)
    _, values, vectors = np.linalg.svd(sensitivity, full_matrices=True)
    values = np.concatenate([values, np.zeros(len(vectors) - len(values))])
    largest = values.max(initial=0)
    seen = values > largest * resolution(layout)
    with np.errstate(divide="ignore"):
        errors = np.where(seen, np.sqrt(factor) / np.where(seen, values, 1), np.inf)
    kinds = np.where(~seen, "unseen", np.where(errors > limit, "sloppy", "determined"))
    directions = tuple(
        _direction(layout.names, vector, float(error), str(kind))
        for vector, error, kind in zip(vectors, errors, kinds, strict=True)
    )
    undetermined = np.any(np.abs(vectors[kinds != "determined"]) > PART, axis=0)
    without = np.linalg.norm(sensitivity, axis=0) <= largest * resolution(layout)
    smallest = values.min(initial=np.inf)
    return Identifiability(
        identifiable=_chosen(layout.names, ~undetermined & ~without),
        without_influence=_chosen(layout.names, without),
        confounded=_chosen(layout.names, undetermined & ~without),
        directions=directions,
        condition_number=float(largest / smallest) if np.all(seen) else float("inf"),
    )


def _relative_sensitivity(result: FitResult) -> np.ndarray:
    """A square root of the information about relative changes, unknowns projected out."""
    layout, free = result.layout, jnp.asarray(result.free)
    if result.is_least_squares:
        root = np.asarray(np.linalg.qr(jacobian_at(result), mode="r"))
    else:
        values, vectors = curvatures(result)
        root = np.sqrt(values)[:, None] * vectors.T
    count = layout.num_parameters
    own, others = root[:, :count], root[:, count:]
    if others.size:
        basis, sizes, _ = np.linalg.svd(others, full_matrices=False)
        basis = basis[:, sizes > sizes.max() * resolution(layout)]
        own = own - basis @ (basis.T @ own)
    steps = []
    for index, entry in enumerate(layout.entries):
        slope = float(np.exp(entry.transform.log_det(free[index])))
        value = abs(result.parameters[entry.name])
        steps.append((value or slope) / slope)  # dy for a change of θ by itself
    return own * np.asarray(steps)


def _direction(names: tuple[str, ...], vector: np.ndarray, error: float, kind: str) -> Direction:
    scaled = vector / vector[np.argmax(np.abs(vector) > 0.999 * np.abs(vector).max())]
    parts = {n: float(c) for n, c in zip(names, scaled, strict=True) if abs(c) > 0.01}
    return Direction(parts, error, kind)


def _chosen(names: tuple[str, ...], which: np.ndarray) -> tuple[str, ...]:
    return tuple(name for name, on in zip(names, which, strict=True) if on)
