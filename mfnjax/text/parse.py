"""From text to a tree: a list of signs and words, and a parser that climbs by precedence.

Nothing is evaluated, imported or looked up here. The text may come from a stranger: its length, the
length of its words, how deep it nests and how large its numbers are all have a bound.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from mfnjax._checks import shown
from mfnjax.errors import ParameterError
from mfnjax.text.names import LOGIC
from mfnjax.text.tree import (
    Call,
    Comparison,
    Inverse,
    Logic,
    Name,
    Negative,
    Node,
    Number,
    Place,
    Power,
    Product,
    Sum,
)

LONGEST_TEXT = 20_000
LONGEST_WORD = 60
MOST_TOKENS = 2_000
DEEPEST = 64
LARGEST = 1e30

_TOKEN = re.compile(
    r"[ \t\r]*(?:(?P<number>(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)"
    r"|(?P<word>[A-Za-z][A-Za-z0-9_]*)"
    r"|(?P<sign>\*\*|<=|>=|==|!=|[-+*/^<>(),=]))"
)
"""Each alternative begins with another character and is taken whole: it never looks back far."""

_OR, _AND, _NOT, _COMPARE, _ADD, _MULTIPLY, _NEGATE, _POWER = range(1, 9)
_COMPARISONS = ("<", "<=", ">", ">=", "==", "!=")
_STRENGTH = {
    "or": _OR,
    "and": _AND,
    **dict.fromkeys(_COMPARISONS, _COMPARE),
    **dict.fromkeys("+-", _ADD),
    **dict.fromkeys("*/", _MULTIPLY),
    **dict.fromkeys(("^", "**"), _POWER),
}


class Token(NamedTuple):
    """A number, a word or a sign; the last of a text is the empty sign."""

    kind: str
    text: str
    column: int


def check_length(text: str, label: str) -> None:
    """Raise ParameterError for what is no text, or too long a one."""
    if not isinstance(text, str):
        raise ParameterError(f"{label} must be text, got {shown(text)}")
    if len(text) > LONGEST_TEXT:
        raise ParameterError(f"{label} may have {LONGEST_TEXT} characters, got {len(text)}")


def tokens_of(text: str, label: str, *, most: int = MOST_TOKENS) -> list[Token]:
    """The tokens of one line, ``most`` at the most; a ``#`` ends it."""
    found: list[Token] = []
    here = 0
    while match := _TOKEN.match(text, here):
        kind, word, here = match.lastgroup, match[match.lastgroup or 0], match.end()
        found.append(Token(kind or "", word, here - len(word) + 1))
        if len(word) > LONGEST_WORD:
            message = f"a word or number may have {LONGEST_WORD} characters"
            raise Place(label, found[-1].column).error(message)
        if len(found) > most:
            raise Place(label, found[-1].column).error(f"over {MOST_TOKENS} words and signs")
    here += len(text[here:]) - len(text[here:].lstrip(" \t\r"))
    if here < len(text) and text[here] != "#":
        raise Place(label, here + 1).error(_strange(text[here]))
    return [*found, Token("sign", "", here + 1)]


def _strange(character: str) -> str:
    reasons = {
        ".": "nothing has attributes here",
        "[": "nothing has subscripts here",
        ";": "one equation a line",
        "%": "there is no remainder",
        "&": "write 'and'",
        "|": "write 'or'",
        "!": "write 'not'",
    }
    reason = reasons.get(
        character, "names are of plain letters, digits and _, and begin with a letter"
    )
    return f"unexpected character {character!a}" + f": {reason}" * bool(reason)


def parse(tokens: list[Token], label: str) -> Node:
    """The tree of an expression.

    From weak to strong: ``or``, ``and``, ``not``, one comparison, ``+ -``, ``* /``, unary ``+ -``,
    ``^`` (also ``**``), which binds to the right; as in Python, −u^2 is −(u^2) and 2^−1 is ½.

    Raises:
        ParameterError: No expression; the message points at the place.
    """
    parser = _Parser(tokens, label)
    tree = parser.expression(_OR)
    if parser.token.text:
        raise parser.error(_what_follows(tokens[parser.position - 1], parser.token))
    return tree


