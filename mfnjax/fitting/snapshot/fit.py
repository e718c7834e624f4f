"""`fit_snapshot`: the parameters of Gray–Scott from one picture of a pattern at rest."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, final

import jax
import numpy as np

from mfnjax._checks import check_bool, check_choice, check_int, check_key, check_real
from mfnjax.core.grid import Grid
from mfnjax.errors import DataError, ParameterError
from mfnjax.fitting.inference.uncertainty import two_sided_quantile
from mfnjax.fitting.snapshot.classes import classify_pattern
from mfnjax.fitting.snapshot.estimate import (
    UNKNOWNS,
    Estimate,
    Standardised,
    at_rest,
    draw_starts,
    predicted,
    stays,
)
from mfnjax.fitting.snapshot.result import MOVING, STATIONARY, SnapshotFit
from mfnjax.fitting.snapshot.smoothing import estimate_noise, filtered, wiener_filter

MODELS = ("gray-scott",)
PARAMETERS = ("feed", "kill", "d_u", "d_v")

SHORTEST_RUN = 60.0
"""Duration of the first run that is compared with the image."""

LONGEST_RUN = 480.0

LARGEST_MISFIT = 1.1
"""A larger misfit, in units of the noise, means that the pattern is not at rest."""

LARGEST_STRUCTURE = 1.25
"""The same for the part of the residuals that has the pattern's wavelengths."""

MOST_CANDIDATES = 3
"""Minima of the first problem that a run is fitted from."""

NOISE_FLOOR = 0.02
"""Noise below this share of the image's standard deviation counts as so much: a pattern that is
nearly at rest differs from one at rest by about that."""

GAUGE = {"d_u": 0.16}
"""Convention where the image cannot tell: the D_u of the model's own defaults."""

DEGENERACY = (
    "The image tells v up to a scale s only: (F, F + k, D_u, D_v, s) and "
    "(c²F, c(F + k), c²D_u, cD_v, cs) make the same image for every c > 0; "
    "D_u = 0.16 is a convention that fixes c."
)


def fit_snapshot(
    image: Any,
    model: str = "gray-scott",
    *,
    d_u: float | None = None,
    d_v: float | None = None,
    noise: float | None = None,
    affine: bool = False,
    boundary: str = "periodic",
    replicates: int = 8,
    key: jax.Array,
) -> SnapshotFit:
    """Find the parameters of a model from one picture of a pattern at rest.

    Nothing is known of the start that the pattern grew from, and nothing needs to be: at rest u
    follows from v by a linear equation, and a parameter that is wrong shows as a drift away from
    the image. Three steps:

    1. Take most of the noise out (a Wiener filter), and find the parameters for which the image
       is most nearly at rest, from several starts.
    2. Run the model for a time of 60 from the smoothed image and compare with the raw one
       (least squares, through the simulator). Double the time while the misfit does not grow.
    3. Judge. A misfit of more than 1.1 times the noise means that no pattern at rest looks like
       this: no parameters are given.

    Args:
        image: v itself (H, W), or an affine image of it; at least 16 cells a side. A mask of it
            (two grey levels) is refused: its outlines do not say how v varies between them.
        model: ``gray-scott``.
        d_u: D_u in cells²/time where it is known.
        d_v: D_v where it is known.
        noise: σ of the image's noise in its own unit, 0 for none. None: measured on the image.
        affine: The image is s·v + o with s > 0 and o unknown, instead of v itself.
        boundary: ``periodic`` or ``neumann`` (no flux; a cut-out of a larger pattern is neither,
            but no flux comes nearer).
        replicates: Synthetic images that are fitted for the intervals; 0 gives none.
        key: Key of the starts and of the synthetic noise.

    Returns:
        A `SnapshotFit`.

    Raises:
        ParameterError: An argument is not accepted; the image is a mask.
        DataError: The image holds a NaN, does not vary, or shows nothing but noise.

    Examples:
        >>> import jax
        >>> from mfnjax import GrayScottModel, Grid, simulate
        >>> from mfnjax.fitting import fit_snapshot
        >>> grid, truth = Grid((32, 32)), GrayScottModel(0.039, 0.058)
        >>> start = truth.initial_state(grid, key=jax.random.key(0))
        >>> v = simulate(truth, start, grid=grid, steps=20_000).state["v"]
        >>> fit = fit_snapshot(v, d_u=0.16, d_v=0.08, noise=0.0, key=jax.random.key(1))
        >>> fit.verdict, round(fit.parameters["feed"], 4), round(fit.parameters["kill"], 4)
        ('stationary', 0.039, 0.058)
    """
    began = time.monotonic()
    check_choice("model", model, MODELS)
    check_int("replicates", replicates, 0, 1000)
    key = check_key(key)
    check_bool("affine", affine)
    check_choice("boundary", boundary, ("periodic", "neumann"))
    given = {"d_u": d_u, "d_v": d_v}
    known = {
        name: check_real(name, value, 1e-3, 100.0)
        for name, value in given.items()
        if value is not None
    }
    sigma = None if noise is None else check_real("noise", noise, 0.0, 1e12)
    raw = _check_image(image)
    task = _prepare(raw, known, sigma, affine, boundary)
    candidates = _candidates(task, key=key)
    last, duration, spread = _lengthen(task, candidates)
    compared = predicted(task.image, last)
    structured = _structured_misfit(task.image, compared)
    moving = not (last.misfit <= LARGEST_MISFIT and structured <= LARGEST_STRUCTURE)
    errors = {} if moving else _errors(task, last, compared, replicates, key=key)
    reach = {name: _reach(error, spread[name], replicates) for name, error in errors.items()}
    values = {name: last.values[name] for name in PARAMETERS}
    scale = task.deviation / last.values["amplitude"]
    return SnapshotFit(
        verdict=MOVING if moving else STATIONARY,
        parameters={} if moving else values,
        intervals={
            name: (values[name] * float(np.exp(-half)), values[name] * float(np.exp(half)))
            for name, half in reach.items()
        },
        rejected=values if moving else {},
        misfit=last.misfit,
        structured_misfit=structured,
        noise=task.noise,
        noise_is_estimated=noise is None,
        scale=float(scale),
        offset=float(task.mean - scale * last.values["level"]),
        duration=duration,
        pattern_class=classify_pattern(task.image.smooth, periodic=boundary == "periodic"),
        degeneracy=DEGENERACY if task.gauge else None,
        assumptions=_assumptions(task),
        image=raw,
        field=last.values["level"] + last.values["amplitude"] * compared,
        compared=task.mean + task.deviation * compared,
        grid=task.image.grid,
        seconds=time.monotonic() - began,
    )


