"""A gradient report: reverse mode, forward mode and finite differences, leaf by leaf."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from html import escape
from pathlib import Path
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np

from mfnjax._checks import check_function, check_int, check_items, check_key, shown
from mfnjax.errors import ParameterError
from mfnjax.fitting.objectives.objective import called
from mfnjax.fitting.plain_json import json_text

DEFAULT_STEPS = (1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7)
TOLERANCES = {"float32": (1e-4, 1e-2), "float64": (1e-10, 1e-6)}
"""dtype → accepted relative difference of reverse and forward, of forward and differences."""

COLUMNS = ("quantity", "reverse", "forward", "differences", "step", "rev − fwd", "fwd − diff", "")


@final
@dataclass(frozen=True)
class GradientRow:
    """The derivative in one quantity: a number, an element, or a direction of a large array.

    Attributes:
        name: Its path in the parameters.
        reverse: By reverse mode.
        forward: By forward mode.
        difference: The central difference quotient at the step that it depends on least.
        step: That step, relative to the quantity.
        mode_error: |reverse − forward| over the larger of them.
        difference_error: |forward − difference| over the larger of them, less what rounding
            explains.
        study: (relative step, quotient) for every step tried.
        verdict: ``ok``, ``modes part``, ``differences part`` (a jump or a wrong rule), ``kink``
            (the slopes from the two sides differ) or ``not finite``.
    """

    name: str
    reverse: float
    forward: float
    difference: float
    step: float
    mode_error: float
    difference_error: float
    study: tuple[tuple[float, float], ...]
    verdict: str


@final
@dataclass(frozen=True)
class GradientReport:
    """What `check_gradient` found.

    Attributes:
        value: The objective at the parameters.
        rows: One a quantity.
        mode_tolerance: What ``mode_error`` was held to.
        difference_tolerance: What ``difference_error`` was held to.
    """

    value: float
    rows: tuple[GradientRow, ...]
    mode_tolerance: float
    difference_tolerance: float

    @property
    def ok(self) -> bool:
        """Whether all three agree everywhere."""
        return not self.parted

    @property
    def parted(self) -> tuple[GradientRow, ...]:
        """The rows where they part, the worst first."""
        bad = [row for row in self.rows if row.verdict != "ok"]
        worst = [-np.nan_to_num(max(r.mode_error, r.difference_error), nan=np.inf) for r in bad]
        return tuple(bad[index] for index in np.argsort(worst, kind="stable"))

    def to_json(self, path: str | Path | None = None) -> str:
        """The report as JSON (what is not finite is null); also written to ``path`` if given."""
        return json_text({**asdict(self), "ok": self.ok}, path)

    def _cells(self) -> Iterator[tuple[str, ...]]:
        for r in self.rows:
            numbers = (f"{x:.6g}" for x in (r.reverse, r.forward, r.difference))
            errors = (f"{x:.1e}" for x in (r.step, r.mode_error, r.difference_error))
            yield (r.name, *numbers, *errors, r.verdict)

    def _summary(self) -> str:
        if self.ok:
            return f"all {len(self.rows)} derivatives agree (objective {self.value:.6g})"
        first = self.parted[0]
        return f"{len(self.parted)} of {len(self.rows)} part; worst: {first.name} ({first.verdict})"

    def __str__(self) -> str:
        rows = [COLUMNS, *self._cells()]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [
            "  ".join(
                cell.ljust(width) if index in (0, len(COLUMNS) - 1) else cell.rjust(width)
                for index, (cell, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in rows
        ]
        return "\n".join([*lines, self._summary()])

    def _repr_html_(self) -> str:
        def line(cells: tuple[str, ...], tag: str) -> str:
            inner = "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in cells)
            return f"<tr>{inner}</tr>"

        body = "".join(line(cells, "td") for cells in self._cells())
        return f"<table>{line(COLUMNS, 'th')}{body}</table><p>{escape(self._summary())}</p>"


def check_gradient(
    objective: Callable[[Any], Any],
    parameters: Any,
    *,
    steps: Sequence[float] = DEFAULT_STEPS,
    elements: int = 8,
    directions: int = 2,
    key: jax.Array | None = None,
) -> GradientReport:
    """Compare the gradient by reverse mode, by forward mode and by central differences.

    Every scalar, and every element of an array of up to ``elements`` of them, is looked at alone; a
    larger array (a field, say) along ``directions`` random directions of length 1. The quotient
    (f(x + h v) − f(x − h v))/2h is taken at every relative step, and the one that changes least to
    the next smaller step is compared: too large a step sees curvature, too small a one rounding.

    Args:
        objective: Parameters → a scalar. A `simulate` in it needs ``adjoint=``.
        parameters: A pytree of floating numbers: a model, a dict, a tuple with fields in it.
        steps: Relative steps, falling; of 1 where a quantity is 0.
        elements: Largest array that is looked at element by element.
        directions: Directions for each larger array.
        key: Draws the directions (a fixed key by default).

    Returns:
        A `GradientReport`; ``print`` it, or look at ``ok`` and ``parted``.

    Raises:
        ParameterError: The objective is not scalar, or not made of jax.numpy; a parameter is not a
            finite floating number, or empty; fewer than two steps, or one that is not positive or
            not smaller than the one before; nothing to look at.

    Examples:
        >>> import jax.numpy as jnp
        >>> from mfnjax.fitting import check_gradient
        >>> report = check_gradient(lambda p: jnp.sin(p["x"]) * p["y"], {"x": 0.3, "y": 2.0})
        >>> report.ok, [row.name for row in report.rows]
        (True, ['x', 'y'])
        >>> kink = check_gradient(lambda p: jnp.maximum(p["x"], 0.0), {"x": 0.0})
        >>> jump = check_gradient(lambda p: jnp.where(p["x"] > 1.0, p["x"], 0.0), {"x": 1.0})
        >>> kink.parted[0].verdict, jump.parted[0].verdict
        ('kink', 'differences part')
    """
    check_function("objective", objective)
    check_int("elements", elements, 0, 10**6)
    check_int("directions", directions, 1, 10**6)
    leaves, structure, names = _leaves(parameters)
    steps = _checked_steps(steps)
    dtype = np.dtype(jnp.result_type(*leaves)).name
    mode_tolerance, difference_tolerance = TOLERANCES.get(dtype, TOLERANCES["float32"])
    function = jax.jit(lambda flat: called(objective, structure.unflatten(flat)))
    out = jax.eval_shape(function, leaves)
    if out.shape != () or not jnp.issubdtype(out.dtype, jnp.floating):
        raise ParameterError(f"objective must return one floating number, got {out}")
    value, gradient = jax.jit(jax.value_and_grad(function))(leaves)
    slope = jax.jit(lambda flat, tangent: jax.jvp(function, (flat,), (tangent,))[1])
    key = jax.random.key(0) if key is None else check_key(key)
    rows = []
    for name, index, direction, unit in _directions(leaves, names, elements, directions, key):
        tangent = [jnp.zeros_like(leaf) for leaf in leaves]
        tangent[index] = direction
        reverse = float(jnp.vdot(gradient[index], direction))
        forward = float(slope(leaves, tangent))
        study, gaps = _study(function, float(value), leaves, index, direction, unit, steps)
        rounding = 4 * float(jnp.finfo(dtype).eps) * abs(float(value)) / unit
        rows.append(
            _row(
                name, reverse, forward, study, gaps, rounding, mode_tolerance, difference_tolerance
            )
        )
    return GradientReport(float(value), tuple(rows), mode_tolerance, difference_tolerance)


def _leaves(parameters: Any) -> tuple[list[jax.Array], Any, list[str]]:
    paths, structure = jax.tree.flatten_with_path(parameters)
    if not paths:
        raise ParameterError("parameters must hold at least one number, got an empty pytree")
    names = [jax.tree_util.keystr(p, simple=True, separator=".") or "x" for p, _ in paths]
    leaves = []
    for name, (_, leaf) in zip(names, paths, strict=True):
        try:
            array = jnp.asarray(leaf)
        except (TypeError, ValueError) as error:
            raise ParameterError(
                f"parameter {name!r} must be a number, got {shown(leaf)}"
            ) from error
        if not jnp.issubdtype(array.dtype, jnp.floating):
            raise ParameterError(f"parameter {name!r} must be floating point, got {array.dtype}")
        if not array.size or not bool(jnp.isfinite(array).all()):
            what = "holds a NaN or an infinity" if array.size else f"is empty, {array.shape}"
            raise ParameterError(f"parameter {name!r} {what}")
        leaves.append(array)
    return leaves, structure, names


def _checked_steps(steps: Sequence[float]) -> tuple[float, ...]:
    listed = check_items("steps", steps, "two or more positive falling numbers")
    try:
        found = tuple(float(step) for step in listed)
    except (TypeError, ValueError):
        found = ()
    falling = all(a > b > 0 for a, b in zip(found, found[1:]))  # noqa: B905, RUF007
    if len(found) < 2 or not falling or not np.isfinite(found[0]):
        raise ParameterError(f"steps must be two or more positive falling numbers, got {steps!r}")
    return found


def _directions(
    leaves: list[jax.Array], names: list[str], elements: int, directions: int, key: jax.Array
) -> Iterator[tuple[str, int, jax.Array, float]]:
    """(name, leaf, direction, size of a relative step of 1) of every row."""
    for number, (leaf, name) in enumerate(zip(leaves, names, strict=True)):
        if leaf.size <= elements:
            for place in np.ndindex(leaf.shape):
                size = abs(float(leaf[place]))
                where = f"{name}[{', '.join(map(str, place))}]" if place else name
                yield where, number, jnp.zeros_like(leaf).at[place].set(1), size or 1.0
            continue
        size = float(jnp.linalg.norm(leaf.ravel()))
        for count in range(directions):
            draw_key = jax.random.fold_in(jax.random.fold_in(key, number), count)
            draw = jax.random.normal(draw_key, leaf.shape, leaf.dtype)
            yield (
                f"{name} (direction {count + 1})",
                number,
                draw / jnp.linalg.norm(draw.ravel()),
                size or 1.0,
            )


def _study(
    function: Callable[[list[jax.Array]], jax.Array],
    value: float,
    leaves: list[jax.Array],
    index: int,
    direction: jax.Array,
    unit: float,
    steps: tuple[float, ...],
) -> tuple[tuple[tuple[float, float], ...], np.ndarray]:
    """(step, central quotient) of every step, and how far the one-sided quotients differ there."""
    found, gaps = [], []
    for step in steps:
        h = step * unit
        up, down = (
            float(
                function(
                    [x + sign * h * direction if k == index else x for k, x in enumerate(leaves)]
                )
            )
            for sign in (1, -1)
        )
        found.append((step, (up - down) / (2 * h)))
        gaps.append(abs(up - 2 * value + down) / h)
    return tuple(found), np.array(gaps)


def _is_kink(gaps: np.ndarray, size: float, rounding: np.ndarray) -> bool:
    """Whether the gap of the one-sided slopes stays as it is while the step falls.

    Curvature's falls with the step, and that of a jump grows.
    """
    middle = len(gaps) // 2
    gap, before = gaps[middle], gaps[middle - 1]
    return bool(gap > max(1e-3 * size, rounding[middle]) and before / 2 < gap < 2 * before)


def _row(
    name: str,
    reverse: float,
    forward: float,
    study: tuple[tuple[float, float], ...],
    gaps: np.ndarray,
    rounding: float,
    mode_tolerance: float,
    difference_tolerance: float,
) -> GradientRow:
    quotients = np.array([quotient for _, quotient in study])
    changes = np.abs(np.diff(quotients))
    best = int(np.nanargmin(changes)) if np.isfinite(changes).any() else 0
    step, difference = study[best]
    apart = max(abs(forward - difference) - rounding / step, 0.0)
    mode_error = _relative(abs(reverse - forward), reverse, forward)
    difference_error = _relative(apart, forward, difference)
    if not np.isfinite([reverse, forward, difference]).all():
        verdict = "not finite"
    elif mode_error > mode_tolerance:
        verdict = "modes part"
    elif _is_kink(gaps, abs(forward), rounding / np.array([h for h, _ in study])):
        verdict = "kink"
    else:
        verdict = "ok" if difference_error <= difference_tolerance else "differences part"
    return GradientRow(
        name, reverse, forward, difference, step, mode_error, difference_error, study, verdict
    )


def _relative(apart: float, one: float, other: float) -> float:
    size = max(abs(one), abs(other))
    return apart / size if size > 0 else apart
