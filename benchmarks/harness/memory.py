"""Memory of a call, by three accounts that see different things.

* `traced_peak`: Python's own allocations (``tracemalloc``), as the documented figures were taken.
  It does not see the buffers of compiled functions.
* `compiled_peak`: what XLA says of the programs that a call compiles: arguments, outputs and
  temporaries. Exact and the same in every run.
* `resident`, `peak_resident`: what the operating system says of the whole process.
"""

from __future__ import annotations

import ctypes
import gc
import os
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")


def traced_peak(function: Callable[[], Any]) -> int:
    """Peak of Python's own allocations during a call, in bytes, over what was there before."""
    gc.collect()
    tracemalloc.start()
    try:
        jax.block_until_ready(function())
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def account_of(program: Any) -> dict[str, int]:
    """XLA's account of a compiled program, in bytes: arguments, outputs, temporaries."""
    asked = getattr(program, "get_compiled_memory_stats", None) or program.memory_analysis
    stats = asked()
    return {
        "arguments": stats.argument_size_in_bytes,
        "outputs": stats.output_size_in_bytes,
        "temporaries": stats.temp_size_in_bytes,
    }


def compiled_accounts(function: Callable[[], Any]) -> list[dict[str, int]]:
    """`account_of` every program that a call compiles, the largest first.

    The call is made with JAX's caches emptied, so that it compiles all that it needs; afterwards
    other functions of the process compile once more, too.
    """
    client = jax.devices()[0].client
    jax.clear_caches()
    gc.collect()
    kept = client.live_executables()
    before = {id(program) for program in kept}
    jax.block_until_ready(function())
    programs = [p for p in client.live_executables() if id(p) not in before]
    del kept
    return sorted(map(account_of, programs), key=lambda one: -sum(one.values()))


def compiled_peak(function: Callable[[], Any]) -> int:
    """The largest account among the programs of a call, in bytes: they run in turn."""
    return max((sum(one.values()) for one in compiled_accounts(function)), default=0)


def resident() -> int:
    """Resident memory of this process, in bytes; where the system does not say, its peak."""
    return _status("VmRSS") or peak_resident()


def peak_resident() -> int:
    """The largest resident memory since the start or the last `reset_peak`, in bytes."""
    peak = _status("VmHWM")
    if peak:
        return peak
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def reset_peak() -> bool:
    """Let `peak_resident` start again from now; False where the system cannot."""
    try:
        _CLEAR.write_text("5", encoding="ascii")
    except OSError:
        return False
    return True


def _status(name: str) -> int:
    if not os.path.exists(_STATUS):
        return 0
    for line in _STATUS.read_text(encoding="ascii", errors="replace").splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1]) * 1024
    return 0


def growth_of(function: Callable[[], Any]) -> int:
    """How far a call lifts the peak resident memory, freed memory given back before, in bytes."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if os.name == "posix" else None
    if trim is not None:
        trim(0)
    exact = reset_peak()
    # Where the peak cannot be set back, what came before hides a part of it.
    before = resident() if exact else peak_resident()
    jax.block_until_ready(function())
    return max(peak_resident() - before, 0)
