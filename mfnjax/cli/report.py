"""The demo's page: one HTML file that holds its own pictures."""

from __future__ import annotations

import dataclasses
import platform
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from mfnjax._version import __version__
from mfnjax.cli.common import number
from mfnjax.features.measurement import Measurement, dimension_columns
from mfnjax.plotting.html import data_uri, table_html

if TYPE_CHECKING:
    from mfnjax.simulation import Trajectory
    from mfnjax.v41.result import SimulationResult

MEANINGS = {
    "D_box": "box-counting dimension of the active mask",
    "D_r2": "R² of that fit",
    "V_min": "lowest potential",
    "V_max": "highest potential",
    "V_mean": "mean potential",
    "V_std": "spread of the potential",
    "V_skew": "skewness",
    "V_kurt": "excess kurtosis",
    "dV_mean": "mean change in a step",
    "dV_max": "largest change in a step",
    "T_stable": "first step of rest (the last step if there is none)",
    "E_trend": "slope of ΣV² over time",
    "f_active": "share of active cells",
    "N_clusters_low": "clusters above −60 mV",
    "N_clusters_med": "clusters above −50 mV",
    "N_clusters_high": "clusters above −40 mV",
    "max_cluster_size": "largest cluster",
    "cluster_size_std": "spread of cluster sizes",
}

_TRUSTED = {
    "D_fit": "the dimension to trust, of more boxes",
    "D_low": "low end of its interval of 95 %",
    "D_high": "high end of that interval",
}

_STYLE = """
:root { color-scheme: light; }
body { font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; color: #1c2430;
  background: #f6f7f9; margin: 0; }
main { max-width: 62rem; margin: 0 auto; padding: 2.2rem 1.4rem 3rem; }
h1 { font-size: 1.75rem; margin: 0 0 .2rem; letter-spacing: -.01em; }
h2 { font-size: 1.2rem; margin: 0 0 .5rem; }
p { margin: .4rem 0 .9rem; max-width: 46rem; }
.lead { color: #526073; margin-bottom: 1.4rem; }
section { background: #fff; border: 1px solid #e2e6ec; border-radius: 10px;
  padding: 1.3rem 1.5rem; margin: 0 0 1.2rem; }
.row { display: flex; flex-wrap: wrap; gap: 1.4rem 1.8rem; align-items: flex-start; }
.row > .wide { flex: 1 1 26rem; min-width: 0; }
figure { margin: .2rem 0 .6rem; }
figure img { display: block; max-width: 100%; height: auto; }
figcaption { color: #526073; font-size: .86rem; margin-top: .3rem; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }
th { font-weight: 600; color: #526073; border-bottom: 1px solid #c9d0da; }
th, td { padding: .26rem .8rem .26rem 0; vertical-align: top; }
td + td, th + th { padding-left: .8rem; }
tbody tr + tr td { border-top: 1px solid #eef1f5; }
.features td:nth-child(2), .features th:nth-child(2) { text-align: left !important; }
.note { border-left: 3px solid #c2571a; padding-left: .9rem; color: #3a4554; }
code { font-size: .9em; background: #f0f2f5; padding: .1em .35em; border-radius: 4px; }
footer { color: #526073; font-size: .86rem; }
"""


def report_html(
    result: SimulationResult,
    measured: Measurement,
    pattern: Trajectory,
    pattern_measured: Measurement,
    files: Mapping[str, Path],
) -> str:
    """The page, as text. ``files`` are the pictures by name; they become part of it."""
    from mfnjax.models.mycelium import NO_PATTERN

    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>mfnjax demo</title>
<style>{_STYLE}</style>
</head>
<body>
<main>
<h1>mfnjax demo</h1>
<p class="lead">Two simulations and what can be measured on them. Everything on this page was
computed by <code>mfn demo</code>.</p>

<section>
<h2>The documented run: MyceliumFractalNet v4.1</h2>
{_figure(files, "mycelium.png", "Left: potential after the last step. Right: its evolution.")}
<div class="row">
<div class="wide">
{
        _figure(
            files,
            "mycelium_frames.png",
            "The random start diffuses away; each growth event leaves "
            "a bump that spreads. One colour scale for all frames.",
        )
    }
</div>
<div>{table_html(result.summary())}</div>
</div>
<p class="note">{escape(NO_PATTERN)} Hardly a cell rises above −60 mV, so the box-counting
dimension and the cluster counts of this run are 0 or close to it. That is what the documented
model does.</p>
</section>

<section>
<h2>A pattern that forms: Gray–Scott</h2>
<p>u<sub>t</sub> = D<sub>u</sub>∇²u − uv² + F(1 − u), &nbsp; v<sub>t</sub> = D<sub>v</sub>∇²v +
uv² − (F + k)v. A perturbed square in the middle divides and branches until a labyrinth fills the
grid.</p>
<div class="row">
<div>
{_figure(files, "gray_scott.gif", "v over time.")}
</div>
<div class="wide">{table_html(_pattern_rows(pattern))}</div>
</div>
{_figure(files, "gray_scott_frames.png", "v at six times. One colour scale for all frames.")}
<div class="row">
<div class="wide">
{_figure(files, "gray_scott_mask.png", "The mask that is measured: v above half of its range.")}
</div>
<div class="wide">
{
        _figure(
            files,
            "gray_scott_boxes.png",
            "Box counts of that mask. The labyrinth is no fractal: "
            "above its own width it fills the plane, and D tends to 2.",
        )
    }
</div>
</div>
</section>

<section>
<h2>The 18 features</h2>
<div class="features">{_features(measured, pattern_measured)}</div>
<p></p>
<p>A mask has no potential: those features are left blank for Gray–Scott.</p>
</section>

<footer>
<p>mfnjax {escape(__version__)} · {escape(_platform())} · results:
<code>mycelium.npz</code>, <code>gray_scott.npz</code>, <code>features.json</code></p>
</footer>
</main>
</body>
</html>
"""


def _figure(files: Mapping[str, Path], name: str, caption: str) -> str:
    kind = "image/gif" if name.endswith(".gif") else "image/png"
    source = data_uri(files[name].read_bytes(), kind)
    text = escape(caption)
    return f'<figure><img alt="{text}" src="{source}"><figcaption>{text}</figcaption></figure>'


def _pattern_rows(pattern: Trajectory) -> list[tuple[str, str]]:
    model = pattern.simulation.model
    symbols = {name: symbol for symbol, name in model.symbols.items()}
    parameters = ", ".join(
        f"{symbols[f.name]} = {getattr(model, f.name):g}" for f in dataclasses.fields(model)
    )
    return [("parameters", parameters), *pattern.summary()]


def _features(measured: Measurement, pattern: Measurement) -> str:
    from mfnjax.features import FEATURE_UNITS

    rows = []
    for name, unit in FEATURE_UNITS.items():
        values = (number(m.features[name]) for m in (measured, pattern))
        first, second = (text.replace("–", "").replace("-", "−") for text in values)
        rows.append((name, MEANINGS[name], unit, first, second))
    trusted = [dimension_columns(m.fit) for m in (measured, pattern)]
    for name, meaning in _TRUSTED.items():
        first, second = (number(found[name]).replace("–", "") for found in trusted)
        rows.append((name, meaning, "", first, second))
    return table_html(rows, ("feature", "what it is", "unit", "v4.1 demo", "Gray–Scott"))


def _platform() -> str:
    import jax

    device = jax.devices()[0].platform
    return f"JAX {jax.__version__} on {device} · Python {platform.python_version()}"
