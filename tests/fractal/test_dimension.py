"""The trustworthy dimension on sets whose dimension is known, and its interval."""

from __future__ import annotations

import json
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image
from random_fractals import corner_set, random_pattern_set

from mfnjax.errors import DataError, ParameterError
from mfnjax.fractal.dimension import DimensionEstimate, fractal_dimension, fractal_dimensions
from mfnjax.fractal.ifs import EXACT_DIMENSIONS, chaos_game, named_system, similarity_dimension
from mfnjax.fractal.percolation import CLUSTER_DIMENSION, percolation_cluster
from mfnjax.fractal.plots import plot_dimension_fit
from mfnjax.fractal.render import koch_mask, pattern_mask, render_points
from mfnjax.fractal.scaling import fit_scaling, local_slopes

NAMED = [
    ("sierpinski_triangle", pattern_mask("sierpinski_triangle", 10), 1.584963, 0.01),
    ("sierpinski_carpet", pattern_mask("sierpinski_carpet", 6), 1.892789, 0.01),
    ("vicsek", pattern_mask("vicsek", 6), 1.464974, 0.01),
    ("cantor_dust", pattern_mask("cantor_dust", 6), 1.261860, 0.01),
    ("koch_curve", koch_mask(1024), 1.261860, 0.03),
    ("square", pattern_mask("square", 10), 2.0, 0.01),
    ("line", np.arange(1024)[:, None].repeat(1024, 1) == 77, 1.0, 0.01),
    ("diagonal", np.eye(1024, dtype=bool), 1.0, 0.01),
    ("odd square", np.ones((1000, 1000), bool), 2.0, 0.01),
]


def contains(found: DimensionEstimate, exact: float) -> bool:
    return found.interval[0] <= exact <= found.interval[1]


@pytest.mark.parametrize(("name", "mask", "exact", "tolerance"), NAMED, ids=[n[0] for n in NAMED])
@pytest.mark.thorough
def test_named_sets(name: str, mask: np.ndarray, exact: float, tolerance: float) -> None:
    found = fractal_dimension(mask)
    assert found.dimension == pytest.approx(exact, abs=tolerance)
    assert contains(found, exact)
    assert found.r_squared > 0.9


@pytest.mark.parametrize("shift", [(0, 0), (13, 200)])
def test_disc_and_its_rim(shift: tuple[int, int]) -> None:
    """Nothing here sits on a lattice; the interval must own up to it."""
    y, x = np.mgrid[:1024, :1024]
    radius = np.hypot(y - 400 - shift[0], x - 400 - shift[1])
    assert contains(fractal_dimension(radius < 380), 2.0)
    rim = fractal_dimension(np.abs(radius - 380) < 0.5)
    assert rim.dimension == pytest.approx(1.0, abs=0.05)
    assert contains(rim, 1.0)


@pytest.mark.thorough
def test_chaos_game_rendering_of_the_triangle() -> None:
    run = chaos_game(named_system("sierpinski_triangle"), 1_000_000, key=jax.random.key(0))
    found = fractal_dimension(np.asarray(render_points(run.points, (1024, 1024))))
    assert found.dimension == pytest.approx(EXACT_DIMENSIONS["sierpinski_triangle"], abs=0.03)
    assert contains(found, EXACT_DIMENSIONS["sierpinski_triangle"])


@pytest.mark.thorough
def test_intervals_hold_the_dimension_of_random_cantor_sets() -> None:
    """100 sets of two kinds: on a lattice of their own, and with four random ratios each."""
    rng = np.random.default_rng(2024)
    hits, widths = [], []
    for number in range(100):
        if number % 2:
            mask, exact = random_pattern_set(rng)
        else:
            ratios = rng.uniform(0.2, 0.49, 4)
            mask, exact = corner_set(ratios), float(similarity_dimension(jnp.asarray(ratios)))
        found = fractal_dimension(mask)
        hits.append(contains(found, exact))
        widths.append(found.interval[1] - found.interval[0])
    assert np.mean(hits) >= 0.90
    # An interval from 0 to 2 would hold everything.
    assert np.median(widths) < 0.15


def test_percolation_cluster_shows_its_finite_size() -> None:
    """One cluster by boxes: near 91/48, and told apart from a plane figure."""
    found = fractal_dimension(percolation_cluster(1024, seed=3))
    assert found.dimension == pytest.approx(CLUSTER_DIMENSION, abs=0.05)
    assert found.interval[1] < 2.0


@pytest.mark.parametrize("thickness", [3, 7])
def test_range_starts_where_a_thick_line_becomes_a_line(thickness: int) -> None:
    """Boxes smaller than the thickness see a plane; the local slope tells where that ends."""
    mask = np.zeros((1024, 1024), bool)
    mask[500 : 500 + thickness] = True
    found = fractal_dimension(mask)
    assert thickness <= found.fit_range[0] <= 3 * thickness
    assert found.dimension == pytest.approx(1.0, abs=0.02)
    assert contains(found, 1.0)


def test_range_starts_above_dust_around_a_line() -> None:
    mask = np.zeros((1024, 1024), bool)
    mask[512] = True
    mask[512 + np.random.default_rng(0).integers(-6, 7, 3000), np.arange(3000) % 1024] = True
    found = fractal_dimension(mask)
    assert found.fit_range[0] >= 10
    assert found.dimension == pytest.approx(1.0, abs=0.02)
    assert contains(found, 1.0)


