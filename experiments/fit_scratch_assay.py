# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
# ---
# %% [markdown]
# # Closing a scratch: motility and growth of cells from density profiles
#
# Cells at two seedings (12 000 and 18 000 per well) close a scratch within two days. Their density
# u(x, t) was counted in 38 columns of 50 µm at 0, 12, 24, 36 and 48 h, three replicates each
# (Jin et al. 2016, doi:10.1016/j.jtbi.2015.10.040). The field's standard model is Fisher–KPP,
#
#     u_t = D u_xx + λ u (1 − u/K),   no flux at both ends,   K = 1.7e-3 cells/µm².
#
# Questions: D and λ for each seeding, how sure, where the model is off, and whether one pair
# serves both.
#
# `python -m experiments.fit_scratch_assay` writes figures and a table to out/fit_scratch_assay/.

# %%
from __future__ import annotations

import json

import jax
import numpy as np
from matplotlib.figure import Figure
from scipy import stats
from scipy.integrate import solve_ivp
from scipy.optimize import least_squares

from experiments.notebook import DATA, FAST, output_folder, show
from mfnjax import FisherKPPModel, fit
from mfnjax.fitting import covariance, identifiability, plot_profiles, profile
from mfnjax.fitting.objectives.table_objective import misfit, scaled_start, table_objective
from mfnjax.fitting.plots import plot_residuals, plot_table_fit
from mfnjax.fitting.table import Table, read_table
from mfnjax.plotting.style import in_style

jax.config.update("jax_enable_x64", True)

OUT = output_folder("fit_scratch_assay")
CAPACITY = 1.7e-3
RATES = ("diffusivity", "growth_rate")
REFINE = 1 if FAST else 4
NOISY_START = not FAST
SEEDINGS = {"12 000": "CellDensity_12.csv", "18 000": "CellDensity_18.csv"}
COLUMNS = {"x": "Position", "t": "Time", "y": "AvgDens"}

# %% [markdown]
# ## The noise
#
# A standard deviation of three replicates is itself known to a factor of two only, and some are 0:
# to weigh by them would let chance decide. So the noise is taken as one number for a seeding,
# estimated from the residuals, and compared with the pooled standard error of the means. The first
# profile is a measurement like the others: its 38 true values are estimated along, and their
# uncertainty ends up in the intervals of D and λ.

# %%
tables = {s: read_table(DATA / "scratch_assay" / f, **COLUMNS) for s, f in SEEDINGS.items()}
pooled = {}
for seeding, file in SEEDINGS.items():
    raw = np.genfromtxt(
        DATA / "scratch_assay" / file, delimiter=",", names=True, encoding="utf-8-sig"
    )
    pooled[seeding] = float(np.sqrt(np.mean(raw["DensSD"] ** 2) / 3))
    print(f"{seeding}: pooled standard error of a mean {pooled[seeding]:.2e} cells/µm²")


def model_for(table: Table) -> FisherKPPModel:
    """Where a fit starts: scales of the data, K as published."""
    return FisherKPPModel(**{**scaled_start(table, FisherKPPModel()), "capacity": CAPACITY})


# %% [markdown]
# ## D and λ of each seeding
#
# Intervals are given twice: as independent residuals would have them, and widened for the
# correlation of neighbouring ones.

# %%
objectives = {
    s: table_objective(t, model_for(t), refine=REFINE, noisy_start=NOISY_START)
    for s, t in tables.items()
}
results, sure, summary = {}, {}, {}
for seeding, table in tables.items():
    result = fit(model_for(table), objectives[seeding], fixed=["K"])
    plain, wide = covariance(result), covariance(result, along_x=True)
    results[seeding], sure[seeding] = result, wide
    off = misfit(result)
    print(
        f"{seeding}: {result.status}, noise {off.noise:.2e} cells/µm² "
        f"({off.noise / pooled[seeding]:.1f} × the replicates' own)"
    )
    for name, unit in zip(RATES, ("µm²/h", "1/h"), strict=True):
        (a, b), (c, d) = plain.intervals()[name], wide.intervals()[name]
        print(
            f"  {name:<12} {result.parameters[name]:.4g} {unit}   90 %: [{a:.4g}, {b:.4g}], "
            f"residuals correlated by {wide.correlation_along_x:.2f}: [{c:.4g}, {d:.4g}]"
        )
    print(f"  {identifiability(result)}")
    for sentence in off.sentences(table):
        print(f"  {sentence}")
    summary[seeding] = {
        "noise": off.noise,
        "pooled_standard_error": pooled[seeding],
        "uncertainty": wide.to_dict(),
        "standard_errors_uncorrelated": plain.standard_errors,
        "misfit": off.sentences(table, most=8),
    }

