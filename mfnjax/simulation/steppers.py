"""The former place of the steppers: import their names from `mfnjax.steppers`."""

from mfnjax._moved import moved

_NAMES = (
    *("ETDRK2", "ETDRK4", "STEPPERS", "Euler", "Map", "RungeKutta4", "Stepper", "Strang"),
    *("advanced", "centres_and_rates", "check_step", "choose_stepper", "explicit_stable_step"),
    *("right_hand_side", "transport_symbols"),
)

__getattr__ = moved(__name__, dict.fromkeys(_NAMES, "mfnjax.steppers"))
