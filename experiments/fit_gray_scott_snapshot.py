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
# forgotten: v alone, with noise, with an unknown grey scale, or its outlines. `fit_snapshot` finds
# F and k, says how sure, and refuses pictures of patterns that still move.
#
# `python -m experiments.fit_gray_scott_snapshot` writes figures and tables to
# out/fit_gray_scott_snapshot/. With `--coverage` the noise on v and the level of the outlines are
# drawn three times, to count how often the intervals hold the truth; with `--resume` it goes on
# where it was stopped.

# %%
from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import jax
import numpy as np
from matplotlib.figure import Figure

from experiments.grown_patterns import GRID, PLACES, STEPS, Pattern, at_rest, grow, on_the_move
from experiments.notebook import FAST, flags, output_folder, show
from experiments.outlines.fit import Reading, fit_outlines
from mfnjax import GrayScottModel
from mfnjax._progress import ProgressBar
from mfnjax.fitting import SnapshotFit, fit_snapshot
from mfnjax.fitting.snapshot import classify_pattern, rates_of_fields
from mfnjax.plotting.style import in_style

ASKED = flags(
    coverage="draw noise and level three times: how often do intervals hold the truth?",
    resume="keep the fits of the last run, which was stopped",
)
OUT = output_folder("fit_gray_scott_snapshot")

# %% [markdown]
# ## Targets
#
# Each is drawn about a place in the (F, k) plane, grown from seeds at random places, and kept if
# it is nearly at rest: v changes by less than 2 % of its standard deviation in 100 steps. Beside
# them patterns that move: waves, chaos, rings, splitting spots, and some that are still growing.

# %%
targets, moving = at_rest(), on_the_move()
counts = {kind: sum(target.kind == kind for target in targets) for kind in PLACES}
print(f"{len(targets)} targets at rest: {counts}; {len(moving)} patterns that move")

# %% [markdown]
# ## What is known
#
# Five kinds of knowledge, from both fields down to the outlines alone, which are read as
# `experiments/outlines` learned to. D_u and D_v are given. The limits are on the errors
# of F and k, in percent.

# %%
GIVEN = {"d_u": 0.16, "d_v": 0.08}
NOISE = 0.05  # of the range of v: 15–20 % of its standard deviation
UNKNOWN = ("feed", "kill")


def noisy(v: np.ndarray, *draw: int) -> np.ndarray:
    """v with white noise of 5 % of its range."""
    return v + NOISE * np.ptp(v) * np.random.default_rng(draw).standard_normal(v.shape)


def cut(v: np.ndarray, *draw: int) -> np.ndarray:
    """Where v is above a level between 0.3 and 0.7 of its range."""
    return v > v.min() + np.random.default_rng([5, *draw]).uniform(0.3, 0.7) * np.ptp(v)


@dataclass(frozen=True)
class Case:
    """The picture that is left of v, the settings of the fit, and how often it is drawn."""

    picture: Callable[..., np.ndarray]
    settings: dict[str, Any] = field(default_factory=dict)
    draws: int = 3 if ASKED.coverage else 1


BOTH, NOISY, SCALED = "exact u and v", "v with noise", "s·v + o with noise"
CASES = {
    "exact v": Case(lambda v, *_: v, {"noise": 0.0, "replicates": 0}, draws=1),
    NOISY: Case(noisy),
    SCALED: Case(lambda v, *draw: 90 * noisy(v, *draw) + 25, {"affine": True}, draws=1),
    "outlines": Case(cut),
}
LIMITS = {
    BOTH: (1, 0.2),
    "exact v": (1, 0.2),
    NOISY: (5, 1.5),
    SCALED: (10, 3),
    "outlines": (10, 3),
}
if FAST:  # on 64² cells outlines say too little, and are refused
    del CASES["outlines"], LIMITS["outlines"]


@dataclass(frozen=True)
class Row:
    """One fit, by parameter: the error and the ends of the 90 % interval, in percent of the truth.

    Both are empty where the picture was refused.
    """

    case: str
    kind: str
    index: int
    draw: int
    off: dict[str, float]
    ends: dict[str, tuple[float, float]]
    seconds: float

    @property
    def within(self) -> bool:
        """Whether F and k are both within the limits."""
        limits = zip(UNKNOWN, LIMITS[self.case], strict=True)
        return all(abs(self.off.get(name, np.inf)) <= limit for name, limit in limits)

    def holds(self, name: str) -> bool:
        """Whether the interval of a parameter holds the truth."""
        low, high = self.ends[name]
        return low <= 0 <= high

    @property
    def confidently_wrong(self) -> bool:
        """Whether it answers out of the limits, and its intervals do not reach the truth."""
        held = bool(self.ends) and all(self.holds(name) for name in self.ends)
        return bool(self.off) and not self.within and not held


