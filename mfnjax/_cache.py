"""The persistent compilation cache: compiled programs outlive the process.

The commands switch it on; a notebook or a script may call `enable_compilation_cache` itself.
"""

from __future__ import annotations

import hashlib
import os
import platform
from importlib.metadata import version
from pathlib import Path

from mfnjax._cpu import cores

CACHE_VARIABLE = "MFNJAX_CACHE"
"""Environment variable: ``off`` switches the cache off, anything else is the folder to use."""


def cache_folder() -> Path | None:
    """The folder of compiled programs, or None where the cache is switched off.

    It is named after the version of jaxlib and the processor, since a program compiled for one
    processor may hold instructions that another does not have (a shared home folder is enough),
    and after the number of cores: XLA splits the kernels of a program for as many threads as the
    process that compiles it may use, and its own key does not tell such programs apart.
    """
    chosen = os.environ.get(CACHE_VARIABLE, "")
    if chosen.lower() in ("off", "0", "no", "false"):
        return None
    if chosen:
        root = Path(chosen).expanduser()
    else:
        from platformdirs import user_cache_path

        root = user_cache_path("mfnjax", appauthor=False)
    return root / f"jaxlib-{version('jaxlib')}-{_processor()}-{cores()}-cores"


def enable_compilation_cache() -> Path | None:
    """Switch JAX's persistent compilation cache on; returns its folder, or None.

    Everything is cached, however small. A folder that cannot be written is no reason to fail:
    then programs are compiled as without a cache.
    """
    folder = cache_folder()
    if folder is None:
        return None
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    if not os.access(folder, os.W_OK):
        return None

    import jax

    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    return folder


def _processor() -> str:
    """A short name of the processor and its instruction set."""
    facts = [platform.machine(), platform.processor()]
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    for field in ("model name", "flags", "Features"):
        facts += [line for line in lines if line.startswith(field)][:1]
    digest = hashlib.sha256("\n".join(facts).encode()).hexdigest()[:12]
    return f"{platform.machine() or 'cpu'}-{digest}"
