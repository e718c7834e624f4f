"""What every test shares: precision, strict promotion, and the one door to the real data."""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import jax
import psutil
import pytest

from mfnjax._cache import CACHE_VARIABLE, cache_folder
from mfnjax.models import model_names, registry
from mfnjax.models.user_modules import import_module

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_numpy_dtype_promotion", "strict")

_MODELS = frozenset(model_names())
_CACHE = "JAX_COMPILATION_CACHE_DIR"
_PROCESS_FIXTURES = {"server", "chrome"}
_MEMORY_BYTES = 2 * 2**30


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--quick``: what `make quick` runs."""
    parser.addoption(
        "--quick",
        action="store_true",
        help="one case of each test, and in each file one for each model of the registry; nothing "
        "that starts a process",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Heed Ctrl-C; keep compiled programs between runs, for the tests and for what they start.

    Compilation is more than half of the suite. A cache of your own (``JAX_COMPILATION_CACHE_DIR``)
    is left alone; ``MFNJAX_CACHE`` moves this one, or switches it off. The commands keep to it:
    in a folder of their own, which JAX hashes with each program, nothing would be found again.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # A run in the background of a script ignores Ctrl-C, and so would what the tests interrupt.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    folder = cache_folder()
    if _CACHE not in os.environ and folder is not None:
        kept = folder / "tests"
        kept.mkdir(parents=True, exist_ok=True)
        os.environ[_CACHE] = str(kept)
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")
    os.environ[CACHE_VARIABLE] = "off"
    if _CACHE in os.environ:
        jax.config.update("jax_compilation_cache_dir", os.environ[_CACHE])
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
        jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With ``--quick`` keep the first case of each test, and in each file one for each model.

    What is marked ``thorough`` is left out: it starts a process, or takes over half a second. What
    is ``compile_bound`` comes first: all that is traced is lost between it and the others.
    """
    items.sort(key=lambda item: item.get_closest_marker("compile_bound") is None)
    if not config.getoption("--quick"):
        return
    seen: set[object] = set()
    kept, dropped = [], []
    for item in items:
        is_slow = any(mark.name in ("slow", "thorough") for mark in item.iter_markers())
        is_slow |= bool(_PROCESS_FIXTURES.intersection(getattr(item, "fixturenames", ())))
        cases = getattr(getattr(item, "callspec", None), "params", {})
        model = next((v for v in cases.values() if isinstance(v, str) and v in _MODELS), None)
        file, _, test = item.nodeid.partition("[")[0].partition("::")
        firsts = {(file, test), (file, "a model", model)} if model else {(file, test)}
        (dropped if is_slow or firsts <= seen else kept).append(item)
        if not is_slow:
            seen |= firsts
    config.hook.pytest_deselected(items=dropped)
    items[:] = kept


@pytest.fixture(scope="module")
def own_model() -> Iterator[None]:
    """The model of a user's own file, known for as long as a module of tests runs."""
    before = dict(registry._REGISTRY)
    import_module(str(Path(__file__).parent / "serve" / "own_model.py"))
    yield
    registry._REGISTRY.clear()
    registry._REGISTRY.update(before)
    del sys.modules["_mfn_import_own_model"]


@pytest.fixture(autouse=True, scope="module")
def _bounded_memory() -> Iterator[None]:
    """Drop compiled programs after a module where the process has grown large."""
    yield
    if psutil.Process().memory_info().rss > _MEMORY_BYTES:
        jax.clear_caches()
        gc.collect()


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
