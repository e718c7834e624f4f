"""What strangers may write where an equation is asked for."""

from __future__ import annotations

import random
from collections.abc import Iterator

ESCAPES = [
    "__import__('os')", "u.__class__", "().__class__.__bases__[0].__subclasses__()", "1e9999",
    "9**9**9**9", "9^9^9^9", "lambda: 0", "[x for x in ().__class__]", "eval('1')", "exec(u)",
    "open('/etc/passwd')", "globals()", "getattr(u, x)", "u if x else y", "f'{u}'", "`ls`", "$(ls)",
    "{{7*7}}", "${7*7}", "u;v", "u\x00", "\x00", "u\u2028v_t = 1", "u\r", "ｕ", "u\u200b", "а*u",
    "∇u", "u̇", "١", "0x10", "1_000", "1e", "1e+", "..1", "1.2.3", "nan", "inf", "-inf", "1j",
    "True", "None", "self", "u_t", "dir", "breakpoint()", "yield", "await u", "u := 1", "u @ u",
    "~u", "u % 2", "u // 2", "u << 2", "u | v", "u & v", "*u", "**u", "sin", "sin()", "sin(sin)",
    "sin(*u)", "max(u)", "max()", "vec()", "grad(grad(u))", "div(div(u))", "lap()", "lap(lap)",
    "noise()", "noise(noise(1))", "dot(u, u)", "(" * 5000, ")" * 5000, "((u)" * 100, "-" * 9000,
    "u^" * 3000 + "u", "sin(" * 3000, "not " * 3000, "a" * 19000, "1" * 19000, "." * 19000,
    "1e" * 9000, "u+" * 9000, "u*(" * 40 + "u" + ")" * 40, "lap(" * 60 + "u" + ")" * 60,
    "where(" * 50 + "u", "=" * 500, "u_t = u_t = u", "#" * 19000, "\\", "\\x41", "'" * 99, '"""',
    "u\n" * 5000, "\nu_t = u" * 2000, "\n" * 19000, " " * 19000, "\t" * 19000, "𝒖", "\ud800",
    "exp(1000)", "exp(exp(exp(9)))", "cosh(9999)", "0^-1", "0/0", "log(0)", "sqrt(-1)", "asin(2)",
    "1/(1-1)", "(-1)^0.5", "tan(pi/2)^9", "1e30*1e30", "u^1e30", "u^(-1e3)", "u^-101",
]  # fmt: skip
PIECES = [
    *"+-*/^<>()=,.;#_ \n\t[]{}'\"\\@!%&|~$",
    "u", "v", "u_t", "u_t =", "D", "lap(", "grad(", "div(", "vec(", "dot(", "dx(", "noise(", "sin(",
    "where(", "and", "or ", "not ", "**", "<=", "==", "1", "2.5", "1e9", "pi", "e", "x", "t",
    "__class__", "import", "normal()", "é", "\x00",
]  # fmt: skip


def strings(count: int) -> Iterator[str]:
    """So many strings of words and signs of the language, some of them equations."""
    choose = random.Random(15)
    for _ in range(count):
        text = "".join(choose.choices(PIECES, k=choose.randint(1, 30)))
        yield choose.choice(["", "u_t = ", "u_t = u + "]) + text