@final
@dataclass(frozen=True)
class Task:
    """A snapshot made ready.

    Attributes:
        raw: The image (H, W), float64.
        image: The same in standard units.
        known: Unknowns that are given or fixed by convention.
        noise: σ, in the unit of the image.
        gauge: Whether a convention fixes the scale.
        affine: Whether scale and offset of v are unknown.
    """

    raw: np.ndarray
    image: Standardised
    known: dict[str, float]
    noise: float
    gauge: bool
    affine: bool

    @property
    def mean(self) -> float:
        """Of the image."""
        return float(self.raw.mean())

    @property
    def deviation(self) -> float:
        """Standard deviation of the image."""
        return float(self.raw.std())

    @property
    def open(self) -> list[str]:
        """The model's parameters that are estimated."""
        return [name for name in PARAMETERS if name not in self.known]


def _prepare(
    raw: np.ndarray, known: dict[str, float], noise: float | None, affine: bool, boundary: str
) -> Task:
    grid = Grid(raw.shape, boundary=boundary)
    gauge = affine and not known
    if gauge:
        known = dict(GAUGE)
    sigma = estimate_noise(raw, grid) if noise is None else noise
    if not affine:
        known = known | {"level": float(raw.mean()), "amplitude": float(raw.std())}
        if known["level"] <= 0:
            raise DataError(
                f"image: v is positive, but the mean is {raw.mean():.4g}; an image with an unknown "
                "scale and offset needs affine=True"
            )
    return Task(raw, standardised(raw, sigma, grid), known, sigma, gauge, affine)


def standardised(raw: np.ndarray, sigma: float, grid: Grid) -> Standardised:
    """The image in standard units, raw and smoothed.

    Raises:
        DataError: It shows nothing but noise.
    """
    mean, deviation = raw.mean(), raw.std()
    z = (raw - mean) / deviation
    factors = wiener_filter(z, sigma / deviation, grid)
    smooth = filtered(z, factors, grid)
    if smooth.std() < 0.3:
        raise DataError(
            f"image: no pattern above the noise (standard deviation {deviation:.4g}, of which "
            f"{sigma:.4g} is noise)"
        )
    return Standardised(z, smooth, factors, max(sigma / deviation, NOISE_FLOOR), grid)


def _check_image(image: Any) -> np.ndarray:
    try:
        array = np.asarray(image)
    except ValueError as error:  # rows of different lengths
        raise ParameterError(f"image must be real numbers of shape (H, W) ({error})") from error
    if array.ndim != 2 or min(array.shape, default=0) < 16 or array.dtype.kind not in "biuf":
        raise ParameterError(
            f"image must be real numbers of shape (H, W), at least 16 × 16, got {array.dtype} of "
            f"shape {array.shape}"
        )
    raw = array.astype(float)
    if not np.isfinite(raw).all():
        row, column = np.argwhere(~np.isfinite(raw))[0]
        raise DataError(f"image: a NaN or an infinity at row {row}, column {column} (0-based)")
    if raw.std() <= 1e-9 * max(abs(raw).max(), 1e-300):
        raise DataError("image: every cell is the same: there is no pattern to fit")
    if np.all((raw == raw.min()) | (raw == raw.max())):
        raise ParameterError(
            "image has two levels only, it is a mask; the fit needs the grey levels of a field: "
            "give the picture as it was before it was cut"
        )
    return raw


