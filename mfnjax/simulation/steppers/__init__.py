"""Steppers: one step of time, owning no parameter of the problem."""

from mfnjax.simulation.steppers.base import (
    Stepper,
    advanced,
    centres_and_rates,
    explicit_stable_step,
    right_hand_side,
    transport_symbol,
)
from mfnjax.simulation.steppers.choice import (
    STEPPERS,
    check_boundary,
    check_step,
    check_transport,
    choose_stepper,
)
from mfnjax.simulation.steppers.explicit import Euler, Map, RungeKutta4
from mfnjax.simulation.steppers.exponential import ETDRK2, ETDRK4
from mfnjax.simulation.steppers.splitting import Strang

__all__ = [
    "ETDRK2",
    "ETDRK4",
    "STEPPERS",
    "Euler",
    "Map",
    "RungeKutta4",
    "Stepper",
    "Strang",
    "advanced",
    "centres_and_rates",
    "check_boundary",
    "check_step",
    "check_transport",
    "choose_stepper",
    "explicit_stable_step",
    "right_hand_side",
    "transport_symbol",
]
