"""Aggregation rules that fewer than a stated number of hostile clients cannot break.

Each takes a pytree of stacked updates (leading client axis n) and the number f of clients that
may send anything at all, and returns an `Aggregation`. The rules are pure and jittable with f
static. A rule outside its contract is refused; ``strict=False`` warns instead. A non-finite
update is quarantined, reported, and counted as one of the f.

| rule | contract | answer |
|---|---|---|
| `krum` | 2f + 2 < n | one client's vector |
| `multi_krum` | 2f + 2 < n | mean of the m best by Krum's score |
| `bulyan` | n ≥ 4f + 3 | coordinate mean near the median of n − 2f vectors picked by Krum |
| `coordinate_median` | 2f < n | median of each coordinate |
| `trimmed_mean` | 2f < n | mean of each coordinate without f on each side |
| `geometric_median` | 2f < n | point of least total distance |
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mfnjax._checks import check_int, check_real
from mfnjax.federated import kernels
from mfnjax.federated.aggregation import (
    Aggregation,
    PyTree,
    check_contract,
    check_quarantine,
    num_clients,
    run_kernel,
)

INT_MAX = 2**31 - 1


def _aggregate(
    rule: str,
    condition: str,
    holds: Callable[[int, int], bool],
    kernel: Callable[..., Any],
    updates: PyTree,
    f: int,
    strict: bool,
    options: dict[str, Any],
) -> Aggregation:
    n = num_clients(updates)
    check_contract(rule, condition, holds(n, f), n, f, strict)
    result = run_kernel(kernel, tuple(sorted(options.items())), updates)
    check_quarantine(rule, result, f, strict)
    return result


def _byzantine(value: Any) -> int:
    return check_int("num_byzantine", value, 0, INT_MAX)


def krum(updates: PyTree, num_byzantine: int, *, strict: bool = True) -> Aggregation:
    r"""Krum: the update whose n − f − 2 nearest others are nearest.

    Score of client j: s_j = Σ ‖x_j − x_i‖² over its n − f − 2 (at least 1) nearest others i;
    the smallest score wins, the lowest index on ties. In float32 the winner is the one that
    float64 arithmetic on the same vectors picks: near ties are settled in twice the precision.

    Args:
        updates: Pytree; leaves (n, …), floats.
        num_byzantine: f, static.
        strict: Refuse (True) or warn (False) outside the contract.

    Returns:
        `Aggregation` with ``index`` the winner and ``scores`` (n,).

    Raises:
        ParameterError: Not 2f + 2 < n.
        DataError: More than f updates are not finite, or the pytree is no set of updates.

    Examples:
        >>> import jax.numpy as jnp
        >>> points = [[0, 0], [0.1, 0], [0, 0.1], [0.1, 0.1], [0.05, 0.05], [10, 10], [10.1, 10]]
        >>> result = krum(jnp.array(points), 2)
        >>> int(result.index), round(float(result.scores[4]), 6)
        (4, 0.015)

    Source: Blanchard, El Mhamdi, Guerraoui, Stainer, NeurIPS 2017, arXiv:1703.02757.
    """
    f = _byzantine(num_byzantine)
    return _aggregate(
        "Krum", "2f + 2 < n", lambda n, f: 2 * f + 2 < n, kernels.krum, updates, f, strict, {"f": f}
    )


def multi_krum(
    updates: PyTree, num_byzantine: int, *, num_selected: int | None = None, strict: bool = True
) -> Aggregation:
    """Multi-Krum: the mean of the m updates with the smallest Krum scores.

    Args:
        updates: Pytree; leaves (n, …), floats.
        num_byzantine: f, static.
        num_selected: m, static, from 1 to n − f; default n − f − 2 (at least 1).
        strict: Refuse (True) or warn (False) outside the contract.

    Returns:
        `Aggregation` with the m ``selected`` clients and ``scores`` (n,).

    Raises:
        ParameterError: Not 2f + 2 < n, or m out of range.
        DataError: More than f updates are not finite, or the pytree is no set of updates.

    Source: Blanchard et al., NeurIPS 2017, arXiv:1703.02757.
    """
    f = _byzantine(num_byzantine)
    n = num_clients(updates)
    check_contract("Multi-Krum", "2f + 2 < n", 2 * f + 2 < n, n, f, strict)
    m = max(n - f - 2, 1) if num_selected is None else num_selected
    m = check_int("num_selected", m, 1, max(n - f, 1))
    result = run_kernel(kernels.multi_krum, (("f", f), ("m", m)), updates)
    check_quarantine("Multi-Krum", result, f, strict)
    return result


def bulyan(updates: PyTree, num_byzantine: int, *, strict: bool = True) -> Aggregation:
    """Bulyan: Krum picks θ = n − 2f updates one after the other, each among those that remain;
    per coordinate, the mean of the θ − 2f values nearest to their median.

    Values tied for the last place share it equally.

    Args:
        updates: Pytree; leaves (n, …), floats.
        num_byzantine: f, static.
        strict: Refuse (True) or warn (False) outside the contract.

    Returns:
        `Aggregation` with the θ ``selected`` clients.

    Raises:
        ParameterError: Not n ≥ 4f + 3.
        DataError: More than f updates are not finite, or the pytree is no set of updates.

    Source: El Mhamdi, Guerraoui, Rouault, ICML 2018, arXiv:1802.07927.
    """
    f = _byzantine(num_byzantine)
    return _aggregate(
        "Bulyan",
        "n ≥ 4f + 3",
        lambda n, f: n >= 4 * f + 3,
        kernels.bulyan,
        updates,
        f,
        strict,
        {"f": f},
    )


def coordinate_median(
    updates: PyTree, num_byzantine: int = 0, *, strict: bool = True
) -> Aggregation:
    """The median of each coordinate (the mean of the two middle values for an even number).

    Args:
        updates: Pytree; leaves (n, …), floats.
        num_byzantine: f: for the contract and the quarantine; the median itself needs none.
        strict: Refuse (True) or warn (False) outside the contract.

    Returns:
        `Aggregation`.

    Raises:
        ParameterError: Not 2f < n.
        DataError: More than f updates are not finite, or the pytree is no set of updates.

    Examples:
        >>> import jax.numpy as jnp
        >>> coordinate_median(jnp.array([[1.0, 5.0], [2.0, 9.0], [90.0, 7.0]]), 1).update.tolist()
        [2.0, 7.0]

    Source: Yin, Chen, Ramchandran, Bartlett, ICML 2018, arXiv:1803.01498.
    """
    f = _byzantine(num_byzantine)
    return _aggregate(
        "The coordinate median",
        "2f < n",
        lambda n, f: 2 * f < n,
        kernels.coordinate_median,
        updates,
        f,
        strict,
        {},
    )


def trimmed_mean(updates: PyTree, num_byzantine: int, *, strict: bool = True) -> Aggregation:
    """The mean of each coordinate without its f smallest and its f largest values.

    Args:
        updates: Pytree; leaves (n, …), floats.
        num_byzantine: f, static.
        strict: Refuse (True) or warn (False) outside the contract.

    Returns:
        `Aggregation`.

    Raises:
        ParameterError: Not 2f < n.
        DataError: More than f updates are not finite, or the pytree is no set of updates.

    Source: Yin, Chen, Ramchandran, Bartlett, ICML 2018, arXiv:1803.01498.
    """
    f = _byzantine(num_byzantine)
    return _aggregate(
        "The trimmed mean",
        "2f < n",
        lambda n, f: 2 * f < n,
        kernels.trimmed_mean,
        updates,
        f,
        strict,
        {"f": f},
    )


def geometric_median(
    updates: PyTree,
    num_byzantine: int = 0,
    *,
    max_iterations: int = 200,
    tolerance: float = 1e-6,
    strict: bool = True,
) -> Aggregation:
    """The point of least total distance to the updates, by smoothed Weiszfeld iteration.

    Args:
        updates: Pytree; leaves (n, …), floats.
        num_byzantine: f: for the contract and the quarantine; the median itself needs none.
        max_iterations: Most iterations, static.
        tolerance: Stops when a step is shorter than this times the median distance.
        strict: Refuse (True) or warn (False) outside the contract.

    Returns:
        `Aggregation`.

    Raises:
        ParameterError: Not 2f < n, or an option out of range.
        DataError: More than f updates are not finite, or the pytree is no set of updates.

    Source: Weiszfeld 1937; Pillutla, Kakade, Harchaoui, IEEE TSP 2022, arXiv:1912.13445.
    """
    f = _byzantine(num_byzantine)
    return _aggregate(
        "The geometric median",
        "2f < n",
        lambda n, f: 2 * f < n,
        kernels.geometric_median,
        updates,
        f,
        strict,
        {
            "max_iterations": check_int("max_iterations", max_iterations, 1, INT_MAX),
            "tolerance": check_real("tolerance", tolerance, 0.0, 1.0),
        },
    )
