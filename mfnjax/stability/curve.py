"""The dispersion curve of one homogeneous state, and its highest point."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mfnjax._checks import check_real
from mfnjax.stability.linear import leading_eigenvalue

# Every evaluation of the curve has this many points: one array shape, compiled for once.
POINTS = 512
_ZOOMS = 3
_PEAKS = 3


@dataclass(frozen=True)
class Mode:
    """The fastest growing (or slowest decaying) mode, v·exp(i(qx − ωt) + σt).

    Attributes:
        wavenumber: q* [1/length]; 0 is the homogeneous mode.
        growth: σ(q*) [1/time].
        frequency: ω(q*) [rad/time]; 0 is a stationary mode. Where waves run both ways alike it is
            ≥ 0; else its sign is that of the velocity ω/q of the crests.
        group_velocity: dω/dq at q* [length/time]: how fast a packet of such waves moves.
    """

    wavenumber: float
    growth: float
    frequency: float
    group_velocity: float = 0.0

    @property
    def wavelength(self) -> float:
        """2π/q* [length]; infinite for the homogeneous mode."""
        return 2 * math.pi / self.wavenumber if self.wavenumber > 0 else math.inf


class Curve:
    """The dispersion curve as a function of an array of wavenumbers, on the host in float64.

    Not jitted: a search for a critical parameter makes a new reaction for each value, and
    compiling each would take far longer than these few small operations.

    Args:
        state: u*, shape (n,).
        jacobian: J [1/time], shape (n, n): what is no transport.
        matrices: q (m,) ↦ real and imaginary part of M(q) [1/time], each (m, n, n).
    """

    def __init__(
        self, state: np.ndarray, jacobian: np.ndarray, matrices: Callable[[Any], Any]
    ) -> None:
        self.state, self.jacobian, self._matrices = state, jacobian, matrices
        # A transport may act at q = 0 too (Swift–Hohenberg's −(1 + ∇²)² does).
        self._still = np.asarray(matrices(jnp.zeros(POINTS))[0][0])
        self._rates = np.maximum(np.abs(jacobian), np.abs(self._still))

    def scale(self, mode: Mode) -> float:
        """What a mode's growth rate is made of [1/time]: 0 beside this is 0.

        Σ|y_j M_jk x_k| of its left and right eigenvectors, y·x = 1, with the largest |M_jk| on the
        way to its q. A change of the fields' units does not change it, nor does a field that
        has no part in the mode.
        """
        ways = np.linspace(0.0, mode.wavenumber, POINTS)
        each = [np.asarray(part) for part in self._matrices(jnp.asarray(ways))]
        sizes = np.maximum(np.hypot(*each).max(0), np.abs(self.jacobian))
        largest = float(np.abs(np.linalg.eigvals(sizes)).max())
        values, right = np.linalg.eig(each[0][-1] + 1j * each[1][-1])
        which = int(np.argmin(np.abs(values - complex(mode.growth, -mode.frequency))))
        try:
            left = np.abs(np.linalg.inv(right)[which])
        except np.linalg.LinAlgError:
            return largest
        return min(float(left @ sizes @ np.abs(right[:, which])), largest)

    def travels(self, wavenumbers: np.ndarray) -> bool:
        """Whether the medium has a direction, so that waves run one way unlike the other."""
        return bool(np.any(self._matrices(jnp.asarray(wavenumbers))[1]))

    def __call__(self, wavenumbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        real, imaginary = self._matrices(jnp.asarray(wavenumbers))
        if not np.any(imaginary):
            sigma, omega = leading_eigenvalue(real)
            return np.asarray(sigma), np.asarray(omega)
        values = np.linalg.eigvals(np.asarray(real) + 1j * np.asarray(imaginary))
        top = values.real.max(1, keepdims=True)
        # Of waves that grow alike both ways, the one that runs forward.
        leads = values.real >= top - 1e-12 * np.abs(values).max(1, keepdims=True)
        omega = np.where(leads, -values.imag, -np.inf).max(1)
        return top[:, 0], omega

    def decay(self, wavenumbers: np.ndarray) -> np.ndarray:
        """How fast the transport alone damps each field (or mixture of fields), shape (m, n)."""
        transport = np.asarray(self._matrices(jnp.asarray(wavenumbers))[0]) - self.jacobian
        diagonal = np.diagonal(transport, axis1=1, axis2=2)
        if np.array_equal(transport, diagonal[..., None] * np.eye(len(self.state))):
            return -diagonal
        rates = np.sort(-np.linalg.eigvals(transport).real, axis=1)
        # What is 0 but for rounding does not move.
        size = np.abs(rates).max(1, keepdims=True)
        return np.where(np.abs(rates) > 1e-9 * size, rates, 0.0)

    def mode(self, wavenumber: float, growth: float, frequency: float) -> Mode:
        """The mode at a point of the curve."""
        return Mode(wavenumber, growth, frequency, self._velocity(wavenumber, growth, frequency))

    def _velocity(self, wavenumber: float, growth: float, frequency: float) -> float:
        """dω/dq by the left and right eigenvectors; 0 where the mode is not one alone."""
        if not frequency:
            return 0.0
        ones = jnp.ones(POINTS)
        pairs = jax.jvp(self._matrices, (wavenumber * ones,), (ones,))
        matrix, slope = (np.asarray(real[0]) + 1j * np.asarray(imag[0]) for real, imag in pairs)
        values, right = np.linalg.eig(matrix)
        if not np.linalg.cond(right) < 1e8:
            return 0.0
        which = int(np.argmin(np.abs(values - complex(growth, -frequency))))
        return float(-(np.linalg.inv(right)[which] @ slope @ right[:, which]).imag)

    def points(self, max_wavenumber: float | None) -> np.ndarray:
        """0, then wavenumbers spread evenly and geometrically up to the last one."""
        slow = np.diagonal(self._rates)
        slow = slow[slow > 0]
        ratio = float(slow.min() / slow.max()) if slow.size else 1.0
        if max_wavenumber is None:
            last = self._last()
        else:
            last = check_real("max_wavenumber", max_wavenumber, 0.0, 1e12, open_low=True)
        first = 1e-4 * max(math.sqrt(ratio), 1e-4) * last
        even = np.linspace(0.0, last, POINTS // 2, endpoint=False)
        return np.sort(np.concatenate([even, np.geomspace(first, last, POINTS // 2)]))

    def _last(self) -> float:
        """Where every transported field decays at four times the rate of the problem."""
        low, high, rate = 1e-40, 1e40, 0.0
        for _ in range(2):  # to within a few decades, and there exactly
            candidates = np.geomspace(low, high, POINTS)
            with np.errstate(all="ignore"):
                decay = self.decay(candidates)
            moves = (decay != 0).any(0)
            moving = decay[:, moves]
            # A transport that amplifies (a Cahn–Hilliard field) sets a rate of its own.
            rate = rate or max(self._coupled_rate(moves), -moving.min(initial=0.0)) or 1e-12
            if moving.size and (moving[-1] < 0).any():  # it amplifies waves the more, the shorter
                own = self._coupled_rate(moves) or 1e-12
                return float(candidates[np.argmax((moving < -4 * own).any(1))])
            undamped = np.flatnonzero((moving < 4 * rate).any(1))
            beyond = undamped[-1] + 1 if undamped.size else 0
            if not moving.size or not 0 < beyond < POINTS:
                return 1.0
            low, high = candidates[beyond - 1], candidates[beyond]
        return float(high)

    def _coupled_rate(self, moves: np.ndarray) -> float:
        """The rate of the fields that move and of those that they act on and are acted on by.

        The spectral radius of |J|, whatever the units of the fields.
        """
        count = len(self.state)
        acts = np.abs(self._rates) > 0
        acts |= np.hypot(*(np.asarray(part)[0] for part in self._matrices(jnp.ones(POINTS)))) > 0
        reaches = (
            np.linalg.matrix_power((acts | np.eye(count, dtype=bool)).astype(float), count) > 0
        )
        mutual = reaches & reaches.T
        if moves.size == count and moves.any():
            mutual = mutual & (mutual & moves).any(1)[:, None]
        values = np.linalg.eigvals(np.where(mutual, self._rates, 0.0))
        return float(np.abs(values).max())

    def peak(self, wavenumbers: np.ndarray, growth: np.ndarray, frequency: np.ndarray) -> Mode:
        """The highest point of the curve, zooming in on each peak unless it lies at an end."""
        best = int(np.argmax(growth))
        modes = [(float(growth[best]), float(wavenumbers[best]), float(frequency[best]))]
        inner = growth[1:-1]
        peaks = 1 + np.flatnonzero((inner >= growth[:-2]) & (inner > growth[2:]))
        for start in peaks[np.argsort(-growth[peaks], kind="stable")][:_PEAKS]:
            place, qs, sigma = int(start), wavenumbers, growth
            for _ in range(_ZOOMS):
                qs = np.linspace(qs[place - 1], qs[place + 1], POINTS)
                sigma, omega = self(qs)
                place = int(np.clip(np.argmax(sigma), 1, POINTS - 2))
            modes.append((float(sigma[place]), float(qs[place]), float(omega[place])))
        highest, q, its = max(modes, key=lambda mode: mode[0])
        return self.mode(q, highest, its)


def leader_within(jacobian: np.ndarray, totals: np.ndarray) -> Mode | None:
    """The leading homogeneous mode that changes none of the totals; None if there is no such."""
    basis = np.linalg.svd(totals)[2][len(totals) :].T
    if not basis.size:
        return None
    values = np.linalg.eigvals(basis.T @ jacobian @ basis)
    leader = values[np.argmax(values.real)]
    return Mode(0.0, float(leader.real), abs(float(leader.imag)))