def fitted(case: str, index: int, draw: int = 0) -> SnapshotFit | Reading:
    """The fit of one picture of a pattern."""
    picture = CASES[case].picture(patterns[index].v, index, draw)
    if case == "outlines":
        return fit_outlines(picture, **GIVEN)
    key = jax.random.fold_in(jax.random.key(index), draw)
    return fit_snapshot(picture, **GIVEN, **CASES[case].settings, key=key)


def judged(case: str, index: int, draw: int) -> Row:
    """The same, compared with the truth."""
    pattern, began = patterns[index], time.monotonic()
    if case == BOTH:
        found, intervals = rates_of_fields(pattern.u, pattern.v, grid=GRID, **GIVEN), {}
    else:
        fit = fitted(case, index, draw)
        found, intervals = fit.parameters, fit.intervals
    seconds = time.monotonic() - began

    def percent(name: str, value: float) -> float:
        return 100 * (value / float(getattr(pattern.model, name)) - 1)

    off = {name: percent(name, found[name]) for name in UNKNOWN if found}
    ends = {n: (percent(n, low), percent(n, high)) for n, (low, high) in intervals.items()}
    return Row(case, pattern.kind, index, draw, off, ends, seconds)


# %% [markdown]
# ## Fits
#
# Each is written down as it ends.

# %%
patterns: list[Pattern] = targets + moving
tasks = [(BOTH, index, 0) for index in range(len(targets))]
tasks += [
    (name, index, draw)
    for index in range(len(patterns))
    for name, case in CASES.items()
    for draw in range(case.draws if index < len(targets) else 1)
]
notes = OUT / "fits.jsonl"
if not ASKED.resume:
    notes.unlink(missing_ok=True)
known = [Row(**json.loads(line)) for line in notes.read_text("utf-8").splitlines()] \
    if notes.exists() else []  # fmt: skip
done = {(row.case, row.index, row.draw): row for row in known}
with ProgressBar("fits") as progress, notes.open("a", encoding="utf-8") as file:
    for task in tasks:
        if task not in done:
            done[task] = judged(*task)
            print(json.dumps(asdict(done[task]), ensure_ascii=False), file=file, flush=True)
        progress(len(done), len(tasks))
rows = [done[task] for task in tasks]
still = [row for row in rows if row.index < len(targets)]
on_the_way = [row for row in rows if row.index >= len(targets)]

# %% [markdown]
# ## How near
#
# 'Within' counts the pictures whose F and k are both within the limits; a refused one counts as
# missed. Errors and intervals are of those answered.


# %%
def by_case(rows: list[Row]) -> dict[str, list[Row]]:
    """Case → its rows."""
    return {case: [row for row in rows if row.case == case] for case in LIMITS}


def percentages(values: Any) -> str:
    """Two numbers with two digits behind the point."""
    return ", ".join(f"{value:.2f} %" for value in values)


def recovery_table() -> str:
    """Case → limits, pictures within them, errors, times."""
    lines = [
        "| known | limits on F, k | within | refused | median error of F, k | largest | seconds: median, largest |",  # noqa: E501
        "|---|---|---|---|---|---|---|",
    ]
    for case, part in by_case(still).items():
        errors = np.abs([[row.off[name] for name in UNKNOWN] for row in part if row.off])
        seconds = [row.seconds for row in part]
        lines.append(
            f"| {case} | {LIMITS[case][0]} %, {LIMITS[case][1]} % | "
            f"{sum(row.within for row in part)} of {len(part)} | {len(part) - len(errors)} | "
            f"{percentages(np.median(errors, 0))} | {percentages(errors.max(0))} | "
            f"{np.median(seconds):.2g}, {max(seconds):.2g} |"
        )
    return "\n".join(lines)


def coverage_table() -> str:
    """Case → how often the intervals hold the truth, and how wide they are."""
    lines = [
        "| known | the 90 % interval holds F | k | half the interval of F, k (median) |",
        "|---|---|---|---|",
    ]
    for case, rows_of_case in by_case(still).items():
        part = [row for row in rows_of_case if row.ends]
        if not part:
            continue
        cells = []
        for name in UNKNOWN:
            held = sum(row.holds(name) for row in part)
            cells.append(f"{held} of {len(part)}, {100 * held / len(part):.0f} %")
        halves = [[np.ptp(row.ends[name]) / 2 for name in UNKNOWN] for row in part]
        lines.append(f"| {case} | {' | '.join(cells)} | {percentages(np.median(halves, 0))} |")
    return "\n".join(lines)


def moving_table() -> str:
    """Pattern that moves, case → refused, or the errors of what was answered."""
    lines = [f"| moves | {' | '.join(CASES)} |", "|---" * (len(CASES) + 1) + "|"]
    for pattern in moving:
        told = {row.case: row for row in on_the_way if row.kind == pattern.kind}
        cells = [
            "refused"
            if not told[case].off
            else ", ".join(f"{told[case].off[name]:+.1f} %" for name in UNKNOWN)
            for case in CASES
        ]
        lines.append(f"| {pattern.kind} | {' | '.join(cells)} |")
    return "\n".join(lines)


