"""Which machine a measurement was made on."""

from __future__ import annotations

import functools
import importlib.metadata
import os
import platform
from pathlib import Path

from mfnjax._cpu import cores


@functools.cache
def machine() -> dict[str, str]:
    """Processor, cores, memory, system and versions, as texts for a table."""
    versions = {name: importlib.metadata.version(name) for name in ("jax", "jaxlib", "numpy")}
    return {
        "processor": _processor(),
        "cores": str(cores()),
        "memory": _memory(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        **versions,
    }


def machine_text(described: dict[str, str]) -> str:
    """The machine in a line."""
    return (
        f"{described['processor']}, {described['cores']} cores, {described['memory']}, "
        f"{described['system']}, Python {described['python']}, jax {described['jax']}, "
        f"jaxlib {described['jaxlib']}, NumPy {described['numpy']}"
    )


def fingerprint(described: dict[str, str]) -> str:
    """What must agree for two calibrated ratios to be compared to a few per cent."""
    python = ".".join(described["python"].split(".")[:2])
    cores, jaxlib, numpy = (described[name] for name in ("cores", "jaxlib", "numpy"))
    versions = f"jaxlib {jaxlib}, NumPy {numpy}, Python {python}"
    return f"{described['processor']}, {cores} cores, {versions}"


def _processor() -> str:
    """The model name; where it is as vague as 'AMD EPYC', family and model tell more."""
    facts: dict[str, str] = {}
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return platform.processor() or platform.machine()
    for line in text.split("\n\n")[0].splitlines():
        name, _, value = line.partition(":")
        facts[name.strip()] = value.strip()
    name = facts.get("model name", platform.machine())
    if "cpu family" in facts:
        name += f" (family {facts['cpu family']}, model {facts.get('model', '?')})"
    return name


def _memory() -> str:
    try:
        size = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return "unknown"
    return f"{size / 2**30:.0f} GiB"
