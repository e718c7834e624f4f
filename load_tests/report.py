"""Copy measured tables into the document: ``python -m load_tests.report``.

Each table that a run has left in ``out/load/`` or ``out/serve/`` replaces the one between its two
markers in ``docs/load_tests.md``; the others stay as they are.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from mfnjax._files import write_text

ROOT = Path(__file__).resolve().parents[1]
DOCUMENT = ROOT / "docs" / "load_tests.md"
TABLES = {
    "endpoints": Path("out/serve/serve.md"),
    "smoke": Path("out/load/smoke.md"),
    "steady": Path("out/load/steady.md"),
    "spike": Path("out/load/spike.md"),
    "stress": Path("out/load/stress.md"),
}


def put(document: str, name: str, table: str) -> str:
    """The document with another table between the markers of ``name``.

    Raises:
        ValueError: The document has no such markers.
    """
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    if not pattern.search(document):
        raise ValueError(f"the document has no markers of {name!r}: {begin} … {end}")
    return pattern.sub(lambda _: f"{begin}\n{table.strip()}\n{end}", document)


def main() -> int:
    """Copy what is there; says what it did."""
    document = DOCUMENT.read_text(encoding="utf-8")
    for name, path in TABLES.items():
        if path.is_file():
            document = put(document, name, path.read_text(encoding="utf-8"))
            print(f"{name}: from {path}")
        else:
            print(f"{name}: unchanged, there is no {path}")
    write_text(DOCUMENT, document)
    return 0


if __name__ == "__main__":
    sys.exit(main())
