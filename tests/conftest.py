"""What every test shares: precision, strict promotion, and the one door to the real data."""

from __future__ import annotations

import os
import signal
import tempfile
from pathlib import Path

import jax
import pytest

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_numpy_dtype_promotion", "strict")

_CACHE = "JAX_COMPILATION_CACHE_DIR"


def pytest_configure(config: pytest.Config) -> None:
    """Heed Ctrl-C; give the workers of one run, and what they start, one cache of programs.

    It is empty when the run begins and gone when it ends; a cache of your own is left alone.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # A run in the background of a script ignores Ctrl-C, and so would what the tests interrupt.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    leads_workers = bool(getattr(config.option, "numprocesses", None))
    if leads_workers and not hasattr(config, "workerinput") and _CACHE not in os.environ:
        folder = tempfile.TemporaryDirectory(prefix="mfnjax-programs-", ignore_cleanup_errors=True)
        config.add_cleanup(folder.cleanup)
        os.environ[_CACHE] = folder.name
        os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0.3"


_OPTIMISE_LESS = "jax_disable_most_optimizations"


@pytest.hookimpl(tryfirst=True)  # before the fixtures, which compile too
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Compile a test that is marked ``compile_bound`` with little effort of LLVM.

    Such a test spends its time compiling small programs that it runs once or twice, and compares
    with a tolerance or a closed form. XLA's own passes, fusion among them, stay as they are. Tests
    of bits, of speed and of memory are not marked, and `make test-all` optimises all of them.
    """
    marked = item.get_closest_marker("compile_bound") is not None
    wanted = marked and "slow or not slow" not in item.config.getoption("markexpr")
    if jax.config.read(_OPTIMISE_LESS) != wanted:
        jax.clear_caches()  # no program of the one kind is left for a test of the other
        jax.config.update(_OPTIMISE_LESS, wanted)


SHARED_DATA = Path(
    os.environ.get("MFN_SHARED_DATA", Path(__file__).parents[1] / ".." / "shared" / "data")
)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data (colony images, scratch assays); skips loudly without it."""
    if not SHARED_DATA.is_dir():
        pytest.skip(
            f"REAL DATA NOT FOUND at {SHARED_DATA}: set MFN_SHARED_DATA to the folder that holds "
            "yeast_colonies/ and scratch_assay/"
        )
    return SHARED_DATA.resolve()