def _candidates(task: Task, *, key: jax.Array) -> list[Estimate]:
    """The parameters for which the smoothed image is most nearly at rest: a few minima."""
    names = [name for name in UNKNOWNS if name not in task.known]
    number = 2 if len(names) == 2 else 8
    ends = at_rest(task.image, task.known, starts=draw_starts(number, names, key=key))
    return ends[:MOST_CANDIDATES]


def _lengthen(task: Task, candidates: list[Estimate]) -> tuple[Estimate, float, dict[str, float]]:
    """Fit runs of 60, 120, … while the misfit does not grow.

    Returns:
        The estimate, its duration, and how far each ln(parameter) moved with the duration: what
        is left of the smoothing's bias, and of a slow drift.
    """
    # √(½/n): one standard error of a misfit that is noise alone.
    margin = np.sqrt(0.5 / task.raw.size)
    # Noise can make a wrong minimum of the first problem the deepest one; a run tells.
    ends = [
        stays(task.image, task.known, candidate.values, duration=SHORTEST_RUN)
        for candidate in candidates
    ]
    best = shortest = min(ends, key=lambda end: end.misfit)
    duration = SHORTEST_RUN
    while best.misfit <= LARGEST_MISFIT and 2 * duration <= LONGEST_RUN:
        longer = stays(task.image, task.known, best.values, duration=2 * duration)
        if longer.misfit > best.misfit + margin:
            break
        best, duration = longer, 2 * duration
    moved = {name: abs(np.log(best.values[name] / shortest.values[name])) for name in best.values}
    return best, duration, moved


def _structured_misfit(image: Standardised, compared: np.ndarray) -> float:
    """Residuals at the pattern's own wavelengths, in units of what noise would leave there."""
    band = (image.factors > 0.5).astype(float)
    inside = filtered(compared - image.raw, band, image.grid)
    # The share of white noise in the band, by a filter of noise's flat spectrum.
    share = _band_share(band, image.grid)
    return float(inside.std() / (image.noise * np.sqrt(max(share, 1.0 / inside.size))))


def _band_share(band: np.ndarray, grid: Grid) -> float:
    if band.shape == grid.shape:
        return float(band.mean())
    weights = np.full(band.shape[1], 2.0)
    weights[0] = 1.0
    if grid.shape[1] % 2 == 0:
        weights[-1] = 1.0
    return float((band * weights).sum() / grid.num_cells)


def _errors(
    task: Task, last: Estimate, compared: np.ndarray, replicates: int, *, key: jax.Array
) -> dict[str, float]:
    """Standard errors of ln(parameter): synthetic images of the fit, fitted in the same way."""
    if replicates == 0:
        return {}
    grid, sigma = task.image.grid, task.image.noise
    found = []
    for index in range(replicates):
        draw = np.asarray(jax.random.normal(jax.random.fold_in(key, index), grid.shape), float)
        raw = task.mean + task.deviation * (compared + sigma * draw)
        twin = standardised(raw, max(task.noise, NOISE_FLOOR * task.deviation), grid)
        # In the units of this twin, not of the image: mean and deviation differ a little.
        known = dict(task.known)
        if not task.affine:
            known |= {"level": raw.mean(), "amplitude": raw.std()}
        rest = at_rest(twin, known, starts=[last.values])[0]
        end = stays(twin, known, rest.values, duration=SHORTEST_RUN)
        found.append([np.log(end.values[name] / last.values[name]) for name in task.open])
    # About the truth that they were drawn from: spread and bias together.
    rms = np.sqrt(np.mean(np.square(found), axis=0))
    return dict(zip(task.open, (float(x) for x in rms), strict=True))


def _reach(error: float, moved: float, replicates: int) -> float:
    """How far a 90 % interval reaches: so few synthetic images know the error itself roughly,
    as Student's t allows for (its centre is known: n degrees of freedom)."""
    return two_sided_quantile(0.9, replicates) * float(np.hypot(error, moved))


def _assumptions(task: Task) -> tuple[str, ...]:
    texts = []
    if task.affine:
        texts.append("grey level = s·v + o, with s > 0 and o unknown")
    else:
        texts.append("grey level = v")
    if task.gauge:
        texts.append("D_u = 0.16 cells²/time by convention")
    given = [f"{name} = {task.known[name]:g}" for name in ("d_u", "d_v") if name in task.known]
    if given and not task.gauge:
        texts.append(f"given: {', '.join(given)} cells²/time")
    texts.append(f"edges: {task.image.grid.boundary.name}")
    return tuple(texts)
