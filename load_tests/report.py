"""Copy measured tables into the document: ``python -m load_tests.report``.

Each table that a run has left in ``out/load/`` or ``out/serve/`` replaces the one between its two
markers in ``docs/load_tests.md``; the others stay as they are.
"""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.harness.tables import ROOT, put
from mfnjax._files import write_text

DOCUMENT = ROOT / "docs" / "load_tests.md"
TABLES = {
    name: Path("out", "load", f"{name}.md") for name in ("smoke", "steady", "spike", "stress")
}
TABLES["endpoints"] = Path("out", "serve", "serve.md")


def main() -> int:
    """Copy what is there; says what it did."""
    document = DOCUMENT.read_text(encoding="utf-8")
    for name, path in TABLES.items():
        if path.is_file():
            document = put(document, name, path.read_text(encoding="utf-8"))
        print(
            f"{name}: " + (f"from {path}" if path.is_file() else f"unchanged, there is no {path}")
        )
    write_text(DOCUMENT, document)
    return 0


if __name__ == "__main__":
    sys.exit(main())
