"""Fractal geometry: box counting, iterated function systems, Lyapunov exponents."""

from mfnjax.fractal.attractors import henon, logistic, lorenz, rk4_step, roessler, standard_map
from mfnjax.fractal.box_counting import (
    BoxCounting,
    box_counting_dimension,
    box_counts,
    box_sizes,
)
from mfnjax.fractal.correlation import CorrelationEstimate, correlation_dimension
from mfnjax.fractal.cover import min_cover_counts, regular_numbers
from mfnjax.fractal.dimension import DimensionEstimate, fractal_dimension, fractal_dimensions
from mfnjax.fractal.divergence import divergence_rate
from mfnjax.fractal.ifs import (
    EXACT_DIMENSIONS,
    NAMED_SYSTEMS,
    AffineSystem,
    ChaosRun,
    SimilaritySystem,
    chaos_game,
    named_system,
    random_similarity_system,
    similarity_dimension,
)
from mfnjax.fractal.lyapunov import LyapunovSpectrum, kaplan_yorke_dimension, lyapunov_exponents
from mfnjax.fractal.multifractal import GeneralisedDimensions, generalised_dimensions, lacunarity
from mfnjax.fractal.percolation import (
    CLUSTER_DIMENSION,
    SITE_THRESHOLD,
    cluster_mass_scaling,
    largest_cluster,
    percolation_cluster,
)
from mfnjax.fractal.plots import plot_dimension_fit
from mfnjax.fractal.render import PATTERNS, koch_mask, pattern_mask, render_points

__all__ = [
    "CLUSTER_DIMENSION",
    "EXACT_DIMENSIONS",
    "NAMED_SYSTEMS",
    "PATTERNS",
    "SITE_THRESHOLD",
    "AffineSystem",
    "BoxCounting",
    "ChaosRun",
    "CorrelationEstimate",
    "DimensionEstimate",
    "GeneralisedDimensions",
    "LyapunovSpectrum",
    "SimilaritySystem",
    "box_counting_dimension",
    "box_counts",
    "box_sizes",
    "chaos_game",
    "cluster_mass_scaling",
    "correlation_dimension",
    "divergence_rate",
    "fractal_dimension",
    "fractal_dimensions",
    "generalised_dimensions",
    "henon",
    "kaplan_yorke_dimension",
    "koch_mask",
    "lacunarity",
    "largest_cluster",
    "logistic",
    "lorenz",
    "lyapunov_exponents",
    "min_cover_counts",
    "named_system",
    "pattern_mask",
    "percolation_cluster",
    "plot_dimension_fit",
    "random_similarity_system",
    "regular_numbers",
    "render_points",
    "rk4_step",
    "roessler",
    "similarity_dimension",
    "standard_map",
]