@pytest.mark.thorough
def test_real_colonies_have_an_estimate_with_an_interval(shared_data) -> None:
    """A filled colony with a rough edge: above its edge's dimension, below or at the plane's."""
    folder = shared_data / "yeast_colonies"
    documented = json.loads((folder / "reference.json").read_text())
    for name, row in documented.items():
        image = np.asarray(Image.open(folder / f"{name}.tif"))
        found = fractal_dimension(image == 0)
        assert row["D_edge_2_128"] < found.interval[0] < found.interval[1] <= 2.0
        assert found.dimension == pytest.approx(row["D_mass_4_256"], abs=0.15)
        assert found.standard_error < 0.05


def test_batch_equals_loop_and_own_sizes_are_used() -> None:
    masks = np.random.default_rng(5).random((3, 128, 128)) < 0.2
    together = fractal_dimensions(masks)
    assert [one.dimension for one in together] == [fractal_dimension(m).dimension for m in masks]
    chosen = fractal_dimension(pattern_mask("vicsek", 4), sizes=[9, 1, 3, 27, 3])
    assert chosen.sizes.tolist() == [1, 3, 9, 27]
    assert chosen.counts.tolist() == [625, 125, 25, 5]
    assert chosen.dimension == pytest.approx(EXACT_DIMENSIONS["vicsek"], abs=1e-3)
    assert chosen.local_slopes.shape == (4,)


def test_wider_confidence_gives_a_wider_interval_and_padding_changes_nothing() -> None:
    mask = koch_mask(128)
    narrow, wide = (fractal_dimension(mask, confidence=c) for c in (0.5, 0.99))
    assert wide.interval[0] < narrow.interval[0] < narrow.interval[1] < wide.interval[1]
    padded = fractal_dimension(np.pad(mask[:100, :100], ((0, 28), (0, 28))))
    assert padded.dimension == fractal_dimension(mask[:100, :100]).dimension


def test_result_is_plain_json() -> None:
    values = json.loads(json.dumps(fractal_dimension(np.ones((64, 64))).to_dict()))
    assert values["dimension"] == pytest.approx(2.0, abs=0.02)
    assert len(values["sizes"]) == len(values["counts"]) == len(values["local_slopes"])


@pytest.mark.parametrize(
    ("mask", "error", "words"),
    [
        (np.zeros((64, 64)), DataError, "empty"),
        (np.eye(64)[:1] * np.eye(64)[:, :1], DataError, "single pixel"),
        (np.full((64, 64), np.nan), DataError, "NaN"),
        (np.eye(64)[:2], DataError, "too small"),
        (np.zeros(64), ParameterError, "two axes"),
        (np.ones((2, 5000)), ParameterError, "4096"),
        (np.array([["a"]]), ParameterError, "dtype"),
    ],
)
def test_bad_masks_are_one_clear_error(mask: np.ndarray, error: type, words: str) -> None:
    with pytest.raises(error, match=words):
        fractal_dimension(mask)


@pytest.mark.parametrize(
    "options",
    [
        {"sizes": [2, 4]},
        {"sizes": [0, 1, 2]},
        {"sizes": [1, 2, 99]},
        {"confidence": 1.0},
        {"offsets": 0},
    ],
)
def test_bad_options_are_refused(options: dict) -> None:
    with pytest.raises(ParameterError):
        fractal_dimension(np.ones((64, 64)), **options)


def test_scaling_fit_recovers_a_log_periodic_power_law() -> None:
    """Waves of 15 %, whose least-squares error bar would be nearly 0, stay inside."""
    sizes = np.array([1, 2, 3, 4, 5, 6, 8, 9, 10, 12, 15, 16, 18, 20, 24, 27, 32, 40, 48, 64.0])
    for phase in np.linspace(0, 2 * np.pi, 7):
        wave = 0.15 * np.cos(2 * np.pi * np.log(sizes) / np.log(3.3) + phase)
        fit = fit_scaling(sizes, 1e5 * sizes**-1.4 * np.exp(wave), 1000.0)
        assert abs(fit.dimension - 1.4) < 1.96 * fit.standard_error
        assert fit.standard_error < 0.08


def test_local_slope_of_a_lone_size_is_nan() -> None:
    slopes = local_slopes(np.array([1.0, 2.0, 16.0]), np.array([16.0, 8.0, 1.0]))
    assert slopes[:2] == pytest.approx([1.0, 1.0])
    assert math.isnan(slopes[2])


@pytest.mark.thorough
def test_plot_shows_the_numbers(tmp_path) -> None:
    found = fractal_dimension(koch_mask(128))
    figure = plot_dimension_fit(found, tmp_path / "fit.png")
    above, below = figure.axes
    drawn = np.concatenate([line.get_ydata() for line in above.lines[:2]])
    assert sorted(drawn) == sorted(found.counts)
    assert f"{found.dimension:.4f}" in above.get_legend().get_texts()[-1].get_text()
    assert np.array_equal(below.lines[1].get_ydata(), found.local_slopes)
    assert (tmp_path / "fit.png").stat().st_size > 5000
