"""Steppers: one step of time, owning no parameter of the problem."""

from mfnjax.steppers.adaptive import Adaptive, AtRest
from mfnjax.steppers.choice import (
    STEPPERS,
    boundaries_of,
    check_serves,
    check_step,
    choose_stepper,
    steppers_of,
)
from mfnjax.steppers.explicit import Euler, Map, RungeKutta4, StrongStability3
from mfnjax.steppers.exponential import ETDRK2, ETDRK4
from mfnjax.steppers.splitting import Strang
from mfnjax.steppers.stepper import (
    Stepper,
    advanced,
    centres_and_rates,
    explicit_stable_step,
    right_hand_side,
    transport_symbols,
    works_cell_by_cell,
)
from mfnjax.steppers.stochastic import EulerMaruyama, Milstein

__all__ = [
    "ETDRK2",
    "ETDRK4",
    "STEPPERS",
    "Adaptive",
    "AtRest",
    "Euler",
    "EulerMaruyama",
    "Map",
    "Milstein",
    "RungeKutta4",
    "Stepper",
    "Strang",
    "StrongStability3",
    "advanced",
    "boundaries_of",
    "centres_and_rates",
    "check_serves",
    "check_step",
    "choose_stepper",
    "explicit_stable_step",
    "right_hand_side",
    "steppers_of",
    "transport_symbols",
    "works_cell_by_cell",
]
