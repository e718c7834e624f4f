"""Linear stability: does a homogeneous state form patterns, which ones, and from where on?"""

from mfnjax.stability.analysis import ModelStability, analyse, critical_value
from mfnjax.stability.linear import (
    continuum_laplacian,
    dispersion,
    five_point_laplacian,
    growth_rate,
    jacobian,
    leading_eigenvalue,
    transport_symbol,
)
from mfnjax.stability.plots import plot_dispersion
from mfnjax.stability.roots import critical_parameter, homogeneous_states, steady_state
from mfnjax.stability.turing import (
    turing_critical_ratio,
    turing_critical_wavenumber,
    turing_fastest_wavenumber,
)
from mfnjax.stability.verdict import Mode, StabilityReport, Verdict, classify, fastest_mode

__all__ = [
    "Mode",
    "ModelStability",
    "StabilityReport",
    "Verdict",
    "analyse",
    "classify",
    "continuum_laplacian",
    "critical_parameter",
    "critical_value",
    "dispersion",
    "fastest_mode",
    "five_point_laplacian",
    "growth_rate",
    "homogeneous_states",
    "jacobian",
    "leading_eigenvalue",
    "plot_dispersion",
    "steady_state",
    "transport_symbol",
    "turing_critical_ratio",
    "turing_critical_wavenumber",
    "turing_fastest_wavenumber",
]
