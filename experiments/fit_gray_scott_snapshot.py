# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
# ---
# %% [markdown]
# # One picture of a pattern: which parameters made it?
#
# Patterns of Gray–Scott are grown from random starts to rest. Then everything but one picture is
# forgotten: v alone, with noise, or with an unknown grey scale. `fit_snapshot` finds F and k, says
# how sure, and refuses pictures of patterns that still move.
#
# `python -m experiments.fit_gray_scott_snapshot` writes figures and tables to
# out/fit_gray_scott_snapshot/.

# %%
from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure

from experiments.notebook import FAST, output_folder, show
from mfnjax import GrayScottModel, Grid, simulate
from mfnjax.fitting import SnapshotFit, fit_snapshot
from mfnjax.fitting.snapshot import classify_pattern, rates_of_fields
from mfnjax.plotting.style import in_style

OUT = output_folder("fit_gray_scott_snapshot")
GRID = Grid((64, 64) if FAST else (128, 128))
STEPS = 25_000 if FAST else 40_000
GIVEN = {"d_u": 0.16, "d_v": 0.08}
NOISE = 0.05  # of the range of v: 15–20 % of its standard deviation
AT_REST = 0.02  # largest change of v in 100 steps, of its standard deviation

# (F, k) about which the targets are drawn, by what grows there
PLACES = {
    "spots": [(0.030, 0.062), (0.034, 0.065), (0.034, 0.063), (0.028, 0.0615), (0.036, 0.0645)],
    "labyrinth": [(0.029, 0.057), (0.038, 0.061), (0.0545, 0.062), (0.058, 0.063), (0.034, 0.0595)],
    "holes": [(0.039, 0.058), (0.042, 0.059), (0.046, 0.0594), (0.050, 0.0605), (0.044, 0.0593)],
}
REPEATS = 1 if FAST else 2

# %% [markdown]
# ## Targets
#
# Each is drawn about a place in the (F, k) plane, grown from seeds at random places, and kept if
# it is nearly at rest: v changes by less than 2 % of its standard deviation in 100 steps.


# %%
@dataclass(frozen=True)
class Target:
    """A grown pattern."""

    kind: str
    model: GrayScottModel
    u: np.ndarray
    v: np.ndarray
    change: float


