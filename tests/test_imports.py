"""No file imports one that imports it: not at import, in a function, or for types alone.

The contracts of import-linter (pyproject.toml) see circles between files and packages that lie side
by side. A package and a file within it do not, and are looked at here, with all the rest.
"""

from __future__ import annotations

import sys
from pathlib import Path

import grimp
import pytest


def circles(*packages: str) -> list[str]:
    """Every import that a chain of imports leads back from, as ``importer → imported``."""
    graph = grimp.build_graph(*packages, exclude_type_checking_imports=False, cache_dir=None)
    return [
        f"{importer} → {imported}"
        for importer in sorted(graph.modules)
        for imported in sorted(graph.find_modules_directly_imported_by(importer))
        if graph.chain_exists(importer=imported, imported=importer)
    ]


def test_no_file_is_in_a_circle() -> None:
    assert circles("mfnjax", "serve") == []


def test_a_circle_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One through the package itself, within a function and under TYPE_CHECKING."""
    package = tmp_path / "circular_package"
    package.mkdir()
    (package / "__init__.py").write_text(
        "from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    from circular_package.file import f\n"
    )
    (package / "file.py").write_text("def f():\n    from circular_package import x\n")
    (package / "other.py").write_text("from circular_package.file import f\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    assert circles("circular_package") == [
        "circular_package → circular_package.file",
        "circular_package.file → circular_package",
    ]
