"""Expressions written out, plain or as LaTeX."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence

from mfnjax.text import names
from mfnjax.text.tree import (
    Call,
    Comparison,
    Inverse,
    Logic,
    Name,
    Negative,
    Node,
    Number,
    Power,
    Product,
    Sum,
)

_OR, _AND, _NOT, _COMPARE, _SUM, _PRODUCT, _PREFIX, _POWER, _ATOM = range(9)
_GREEK = frozenset(
    re.findall(
        r"\w+",
        "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau "
        "upsilon phi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega",
    )
)
_SIGNS = {"<=": r"\le", ">=": r"\ge", "==": "=", "!=": r"\ne", "<": "<", ">": ">"}
_WORDS = {"and": r"\wedge", "or": r"\vee", "not": r"\neg"}


def equation_latex(fields: tuple[str, ...], sides: Sequence[Node | None]) -> str:
    """The equations as LaTeX, one a line, without dollar signs."""
    lines = [
        rf"\partial_t {name_latex(name)} &= {'0' if side is None else latex(side)}"
        for name, side in zip(fields, sides, strict=True)
    ]
    return "\\begin{aligned}\n" + " \\\\\n".join(lines) + "\n\\end{aligned}"


def name_latex(name: str) -> str:
    """A name as LaTeX: ``D_u`` is D with the index u, ``k1`` k with the index 1."""
    stem, _, index = name.partition("_")
    letters = stem.rstrip("0123456789")
    index = ",".join(filter(None, (stem[len(letters) :], *index.split("_"))))
    shown = rf"\{letters}" if letters in _GREEK else letters
    if len(letters) > 1 and letters not in _GREEK:
        shown = rf"\mathrm{{{letters}}}"
    return shown + (f"_{{{_index(index)}}}" if index else "")


def _index(index: str) -> str:
    if index in _GREEK:
        return f"\\{index}"
    return index if len(index) == 1 or not index.isalpha() else rf"\mathrm{{{index}}}"


def latex(node: Node, least: int = _OR) -> str:
    """An expression as LaTeX, in parentheses where it binds more weakly than ``least``."""
    text, strength = _latex(node)
    return text if strength >= least else rf"\left({text}\right)"


def _latex(node: Node) -> tuple[str, int]:
    """The LaTeX of an expression, and how strongly it binds."""
    if isinstance(node, Number):
        mantissa, _, exponent = f"{node.value:.12g}".partition("e")
        power = rf" \cdot 10^{{{int(exponent)}}}" if exponent else ""
        return mantissa + power, _PRODUCT if exponent else _ATOM
    if isinstance(node, Name):
        return name_latex(node.name), _ATOM
    if isinstance(node, Sum):
        return _joined([latex(part, _SUM) for part in node.parts]), _SUM
    if isinstance(node, Product):
        return _fraction(node.parts), _PRODUCT
    if isinstance(node, Inverse):
        return _fraction((node,)), _PRODUCT
    if isinstance(node, Negative):
        return f"-{latex(node.parts[0], _PRODUCT)}", _SUM
    if isinstance(node, Power):
        return f"{latex(node.parts[0], _ATOM)}^{{{latex(node.parts[1])}}}", _POWER
    if isinstance(node, Comparison):
        left, right = (latex(part, _SUM) for part in node.parts)
        return rf"\left[{left} {_SIGNS[node.sign]} {right}\right]", _ATOM
    if isinstance(node, Logic):
        word = _WORDS[node.word]
        if node.word == "not":
            return f"{word} {latex(node.parts[0], _ATOM)}", _NOT
        return f" {word} ".join(latex(part, _COMPARE) for part in node.parts), _OR
    assert isinstance(node, Call)
    return _call(node)


def _joined(terms: list[str]) -> str:
    text = terms[0]
    for term in terms[1:]:
        text += f" - {term[1:]}" if term.startswith("-") else f" + {term}"
    return text


def _fraction(parts: tuple[Node, ...]) -> str:
    above = [part for part in parts if not isinstance(part, Inverse)]
    below = [part.parts[0] for part in parts if isinstance(part, Inverse)]
    if not below:
        return _times(above)
    return rf"\frac{{{_times(above)}}}{{{_times(below)}}}"


def _times(factors: list[Node]) -> str:
    if len(factors) < 2:
        return latex(factors[0]) if factors else "1"
    text = latex(factors[0], _PRODUCT)
    for before, factor in itertools.pairwise(factors):
        both = isinstance(factor, Number) or isinstance(before, Call)
        text += (r" \cdot " if both else r" \, ") + latex(factor, _PREFIX)
    return text


def _call(node: Call) -> tuple[str, int]:
    name, inner = node.name, node.parts
    prefix = {"lap": r"\nabla^2", "grad": r"\nabla"}
    prefix |= {one: rf"\partial_{{{axis}}}" for one, axis in names.DERIVATIVES.items()}
    if name in prefix:
        return f"{prefix[name]} {latex(inner[0], _PREFIX)}", _PREFIX
    if name == "div":
        return rf"\nabla \cdot \left({latex(inner[0])}\right)", _PREFIX
    if name == "dot":
        return rf"{latex(inner[0], _PREFIX)} \cdot {latex(inner[1], _PREFIX)}", _PRODUCT
    if name == "noise":
        return rf"{latex(inner[0], _PRODUCT)} \, \xi", _PRODUCT
    arguments = ", ".join(map(latex, inner))
    function = names.FUNCTIONS.get(name)
    if function is not None and function.latex is not None:
        return function.latex.replace("#", arguments), _ATOM
    upright = rf"\mathrm{{{name}}}" if name in names.CALLABLE else name_latex(name)
    return rf"{'' if name == 'vec' else upright}\left({arguments}\right)", _ATOM


def plain(node: Node, least: int = _OR) -> str:
    """An expression as one would type it."""
    text, strength = _plain(node)
    return text if strength >= least else f"({text})"


def _plain(node: Node) -> tuple[str, int]:
    if isinstance(node, Number):
        return f"{node.value:.12g}", _ATOM
    if isinstance(node, Name):
        return node.name, _ATOM
    if isinstance(node, Sum):
        return _joined([plain(part, _SUM) for part in node.parts]), _SUM
    if isinstance(node, (Product, Inverse)):
        parts = node.parts if isinstance(node, Product) else (node,)
        text = "" if not isinstance(parts[0], Inverse) else "1"
        for part in parts:
            divides = isinstance(part, Inverse)
            sign = "/" if divides else "*" * bool(text)
            text += sign + plain(part.children[0] if divides else part, _PREFIX)
        return text, _PRODUCT
    if isinstance(node, Negative):
        return f"-{plain(node.parts[0], _PRODUCT)}", _SUM
    if isinstance(node, Power):
        return f"{plain(node.parts[0], _ATOM)}^{plain(node.parts[1], _ATOM)}", _POWER
    if isinstance(node, Comparison):
        left, right = (plain(part, _SUM) for part in node.parts)
        return f"{left} {node.sign} {right}", _COMPARE
    if isinstance(node, Logic):
        if node.word == "not":
            return f"not {plain(node.parts[0], _COMPARE)}", _NOT
        strength = _AND if node.word == "and" else _OR
        return f" {node.word} ".join(plain(part, strength + 1) for part in node.parts), strength
    assert isinstance(node, Call)
    return f"{node.name}({', '.join(map(plain, node.parts))})", _ATOM
