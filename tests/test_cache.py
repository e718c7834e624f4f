"""The persistent compilation cache: where it lies, and that it holds programs."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest
from jax.experimental.compilation_cache import compilation_cache

from mfnjax._cache import cache_folder, enable_compilation_cache

OPTIONS = (
    "jax_compilation_cache_dir",
    "jax_persistent_cache_min_compile_time_secs",
    "jax_persistent_cache_min_entry_size_bytes",
)


@pytest.fixture
def restored():
    """Put JAX's settings back: they belong to the process."""
    before = {name: getattr(jax.config, name) for name in OPTIONS}
    compilation_cache.reset_cache()
    yield
    for name, value in before.items():
        jax.config.update(name, value)
    compilation_cache.reset_cache()


@pytest.mark.parametrize("word", ["off", "OFF", "0", "no"])
def test_it_can_be_switched_off(monkeypatch, word):
    monkeypatch.setenv("MFNJAX_CACHE", word)
    assert cache_folder() is None
    assert enable_compilation_cache() is None


def test_its_folder_names_the_version_and_the_processor(monkeypatch, tmp_path):
    monkeypatch.setenv("MFNJAX_CACHE", str(tmp_path))
    folder = cache_folder()
    assert folder.parent == tmp_path
    assert folder.name.startswith(f"jaxlib-{version('jaxlib')}-")
    monkeypatch.setattr("mfnjax._cache.platform.processor", lambda: "another")
    assert cache_folder() != folder


def test_a_program_for_more_cores_is_not_taken(monkeypatch, tmp_path):
    """XLA splits kernels for the cores of the process that compiles; its key does not say so."""
    monkeypatch.setenv("MFNJAX_CACHE", str(tmp_path))
    monkeypatch.setattr("mfnjax._cache.os.sched_getaffinity", lambda _: {0}, raising=False)
    one = cache_folder()
    monkeypatch.setattr("mfnjax._cache.os.sched_getaffinity", lambda _: {0, 1}, raising=False)
    assert cache_folder() != one


def test_it_lies_in_the_users_cache_folder(monkeypatch, tmp_path):
    monkeypatch.delenv("MFNJAX_CACHE", raising=False)
    monkeypatch.setattr("platformdirs.user_cache_path", lambda *_, **__: tmp_path / "mfnjax")
    assert cache_folder().parent == tmp_path / "mfnjax"


def test_even_a_small_program_is_kept(monkeypatch, tmp_path, restored):
    monkeypatch.setenv("MFNJAX_CACHE", str(tmp_path))
    folder = enable_compilation_cache()
    jax.jit(lambda x: x * 3 + 1)(jnp.ones(3)).block_until_ready()
    assert any(folder.iterdir())


def test_a_folder_that_cannot_be_made_is_no_failure(monkeypatch, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setenv("MFNJAX_CACHE", str(blocked))
    assert enable_compilation_cache() is None


def test_a_folder_that_cannot_be_written_is_no_failure(monkeypatch, tmp_path):
    monkeypatch.setenv("MFNJAX_CACHE", str(tmp_path))
    monkeypatch.setattr("mfnjax._cache.os.access", lambda *_: False)
    assert enable_compilation_cache() is None


def test_an_unknown_processor_still_has_a_name(monkeypatch, tmp_path):
    monkeypatch.setenv("MFNJAX_CACHE", str(tmp_path))
    read_text = Path.read_text

    def missing(path: Path, *args: object, **kwargs: object) -> str:
        if str(path) == "/proc/cpuinfo":
            raise OSError
        return read_text(path, *args, **kwargs)

    known = cache_folder()
    monkeypatch.setattr(Path, "read_text", missing)
    assert cache_folder().parent == known.parent
