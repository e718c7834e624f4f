"""Every example in a docstring and in the documents runs and prints what it says."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import re
from pathlib import Path

import jax
import pytest

import mfnjax

ROOT = Path(__file__).parents[1]
MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(mfnjax.__path__, "mfnjax.")
    if not module.name.endswith("__main__")
)
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]
DOCUMENTS = sorted(
    str(path.relative_to(ROOT)) for path in PAGES if "```python" in path.read_text(encoding="utf-8")
)


@pytest.fixture
def as_a_user_starts():
    """float32 and standard promotion, as in a fresh interpreter."""
    with jax.enable_x64(False), jax.numpy_dtype_promotion("standard"):
        yield


@pytest.mark.parametrize("name", MODULES)
def test_docstring_examples(name: str, as_a_user_starts) -> None:
    results = doctest.testmod(
        importlib.import_module(name),
        optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE,
    )
    assert results.failed == 0


@pytest.mark.parametrize("document", DOCUMENTS)
def test_code_in_documents(document: str, as_a_user_starts, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = (ROOT / document).read_text(encoding="utf-8")
    for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        namespace: dict = {}
        exec(compile(block, document, "exec"), namespace)  # raises where the document is wrong
        assert len(namespace) > 1


def _headings(page: Path) -> set[str]:
    """The anchors of a page, as GitHub makes them of its headings."""
    titles = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    words = (re.sub(r"[^\w\- ]", "", title.lower()) for title in titles)
    return {word.strip().replace(" ", "-") for word in words}


def test_links_between_documents_lead_somewhere() -> None:
    for path in PAGES:
        text = path.read_text(encoding="utf-8")
        for target, anchor in re.findall(r"\]\(([^)#]*)(?:#([^)]*))?\)", text):
            if "://" in target:
                continue
            page = path.parent / target if target else path
            assert page.exists(), f"{path.name}: {target}"
            if anchor:
                assert anchor in _headings(page), f"{path.name}: {target}#{anchor}"
