"""What the operations of a compiled program move and compute, counted from its optimised HLO.

XLA's own ``cost_analysis`` adds up both branches of a conditional and one turn of a loop. Here each
operation is counted by itself; how often it ran says a trace of the run (`benchmarks.trace`).

The bytes of an operation are those of the arrays that it reads and of those that it writes, each
once: what a memory without caches of its own would see. A slice reads its own size, not that of the
array it is cut from, and an update in place writes the piece, not the whole.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from functools import cached_property
from typing import final

ARITHMETIC = frozenset({"add", "subtract", "multiply", "divide", "maximum", "minimum"})
"""Operations that count as one floating-point operation an element."""

REDUCTIONS = ("reduce", "reduce-window")
"""One floating-point operation for each element that is reduced."""

LAYING_OUT = frozenset(
    {"parameter", "constant", "broadcast", "iota", "reshape", "bitcast", "copy", "transpose"}
    | {"concatenate", "pad", "slice", "dynamic-slice", "dynamic-update-slice", "gather", "tuple"}
    | {"get-tuple-element", "reduce", "reduce-window", "fusion"}
)
"""Operations of a kernel that are no instruction of their own beside loads and stores."""

CUTTING = ("slice", "dynamic-slice", "gather")
"""Operations that read as much of their first operand as they give."""

FREE = frozenset(
    {"parameter", "constant", "tuple", "get-tuple-element", "bitcast", "while", "conditional"}
    | {"call", "after-all", "partition-id", "replica-id", "opt-barrier"}
)
"""Operations that move nothing themselves."""

_SHAPE = re.compile(r"\b(pred|[a-z]+?(\d+)\w*)\[([\d,]*)\]")
_INSTRUCTION = re.compile(r"\s*(ROOT )?%?([\w.\-]+) = (.*)")
_COMPUTATION = re.compile(r"(?:ENTRY )?%?([\w.\-]+) \(.*\{$")
_COMMENT = re.compile(r"/\*.*?\*/")


@final
@dataclass(frozen=True)
class Instruction:
    """One line of HLO.

    Attributes:
        name: Its name, which a trace shows too.
        shape: Shape of the result, as written.
        opcode: What it does.
        operands: Names of its operands.
        calls: The fused computation; empty for what is no fusion.
        where: The JAX operation it comes from, as XLA was told; may be empty.
        is_root: Whether it is its computation's result.
        parameter: Number of the parameter; None for what is none.
    """

    name: str
    shape: str
    opcode: str
    operands: tuple[str, ...]
    calls: str
    where: str
    is_root: bool
    parameter: int | None

    @cached_property
    def num_bytes(self) -> int:
        """Size of the result."""
        return shape_bytes(self.shape)

    @cached_property
    def num_elements(self) -> int:
        """Elements of the result."""
        return sum(_elements(match) for match in _SHAPE.finditer(self.shape))

    @property
    def is_float(self) -> bool:
        """Whether the result is made of floating-point numbers."""
        return re.match(r"b?f\d", self.shape) is not None


@final
@dataclass(frozen=True)
class Cost:
    """What one run of an operation moves and computes.

    Attributes:
        num_bytes: Bytes read and written, each array once.
        flops: Additions, multiplications and the like of floating-point numbers.
        instructions: Those, and every other instruction that each element takes: loads (five for
            a five-point stencil, though the array is read once), comparisons, selections, stores.
    """

    num_bytes: int
    flops: int
    instructions: int


def shape_bytes(shape: str) -> int:
    """Size of an array or a tuple of arrays, written as HLO writes it.

    Examples:
        >>> shape_bytes("f32[3,64,64]{2,1,0}"), shape_bytes("(pred[8], s32[])")
        (49152, 12)
    """
    total = 0
    for match in _SHAPE.finditer(shape):
        bits = 8 if match[1] == "pred" else int(match[2])
        total += math.ceil(bits / 8) * _elements(match)
    return total


def _elements(match: re.Match[str]) -> int:
    return math.prod(int(size) for size in match[3].split(",") if size)


@final
class Program:
    """The computations of a program, by name, from the text of ``compiled.as_text()``."""

    def __init__(self, text: str) -> None:
        self.computations: dict[str, dict[str, Instruction]] = {}
        current: dict[str, Instruction] | None = None
        for line in text.splitlines():
            head = _COMPUTATION.match(line)
            if head and not line.startswith(" "):
                current = self.computations.setdefault(head[1], {})
            elif line.startswith("}"):
                current = None
            elif current is not None:
                found = _read(_COMMENT.sub("", line))
                if found is not None:
                    current[found.name] = found

    @cached_property
    def costs(self) -> dict[str, Cost]:
        """Operation → what one run of it moves and computes."""
        costs = {}
        fused = {i.calls for inside in self.computations.values() for i in inside.values()}
        for name, inside in self.computations.items():
            if name not in fused:
                costs |= {i.name: self._cost(i, inside) for i in inside.values()}
        return costs

    @cached_property
    def places(self) -> dict[str, str]:
        """Operation → the JAX operation it comes from."""
        return {i.name: i.where for all_ in self.computations.values() for i in all_.values()}

    def _cost(self, one: Instruction, around: dict[str, Instruction]) -> Cost:
        if one.opcode in FREE:
            return Cost(0, 0, 0)
        if one.opcode == "fusion":
            return _fused_cost(self.computations.get(one.calls, {}))
        # Alone it is the only one of its fusion, and its operands are the parameters.
        operands = [replace(around[name], opcode="parameter", operands=()) for name in one.operands]
        return _fused_cost({i.name: i for i in (*operands, replace(one, is_root=True))})


def _read(line: str) -> Instruction | None:
    """A line as an instruction; None for what is none."""
    match = _INSTRUCTION.match(line)
    if match is None:
        return None
    shape, rest = _split_shape(match[3])
    opcode, _, rest = rest.partition("(")
    inside, after = _until_closed(rest)
    calls = re.search(r"calls=%?([\w.\-]+)", after)
    where = re.search(r'op_name="([^"]*)"', after)
    return Instruction(
        match[2],
        shape,
        opcode.strip(),
        tuple(re.findall(r"%([\w.\-]+)", inside)),
        calls[1] if calls else "",
        where[1] if where else "",
        bool(match[1]),
        int(inside) if opcode.strip() == "parameter" else None,
    )


def _split_shape(text: str) -> tuple[str, str]:
    """The shape that a text begins with, and what follows."""
    if not text.startswith("("):
        shape, _, rest = text.partition(" ")
        return shape, rest
    inside, rest = _until_closed(text[1:])
    return f"({inside})", rest.lstrip()


def _until_closed(text: str) -> tuple[str, str]:
    """What stands before the parenthesis that closes, and after it."""
    depth = 1
    for at, letter in enumerate(text):
        depth += (letter == "(") - (letter == ")")
        if depth == 0:
            return text[:at], text[at + 1 :]
    return text, ""


def _fused_cost(inside: dict[str, Instruction]) -> Cost:
    """What a fused computation reads of its parameters, writes, and computes in between."""
    results = _results(inside)
    in_place = {i.name for i in results if i.opcode == "dynamic-update-slice"}
    pieces = [inside[i.operands[1]] if i.name in in_place else i for i in results]
    written = sum(piece.num_bytes for piece in pieces)
    wanted: dict[str, float] = dict.fromkeys(inside, 0.0)
    wanted |= {i.name: float(i.num_elements) for i in results}
    read = flops = 0.0
    instructions = float(sum(piece.num_elements for piece in pieces))
    for one in reversed(inside.values()):
        count = wanted[one.name]
        if one.opcode == "parameter":
            read += count / max(one.num_elements, 1) * one.num_bytes
        flops += count if one.opcode in ARITHMETIC and one.is_float else 0
        instructions += count if one.opcode not in LAYING_OUT else 0
        for name, part in _asked(one, count, inside, in_place):
            wanted[name] = min(wanted[name] + part, float(inside[name].num_elements))
            is_reduced = one.opcode in REDUCTIONS
            flops += part if is_reduced and one.is_float else 0
            instructions += part if is_reduced or inside[name].opcode == "parameter" else 0
    return Cost(round(read) + written, round(flops), round(instructions))


def _asked(
    one: Instruction, count: float, inside: dict[str, Instruction], in_place: set[str]
) -> list[tuple[str, float]]:
    """How many elements of its operands an instruction asks for, to make ``count`` of its own."""
    operands = [name for name in one.operands if name in inside]
    if one.opcode == "parameter" or not count:
        return []
    if one.name in in_place:
        return [(operands[1], float(inside[operands[1]].num_elements))]
    if one.opcode in CUTTING:
        return [(operands[0], count)]
    asked = []
    for name in operands:
        size = inside[name].num_elements
        share = count * size / max(one.num_elements, 1) if size > one.num_elements else count
        asked.append((name, min(share, float(size))))
    return asked


def _results(inside: dict[str, Instruction]) -> list[Instruction]:
    """What a computation gives back, seen through tuples and bitcasts."""
    found = []
    left = [i for i in inside.values() if i.is_root]
    while left:
        one = left.pop()
        if one.opcode in ("tuple", "bitcast"):
            left += [inside[name] for name in one.operands]
        else:
            found.append(one)
    return found
