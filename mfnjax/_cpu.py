"""How JAX uses the cores of a CPU."""

from __future__ import annotations

import os

from mfnjax.errors import MfnError, ParameterError

_THREADS = "NPROC"
"""The environment variable from which XLA's CPU client takes its number of threads."""


def cores() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def configure_cpu(devices: int = 1) -> None:
    """Set JAX up for simulations on a CPU; to be called before anything is computed.

    As it comes, JAX splits the kernels of a program over all cores and hands each call to a thread
    of its own. For the small kernels of a simulation both cost more than they gain (measured in
    ``docs/speed.md``). After this call kernels are not split, and a call is not handed over as a
    whole; of a program that has many kernels ready at once, XLA still hands some to one other
    thread, which only pinning the process to a core makes cheap. A device runs one program at a
    time, so `simulate_ensemble` needs one device for each core that it shall use at the same time:
    ``configure_cpu(devices=os.cpu_count())``.

    It concerns all that JAX computes on the CPU in this process, other people's matrix products
    among it: where those matter more, leave JAX as it is. An ``NPROC`` in the environment wins.

    Args:
        devices: CPU devices that JAX shall have.

    Raises:
        ParameterError: The number is not one.
        MfnError: JAX has started already.

    Examples:
        In a fresh process:

        >>> from mfnjax import configure_cpu
        >>> configure_cpu(devices=2)  # doctest: +SKIP
        >>> import jax  # doctest: +SKIP
        >>> len(jax.devices())  # doctest: +SKIP
        2
    """
    if not isinstance(devices, int) or isinstance(devices, bool) or devices < 1:
        raise ParameterError(f"devices must be a positive integer, got {devices!r}")
    import jax

    try:
        jax.config.update("jax_num_cpu_devices", devices)
    except RuntimeError as error:
        raise MfnError(
            "configure_cpu must be called before JAX has computed anything in this process"
        ) from error
    jax.config.update("jax_cpu_enable_async_dispatch", False)
    os.environ.setdefault(_THREADS, "1")