# %%
for seeding, table in tables.items():
    name = seeding.replace(" ", "")
    profiles_of_table = plot_table_fit(results[seeding], table)
    profiles_of_table.axes[0].set(xlabel="x (µm)", ylabel="cells/µm²")
    profiles_of_table.suptitle(f"{seeding} cells per well, t in h", fontsize=10)
    show(profiles_of_table, OUT / f"profiles_{name}.png")
    residuals_of_table = plot_residuals(results[seeding], table)
    residuals_of_table.axes[0].set(xlabel="x (µm)", ylabel="t (h)")
    residuals_of_table.suptitle(f"{seeding} cells per well", fontsize=10)
    show(residuals_of_table, OUT / f"residuals_{name}.png")

# %% [markdown]
# ## An independent fit
#
# The same least squares by SciPy alone: method of lines, an adaptive Runge–Kutta method,
# Jacobian by finite differences. (With the start as measured, which leaves two unknowns; the fit
# above is repeated so.)


# %%
def scipy_fit(table: Table) -> np.ndarray:
    """(D, λ) by `scipy.optimize.least_squares` over `scipy.integrate.solve_ivp`."""
    dx = table.spacing / REFINE
    same = table_objective(table, model_for(table), refine=REFINE, noisy_start=False)
    start = np.asarray(same.initial({})["u"], float)[0]

    def rate(_: float, u: np.ndarray, d: float, growth: float) -> np.ndarray:
        padded = np.pad(u, 1, mode="edge")
        diffusion = d * (padded[2:] - 2 * u + padded[:-2]) / dx**2
        return diffusion + growth * u * (1 - u / CAPACITY)

    def residuals(theta: np.ndarray) -> np.ndarray:
        solution = solve_ivp(
            rate,
            table.times[[0, -1]],
            start,
            t_eval=table.times[1:],
            args=tuple(np.exp(theta)),
            rtol=1e-7,
            atol=1e-12,
        )
        means = solution.y.T.reshape(len(table.times) - 1, -1, REFINE).mean(2)
        return ((means - table.values[1:]) / 1e-4).ravel()

    return np.exp(least_squares(residuals, np.log([300.0, 0.05])).x)


for seeding, table in tables.items():
    exact = fit(
        model_for(table),
        table_objective(table, model_for(table), refine=REFINE, noisy_start=False),
        fixed=["K"],
    )
    ours, theirs = np.array([exact.parameters[n] for n in RATES]), scipy_fit(table)
    ratio = ours / theirs - 1
    print(
        f"{seeding}: start as measured: D = {ours[0]:.1f}, λ = {ours[1]:.5f}; SciPy "
        f"{theirs[0]:.1f}, {theirs[1]:.5f}; differences {100 * ratio[0]:+.3f} %, "
        f"{100 * ratio[1]:+.3f} %"
    )
    summary[seeding]["start_as_measured"] = {
        "ours": ours.tolist(),
        "scipy": theirs.tolist(),
        "relative_difference": ratio.tolist(),
    }

# %% [markdown]
# ## Does one (D, λ) serve both seedings?
#
# The two data sets are fitted together, with one pair and with two. Twice the rise of the loss over
# the noise is χ² with two degrees of freedom if one pair serves both (an F statistic, as the noise
# is estimated). The correlation of the residuals makes the data worth less than they seem: by the
# ratio of the variances above, and the statistic is divided by it.

