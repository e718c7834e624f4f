"""Terminals and files that cannot hold every character: they get plain words in their place."""

from __future__ import annotations

import codecs
import sys
import unicodedata

_PLAIN = {
    "≥": ">=",
    "≤": "<=",
    "≠": "!=",
    "≈": "~",
    "→": "->",
    "←": "<-",
    "↔": "<->",
    "−": "-",
    "–": "-",
    "—": "-",
    "…": "...",
    "’": "'",
    "“": '"',
    "”": '"',
    "×": "x",
    "·": "*",
    "±": "+-",
    "°": " deg",
    "µ": "u",
    "√": "sqrt",
    "∞": "inf",
    "∇": "grad",
    "∂": "d",
    "∫": "int",
    "∈": " in ",
    "∝": "~",
    "█": "#",
}
_NAME = "mfnjax-plain"


def make_printable() -> None:
    """Let standard output and error write any text: what their encoding lacks as plain words."""
    codecs.register_error(_NAME, _replaced)
    for stream in (sys.stdout, sys.stderr):
        encoding = str(getattr(stream, "encoding", None) or "utf-8")
        if hasattr(stream, "reconfigure") and not encoding.lower().startswith("utf"):
            stream.reconfigure(errors=_NAME)


def _replaced(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    wanted = error.object[error.start : error.end]
    return "".join(plain(letter) for letter in wanted), error.end


def plain(letter: str) -> str:
    """One character in ASCII: ``>=`` for ≥, ``alpha`` for α, ``^2`` for ².

    Examples:
        >>> from mfnjax.cli.terminal import plain
        >>> [plain(letter) for letter in "≥αé²"]
        ['>=', 'alpha', 'e', '^2']
    """
    if letter in _PLAIN:
        return _PLAIN[letter]
    parts = unicodedata.normalize("NFKD", letter).encode("ascii", "ignore").decode()
    if parts:
        return "^" + parts if unicodedata.decomposition(letter).startswith("<super>") else parts
    name = unicodedata.name(letter, "")
    if name.startswith("GREEK"):
        word = name.split(" LETTER ")[-1].split(" WITH ")[0].lower()
        return word.capitalize() if "CAPITAL" in name else word
    if name.startswith("BOX DRAWINGS"):
        return "|" if "VERTICAL" in name else "-"
    return "" if unicodedata.combining(letter) else "?"