refused = sum(not row.off for row in on_the_way)
wrong = {
    "at_rest": {case: sum(r.confidently_wrong for r in p) for case, p in by_case(still).items()},
    "moving": sum(row.confidently_wrong for row in on_the_way),
}
tables = "\n\n".join([recovery_table(), coverage_table(), moving_table()])
print(tables)
print(f"\nmoving: {refused} of {len(on_the_way)} refused; confidently wrong: {wrong}")

# %% [markdown]
# ## A new run of the fitted model ends in the same class

# %%
again = []
for row in by_case(still)[NOISY]:
    if row.draw == 0 and row.off:
        truth = targets[row.index].model
        feed, kill = (float(getattr(truth, name)) * (1 + row.off[name] / 100) for name in UNKNOWN)
        rng = np.random.default_rng(1000 + row.index)
        again.append(
            classify_pattern(grow(GrayScottModel(feed, kill), STEPS // 2, rng).v) == row.kind
        )
print(f"same class from a new start: {sum(again)} of {len(again)}")

# %% [markdown]
# ## Figures

# %%
COLOURS = dict(zip(PLACES, ("#21406f", "#c2571a", "#4f8a5b"), strict=True))


@in_style
def gallery() -> Figure:
    """One target of each class: the noisy picture, the model at rest, and the estimate."""
    kinds = [kind for kind in PLACES if counts[kind]]
    figure = Figure(figsize=(7.2, 2.45 * len(kinds)), layout="constrained")
    axes = figure.subplots(len(kinds), 3, squeeze=False)
    for row, kind in enumerate(kinds):
        index = next(i for i, target in enumerate(targets) if target.kind == kind)
        target, fit = targets[index], fitted(NOISY, index)
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
        if fit.stationary:
            low, high = np.asarray([fit.intervals[name] for name in UNKNOWN]).T
            at = np.asarray([fit.parameters[name] for name in UNKNOWN])
            axis.errorbar(
                *at,
                xerr=[[at[0] - low[0]], [high[0] - at[0]]],
                yerr=[[at[1] - low[1]], [high[1] - at[1]]],
                fmt="o",
                color="#21406f",
                markersize=4,
                label="estimate, 90 %",
            )
        axis.plot(target.model.feed, target.model.kill, "+", color="#c2571a", markersize=11,
                  markeredgewidth=1.8, label="truth")  # fmt: skip
        axis.set(xlabel="F", ylabel="k")
        axis.margins(0.4)
        axis.locator_params("x", nbins=4)
        axis.legend(loc="best")
    return figure


@in_style
def recovered() -> Figure:
    """Errors of F and k of every picture that was answered, by what was known, and the limits."""
    figure = Figure(figsize=(7.2, 3.2), layout="constrained")
    axes = figure.subplots(1, 2)
    for place, (axis, name) in enumerate(zip(axes, UNKNOWN, strict=True)):
        for x, (case, part) in enumerate(by_case(still).items()):
            limit = LIMITS[case][place]
            axis.plot([x - 0.4, x + 0.4], [limit, limit], color="#222222", linewidth=1.4,
                      label="limit" if x == 0 else None)  # fmt: skip
            answered = [row for row in part if row.off]
            spread = x + np.linspace(-0.3, 0.3, max(len(answered), 2))
            for kind, colour in COLOURS.items():
                mine = [i for i, row in enumerate(answered) if row.kind == kind]
                axis.plot(
                    spread[mine],
                    [max(abs(answered[i].off[name]), 1e-5) for i in mine],
                    ".",
                    color=colour,
                    markersize=4,
                    label=kind if x == 0 and mine else None,
                )
        axis.set_yscale("log")
        axis.minorticks_off()
        axis.set_xticks(range(len(LIMITS)), [case.replace(" with", "\nwith") for case in LIMITS])
        axis.tick_params("x", labelsize=7)
        axis.set_ylabel(f"error of {'Fk'[place]} (%)")
    axes[0].legend(loc="lower right")
    return figure


show(gallery(), OUT / "gallery.png")
show(recovered(), OUT / "errors.png")
_ = (OUT / "table.md").write_text(tables + "\n", "utf-8")
summary = {
    "targets": counts,
    "same_class_from_a_new_start": [sum(again), len(again)],
    "moving_refused": [refused, len(on_the_way)],
    "confidently_wrong": wrong,
    "rows": [asdict(row) for row in rows],
}
_ = (OUT / "summary.json").write_text(json.dumps(summary, indent=1, ensure_ascii=False), "utf-8")