# %%
models = {s: model_for(t) for s, t in tables.items()}
shared = fit(models, objectives, fixed=["K"], shared=RATES)
apart = fit(models, objectives, fixed=["K"], shared=[])
unknown = len(apart.free)
count = sum(o.num_residuals for o in objectives.values())
noise = 2 * apart.loss / (count - unknown)
widening = np.mean(
    [
        (sure[s].standard_errors[n] / summary[s]["standard_errors_uncorrelated"][n]) ** 2
        for s in tables
        for n in RATES
    ]
)
statistic = 2 * (shared.loss - apart.loss) / noise / 2 / max(widening, 1.0)
p_value = float(stats.f.sf(statistic, 2, count - unknown))
verdict = "does not serve" if p_value < 0.01 else "may serve"
print(
    f"one pair: D = {shared.parameters['diffusivity']:.4g}, λ = "
    f"{shared.parameters['growth_rate']:.4g}; F(2, {count - unknown}) = {statistic:.1f}, "
    f"p = {p_value:.1e}: one pair {verdict} both seedings"
)
summary["joint"] = {
    "parameters": shared.parameters,
    "F": statistic,
    "p": p_value,
    "widening": float(widening),
}


# %%
@in_style
def ellipses() -> Figure:
    """The joint 90 % regions of (D, λ) of both seedings, and the common fit."""
    figure = Figure(figsize=(4.6, 3.4), layout="constrained")
    axes = figure.add_subplot()
    angle = np.linspace(0, 2 * np.pi, 200)
    circle = np.stack([np.cos(angle), np.sin(angle)])
    radius = np.sqrt(stats.chi2.ppf(0.9, 2))
    for (seeding, found), colour in zip(sure.items(), ("#2f6f9f", "#c98a1b"), strict=True):
        ring = results[seeding].free[:2, None] + radius * np.linalg.cholesky(found.free) @ circle
        axes.fill(*np.exp(ring), color=colour, alpha=0.25, linewidth=0)
        axes.plot(*np.exp(ring), color=colour, label=f"{seeding} cells per well")
        axes.plot(*(results[seeding].parameters[n] for n in RATES), "o", color=colour, markersize=4)
    axes.plot(*(shared.parameters[n] for n in RATES), "k+", markersize=9, label="one pair for both")
    axes.set(xscale="log", xlabel="D (µm²/h)", ylabel="λ (1/h)")
    ticks = [200, 300, 400, 600, 1000]
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.set_xticks([], minor=True)
    axes.legend()
    return figure


show(ellipses(), OUT / "regions.png")

# %% [markdown]
# ## The first half day
#
# In both experiments the density hardly grows in the first 12 h, which logistic growth cannot
# do: the fit answers with a start below the measured one. A fit that begins at 12 h need not.


# %%
def later(table: Table) -> Table:
    """The table without its first time."""
    return Table(table.positions, table.times[1:], table.values[1:], None, None, 0, table.names)


for seeding, table in tables.items():
    part = later(table)
    result = fit(
        model_for(table),
        table_objective(part, model_for(table), refine=REFINE, noisy_start=NOISY_START),
        fixed=["K"],
    )
    off, ends = misfit(result), covariance(result, along_x=True).intervals()
    print(
        f"{seeding}, from 12 h on: noise {off.noise:.2e}; "
        + "; ".join(
            f"{n} = {result.parameters[n]:.4g} [{ends[n][0]:.4g}, {ends[n][1]:.4g}]" for n in RATES
        )
    )
    summary[seeding]["from_12_h"] = {"parameters": result.parameters, "noise": off.noise}

# %% [markdown]
# ## Profile likelihoods

# %%
seeding = "12 000"
points = 7 if FAST else 13
profiles = [profile(results[seeding], name, points=points) for name in RATES]
show(plot_profiles(profiles), OUT / "profile_likelihood.png")
_ = (OUT / "summary.json").write_text(json.dumps(summary, indent=2, ensure_ascii=False), "utf-8")