def random_start(rng: np.random.Generator) -> tuple[jax.Array, jax.Array]:
    """(u, v): (1, 0) with seeds of 8 × 8 cells at random places, one on every 550 cells."""
    inside = np.zeros(GRID.shape, bool)
    for row, column in rng.integers(0, GRID.shape[0], (GRID.num_cells // 550, 2)):
        rows, columns = (
            (at + np.arange(8)) % side for at, side in zip((row, column), GRID.shape, strict=True)
        )
        inside[np.ix_(rows, columns)] = True
    v = np.where(inside, 0.25, 0.0) * (1 + 0.05 * rng.standard_normal(GRID.shape))
    return jnp.asarray(np.where(inside, 0.5, 1.0), jnp.float32), jnp.asarray(v, jnp.float32)


def grow(model: GrayScottModel, steps: int, rng: np.random.Generator, kind: str = "") -> Target:
    """A run from a random start, and how fast it still changes at its end."""
    end = simulate(model, random_start(rng), grid=GRID, steps=steps, stepper="euler").state
    later = simulate(model, end, grid=GRID, steps=100, stepper="euler").state
    u, v = np.asarray(end["u"]), np.asarray(end["v"])
    change = float(np.sqrt(np.mean((np.asarray(later["v"]) - v) ** 2)) / max(v.std(), 1e-12))
    return Target(kind, model, u, v, change)


rng = np.random.default_rng(20)
targets = []
for kind, places in PLACES.items():
    for place in (places[:1] if FAST else places) * REPEATS:
        feed = place[0] * (1 + 0.01 * rng.standard_normal())
        kill = place[1] * (1 + 0.002 * rng.standard_normal())
        target = grow(GrayScottModel(feed, kill), STEPS, rng, kind)
        if target.change < AT_REST and classify_pattern(target.v) == kind:
            targets.append(target)
counts = {kind: sum(t.kind == kind for t in targets) for kind in PLACES}
print(f"{len(targets)} targets at rest: {counts}")

# %% [markdown]
# ## Recovery
#
# Five kinds of knowledge, from both fields down to the outlines alone, which are read as
# `experiments/read_outlines.py` learned to. Errors are in percent of the truth.


# %%
def noisy(v: np.ndarray, index: int) -> np.ndarray:
    """v with white noise of 5 % of its range."""
    return v + NOISE * np.ptp(v) * np.random.default_rng(index).standard_normal(v.shape)


def cut(v: np.ndarray, index: int) -> np.ndarray:
    """Where v is above a level between 0.3 and 0.7 of its range."""
    return v > v.min() + np.random.default_rng([5, index]).uniform(0.3, 0.7) * np.ptp(v)


REPLICATES = 2 if FAST else 4
CASES: dict[str, tuple[Any, dict[str, Any], tuple[float, float]]] = {
    "exact v": (lambda v, i: v, {**GIVEN, "noise": 0.0, "replicates": 0}, (1, 0.2)),
    "v, 5 % noise": (noisy, {**GIVEN, "replicates": REPLICATES}, (5, 1.5)),
    "s·v + o, 5 % noise": (
        lambda v, i: 90 * noisy(v, i) + 25,
        {**GIVEN, "affine": True, "replicates": REPLICATES},
        (10, 3),
    ),
}


if not FAST:  # outlines on 64² cells say too little, and are refused
    CASES["black and white"] = (cut, {**GIVEN}, (10, 3))


@dataclass(frozen=True)
class Row:
    """One fit: errors in percent, verdict, seconds."""

    case: str
    kind: str
    feed: float
    kill: float
    stationary: bool
    covered: float
    seconds: float


def off(found: dict[str, float], model: GrayScottModel) -> tuple[float, float]:
    """Errors of F and k in percent; NaN where there is no answer."""
    if not found:
        return float("nan"), float("nan")
    return 100 * (found["feed"] / model.feed - 1), 100 * (found["kill"] / model.kill - 1)


def judged(case: str, target: Target, fit: SnapshotFit) -> Row:
    """The row of a fit."""
    inside = [low <= getattr(target.model, name) <= high
              for name, (low, high) in fit.intervals.items()]  # fmt: skip
    covered = float(np.mean(inside)) if inside else float("nan")
    errors = off(fit.parameters, target.model)
    return Row(case, target.kind, *errors, fit.stationary, covered, fit.seconds)


rows: list[Row] = []
fits: dict[tuple[str, int], SnapshotFit] = {}
for index, target in enumerate(targets):
    began = time.monotonic()
    rates = rates_of_fields(target.u, target.v, grid=GRID, **GIVEN)
    errors = off(rates, target.model)
    rows.append(Row("exact u and v", target.kind, *errors, True, np.nan, time.monotonic() - began))
    for case, (picture, settings, _) in CASES.items():
        fit = fit_snapshot(picture(target.v, index), key=jax.random.key(index), **settings)
        fits[case, index] = fit
        rows.append(judged(case, target, fit))
    told = "; ".join(f"{r.case}: {r.feed:+.2f}, {r.kill:+.2f}" for r in rows[-len(CASES) - 1 :])
    print(f"{target.kind} {index}, errors of F, k (%): {told}", flush=True)

LIMITS = {"exact u and v": (1, 0.2)} | {case: limits for case, (_, _, limits) in CASES.items()}


def table(rows: list[Row]) -> str:
    """The table, as Markdown."""
    lines = [
        "| known | within | of | largest error of F, k (%) | 90 % intervals cover | seconds, median, largest |",  # noqa: E501
        "|---|---|---|---|---|---|",
    ]
    for case, (feed, kill) in LIMITS.items():
        part = [row for row in rows if row.case == case]
        within = sum(abs(r.feed) <= feed and abs(r.kill) <= kill for r in part)
        worst = [np.nanmax(np.abs([getattr(r, n) for r in part])) for n in ("feed", "kill")]
        covers = [r.covered for r in part if np.isfinite(r.covered)]
        seconds = [r.seconds for r in part]
        lines.append(
            f"| {case} | F {feed} %, k {kill} %: {within} | {len(part)} | "
            f"{worst[0]:.2f}, {worst[1]:.2f} | "
            + (f"{100 * np.mean(covers):.0f} %" if covers else "–")
            + f" | {np.median(seconds):.2f}, {np.max(seconds):.2f} |"
        )
    return "\n".join(lines)


print(table(rows))

# %% [markdown]
# ## A new run of the fitted model ends in the same class

# %%
again = 0
chosen = [index for index in range(len(targets)) if fits["v, 5 % noise", index].stationary]
for index in chosen:
    new = grow(fits["v, 5 % noise", index].model, STEPS // 2, np.random.default_rng(1000 + index))
    again += classify_pattern(new.v) == targets[index].kind
print(f"same class from a new start: {again} of {len(chosen)}")

# %% [markdown]
# ## Patterns that move are refused
#
# Chaos, waves, splitting spots, and patterns that are still growing.

# %%
MOVING = {
    "α: fragments of waves": (0.010, 0.047, 6_000),
    "β: chaos": (0.026, 0.051, 6_000),
    "ε: rings": (0.018, 0.055, 6_000),
    "ζ: splitting spots": (0.026, 0.059, 6_000),
    "spots, growing": (0.030, 0.062, 1_500),
    "labyrinth, growing": (0.029, 0.057, 1_500),
    "holes, growing": (0.039, 0.058, 1_500),
}
verdicts = []
for index, (name, (feed, kill, steps)) in enumerate(MOVING.items()):
    moving = grow(GrayScottModel(feed, kill), steps, np.random.default_rng(index))
    if moving.v.std() < 0.01:
        continue
    for case in CASES:
        picture, settings, limits = CASES[case]
        fit = fit_snapshot(picture(moving.v, index), key=jax.random.key(index), **settings)
        errors = off(fit.parameters, moving.model)
        wrong = fit.stationary and (abs(errors[0]) > limits[0] or abs(errors[1]) > limits[1])
        inside = all(low <= getattr(moving.model, parameter) <= high
                     for parameter, (low, high) in fit.intervals.items())  # fmt: skip
        verdicts.append((name, case, fit.stationary, wrong and not inside))
        print(
            f"{name}, {case}: {fit.verdict}, misfit {fit.misfit:.2f}, at the pattern's waves "
            f"{fit.structured_misfit:.2f}; errors of F, k (%): {errors[0]:.1f}, {errors[1]:.1f}"
        )
refused = sum(not stationary for _, _, stationary, _ in verdicts)
confident = sum(wrong for _, _, _, wrong in verdicts)
print(f"refused: {refused} of {len(verdicts)}; confidently wrong: {confident}")

# %% [markdown]
# ## Figures


# %%
@in_style
def gallery() -> Figure:
    """One target of each class: the noisy picture, the model at rest, and the estimate."""
    kinds = [kind for kind in PLACES if counts[kind]]
    figure = Figure(figsize=(7.2, 2.45 * len(kinds)), layout="constrained")
    axes = figure.subplots(len(kinds), 3, squeeze=False)
    for row, kind in enumerate(kinds):
        index = next(i for i, target in enumerate(targets) if target.kind == kind)
        target, fit = targets[index], fits["v, 5 % noise", index]
        limits = {"cmap": "magma", "vmin": target.v.min(), "vmax": target.v.max()}
        for axis, values, title in (
            (axes[row, 0], fit.image, f"{kind}: what was seen"),
            (axes[row, 1], fit.compared, "the fitted model"),
        ):
            axis.imshow(values, **limits)
            axis.set_title(title)
            axis.set_xticks([])
            axis.set_yticks([])
        axis = axes[row, 2]
        if fit.stationary and fit.intervals:
            low, high = np.asarray([fit.intervals[name] for name in ("feed", "kill")]).T
            at = np.asarray([fit.parameters[name] for name in ("feed", "kill")])
            axis.errorbar(
                *at,
                xerr=[[at[0] - low[0]], [high[0] - at[0]]],
                yerr=[[at[1] - low[1]], [high[1] - at[1]]],
                fmt="o",
                color="#21406f",
                markersize=4,
                label="estimate, 90 %",
            )
        elif fit.stationary:
            axis.plot(fit.parameters["feed"], fit.parameters["kill"], "o", label="estimate")
        axis.plot(target.model.feed, target.model.kill, "+", color="#c2571a", markersize=11,
                  markeredgewidth=1.8, label="truth")  # fmt: skip
        axis.set(xlabel="F", ylabel="k")
        axis.margins(0.4)
        axis.legend(loc="best")
    return figure


@in_style
def recovered() -> Figure:
    """Errors of F and k of every target, by what was known."""
    figure = Figure(figsize=(7.2, 3.0), layout="constrained")
    axes = figure.subplots(1, 2)
    colours = dict(zip(PLACES, ("#21406f", "#c2571a", "#4f8a5b"), strict=True))
    for axis, name, place in ((axes[0], "feed", 0), (axes[1], "kill", 1)):
        for x, case in enumerate(LIMITS):
            limit = LIMITS[case][place]
            axis.fill_between([x - 0.4, x + 0.4], -limit, limit, color="#e9edf4", linewidth=0)
            for kind, colour in colours.items():
                part = [r for r in rows if r.case == case and r.kind == kind]
                jitter = np.linspace(-0.25, 0.25, max(len(part), 1))
                axis.plot(
                    x + jitter[: len(part)],
                    [getattr(r, name) for r in part],
                    ".",
                    color=colour,
                    label=kind if x == 0 else None,
                )
        axis.axhline(0, color="#999999", linewidth=0.6)
        axis.set_xticks(range(len(LIMITS)), [case.replace(", ", ",\n") for case in LIMITS])
        axis.set_ylabel(f"error of {'F' if name == 'feed' else 'k'} (%)")
    axes[0].legend(loc="upper left")
    return figure


show(gallery(), OUT / "gallery.png")
show(recovered(), OUT / "errors.png")
_ = (OUT / "table.md").write_text(table(rows) + "\n", "utf-8")
summary = {
    "targets": counts,
    "rows": [dict(vars(row)) for row in rows],
    "same_class_from_a_new_start": [again, len(chosen)],
    "moving": {"refused": refused, "of": len(verdicts), "confidently_wrong": confident},
}
for row in summary["rows"]:
    row |= {k: None for k in ("feed", "kill", "covered") if not np.isfinite(row[k])}
_ = (OUT / "summary.json").write_text(json.dumps(summary, indent=1, ensure_ascii=False), "utf-8")