def _what_follows(before: Token, token: Token) -> str:
    if token.text == "=":
        return "unexpected '=': two sides are compared by '=='"
    if token.kind == "sign" and token.text != "(":
        return f"unexpected {token.text!r}"
    return f"an operator such as * is missing between {before.text!r} and {token.text!r}"


class _Parser:
    """The tokens, and how many of them are behind us."""

    def __init__(self, tokens: list[Token], label: str) -> None:
        self.tokens, self.label, self.position, self.depth = tokens, label, 0, 0
        self.token = tokens[0]

    @property
    def place(self) -> Place:
        return Place(self.label, self.token.column)

    def error(self, message: str) -> ParameterError:
        return self.place.error(message)

    def take(self) -> str:
        text = self.token.text
        self.position += 1
        self.token = self.tokens[self.position]
        return text

    def expression(self, least: int) -> Node:
        """An expression of operators that bind at least as strongly as ``least``."""
        self.depth += 1
        if self.depth > DEEPEST:
            raise self.error(f"an expression may nest {DEEPEST} deep")
        left = self.first()
        strength = _STRENGTH.get(self.token.text, 0)
        while strength >= least:
            left = self.joined(left, strength)
            strength = _STRENGTH.get(self.token.text, 0)
        self.depth -= 1
        return left

    def joined(self, left: Node, strength: int) -> Node:
        """``left`` and all that follows it by operators of one strength."""
        place, sign = self.place, self.token.text
        if strength == _POWER:
            self.take()
            return Power(place, (left, self.expression(_NEGATE)))
        if strength == _COMPARE:
            self.take()
            made = Comparison(place, (left, self.expression(_ADD)), sign)
            if self.token.text in _COMPARISONS:
                raise self.error("comparisons are not chained: join two by 'and'")
            return made
        parts = [left]
        while _STRENGTH.get(self.token.text, 0) == strength:
            at, text = self.place, self.take()
            right = self.expression(strength + 1)
            wrap = {"-": Negative, "/": Inverse}.get(text)
            parts.append(wrap(at, (right,)) if wrap else right)
        if strength in (_OR, _AND):
            return Logic(place, tuple(parts), sign)
        return (Sum if strength == _ADD else Product)(place, tuple(parts))

    def first(self) -> Node:
        """What an expression begins with: a sign before it, a number, a name, a call, ( … )."""
        place, token = self.place, self.token
        if token.text in ("-", "+", "not"):
            self.take()
            inner = self.expression(_NOT if token.text == "not" else _NEGATE)
            if token.text == "not":
                return Logic(place, (inner,), "not")
            return Negative(place, (inner,)) if token.text == "-" else inner
        if token.text == "(":
            self.take()
            inner = self.expression(_OR)
            self.close()
            return inner
        if token.kind == "number":
            return self.number()
        if token.kind == "word" and token.text not in LOGIC:
            self.take()
            if self.token.text != "(":
                return Name(place, token.text)
            self.take()
            return Call(place, self.arguments(), token.text)
        what = f"{token.text!r}" if token.text else "the end"
        raise self.error(f"expected a number, a name or '(', found {what}")

    def number(self) -> Number:
        place, text = self.place, self.token.text
        value = float(text)
        if not abs(value) <= LARGEST:
            raise place.error(f"{text} is over the largest number accepted, {LARGEST:g}")
        self.take()
        return Number(place, value)

    def arguments(self) -> tuple[Node, ...]:
        if self.token.text == ")":
            self.take()
            return ()
        found = [self.expression(_OR)]
        while self.token.text == ",":
            self.take()
            found.append(self.expression(_OR))
        self.close()
        return tuple(found)

    def close(self) -> None:
        if self.token.text != ")":
            what = f"found {self.token.text!r}" if self.token.text else "the line ends"
            raise self.error(f"')' is missing: {what}")
        self.take()
