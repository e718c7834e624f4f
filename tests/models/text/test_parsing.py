"""Reading expressions: precedence as Python's, and messages that point at the place."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from mfnjax import ParameterError
from mfnjax.models.pde import PDE
from mfnjax.text.equations import Formula, read_formula
from mfnjax.text.evaluate import Moment
from mfnjax.text.latex import plain

NAMES = {"a": 0.7, "b": -1.3, "c": 2.5}
ATOMS = st.sampled_from([*NAMES, "1", "2.5", ".5", "3e-1", "pi"])


def _arithmetic(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    binary = st.tuples(inner, st.sampled_from(["+", "-", "*", "/", " - ", " * "]), inner)
    return st.one_of(
        binary.map("".join),
        inner.map(lambda e: f"({e})"),
        inner.map(lambda e: f"-{e}"),
        inner.map(lambda e: f"+{e}"),
        st.tuples(inner, st.sampled_from(["2", "-1", "-2", "2**-1", "3^0"])).map("^".join),
        inner.map(lambda e: f"abs({e})"),
        st.tuples(inner, inner).map(lambda pair: f"max({pair[0]}, {pair[1]})"),
    )


def _boolean(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    words = st.tuples(inner, st.sampled_from([" and ", " or "]), inner).map("".join)
    return st.one_of(words, inner.map(lambda e: f"not {e}"), inner.map(lambda e: f"({e})"))


ARITHMETIC = st.recursive(ATOMS, _arithmetic, max_leaves=12)
COMPARED = st.tuples(ARITHMETIC, st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), ARITHMETIC)
BOOLEAN = st.recursive(COMPARED.map("".join), _boolean, max_leaves=6)


def python_value(text: str) -> float | None:
    """What Python makes of it; None where it has no real, finite value."""
    names = {**NAMES, "pi": math.pi, "abs": math.fabs, "max": max}
    try:
        value = eval(text.replace("^", "**"), {"__builtins__": {}}, names)
    except (ArithmeticError, TypeError):
        return None
    return None if isinstance(value, complex) or not math.isfinite(value) else float(value)


def our_value(text: str) -> float | None:
    """The value; None where a constant in it has none, or too large a one."""
    try:
        tree = read_formula(text, "formula", (), frozenset(NAMES))
    except ParameterError as error:
        message = str(error)
        if "constant" in message or "exponent" in message:
            return None
        raise
    value = float(Moment(NAMES).scalar(tree))
    again = read_formula(plain(tree), "formula", (), frozenset(NAMES))
    same = pytest.approx(value, rel=1e-9, abs=1e-9, nan_ok=True)
    assert float(Moment(NAMES).scalar(again)) == same
    return value


@pytest.mark.thorough
@settings(max_examples=300, deadline=None)
@given(ARITHMETIC)
def test_arithmetic_is_pythons(text: str) -> None:
    expected = python_value(text)
    if expected is None or abs(expected) > 1e12:
        return
    found = our_value(text)
    assert found is None or found == pytest.approx(expected, rel=1e-9, abs=1e-9)


@pytest.mark.thorough
@settings(max_examples=200, deadline=None)
@given(BOOLEAN)
def test_logic_is_pythons(text: str) -> None:
    expected = python_value(text)
    if expected is None:
        return
    assert our_value(text) in (None, float(bool(expected)))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("-2^2", -4.0),
        ("2^-1", 0.5),
        ("2^3^2", 512.0),
        ("2**3**2", 512.0),
        ("1 - 2 - 3", -4.0),
        ("12/3/2", 2.0),
        ("12/3*2", 8.0),
        ("--2", 2.0),
        ("2*-3", -6.0),
        ("not 1 < 2 or 3 > 2 and 1", 1.0),
        ("1 - 1/3", 1 - 1 / 3),
        ("heaviside(0)", 0.5),
        ("min(3, 1, 2)", 1.0),
        ("where(1 > 2, 3, 4)", 4.0),
        ("e^1", math.e),
        ("sign(-3)*sqrt(4)", -2.0),
        ("1  # a remark", 1.0),
    ],
)
def test_values(text: str, value: float) -> None:
    assert Formula(text)(None) == value


MESSAGES = {
    "u_t = lapp(u)": "line 1, column 7: unknown function 'lapp' (did you mean 'lap'?)",
    "u_t = lap(u)\n\n  v_t = 2*sinn(v)  # …": "line 3, column 11: unknown function 'sinn'",
    "u_t = D*lap(u)": "line 1, column 7: parameter 'D' is not given",
    "u_t = 2u": "line 1, column 8: an operator such as * is missing between '2' and 'u'",
    "u_t = (u": "line 1, column 9: ')' is missing: the line ends",
    "u_t = (u, 1)": "line 1, column 9: ')' is missing: found ','",
    "u_t = u; v_t = 1": "line 1, column 8: unexpected character ';': one equation a line",
    "u = 3": "line 1, column 1: an equation begins with 'name_t ='",
    "_t = 3": "line 1, column 1: unexpected character '_'",
    "lap(u)": "line 1, column 1: an equation begins with 'name_t ='",
    "u_t = 9**9**9**9": "line 1, column 8: this constant is not a finite number",
    "u_t = 1e9999": "line 1, column 7: 1e9999 is over the largest number accepted, 1e+30",
    "u_t = 1/0": "line 1, column 8: this constant is not a finite number",
    "u_t = sqrt(-1)*u": "line 1, column 7: this constant is not a finite number",
    "u_t = u^1000": "line 1, column 9: an exponent may be 100 at most",
    "u_t = u\nu_t = 2": "line 2, column 1: a second equation for 'u'; the first is on line 1",
    "x_t = 1": "line 1, column 1: 'x' has a meaning of its own and cannot be a field",
    "sin_t = 1": "line 1, column 1: 'sin' has a meaning of its own and cannot be a field",
    "u_t = grad(u)": "line 1, column 7: a vector stands where a number must",
    "u_t = u + grad(u)": "line 1, column 9: a vector and a scalar cannot be added",
    "u_t = div(grad(u)*grad(u))": "line 1, column 18: two vectors are multiplied by dot(a, b)",
    "u_t = dot(1/grad(u), grad(u))": "line 1, column 12: a vector cannot be divided by",
    "u_t = div(u)": "line 1, column 11: div(…) is of vectors such as grad(u)",
    "u_t = lap(grad(u))": "line 1, column 11: lap(…) is of scalars, got a vector",
    "u_t = sin(u, u)": "line 1, column 7: sin(…) takes 1 argument, got 2",
    "u_t = where(u)": "line 1, column 7: where(…) takes 3 arguments, got 1",
    "u_t = F*(u + noise(1))": "noise(s) stands alone as a term of an equation",
    "u_t = noise(1)*noise(2)": "noise(s) stands alone as a term of an equation",
    "u_t = normal()": "line 1, column 7: normal() is for starts; an equation has noise(s)",
    "u_t = u(1 - u)": "line 1, column 7: 'u' is a field, and cannot be called",
    "u_t = x(2)": "line 1, column 7: 'x' is no function",
    "u_t = lap": "line 1, column 7: 'lap' is a function: write lap(…)",
    "u_t = u < 1 < 2": "comparisons are not chained: join two by 'and'",
    "u_t = u = 2": "line 1, column 9: unexpected '=': two sides are compared by '=='",
    "u_t =": "line 1, column 6: expected a number, a name or '(', found the end",
    "u_t = * u": "line 1, column 7: expected a number, a name or '(', found '*'",
    "u_t = u.real": "line 1, column 8: unexpected character '.': nothing has attributes here",
    "u_t = u[0]": "line 1, column 8: unexpected character '[': nothing has subscripts here",
    "u_t = κ*u": "line 1, column 7: unexpected character '\\u03ba'",
    "u_t = " + "(" * 1000: "an expression may nest 64 deep",
    "# nothing": "the equations hold no line 'name_t = expression'",
    "u_t = " + "a" * 61: "line 1, column 7: a word or number may have 60 characters",
    "u_t = u" + " + u" * 2000: "over 2000 words and signs",
}


@pytest.mark.parametrize("text", MESSAGES)
def test_what_is_refused_is_pointed_at(text: str) -> None:
    with pytest.raises(ParameterError) as caught:
        PDE(text)
    assert MESSAGES[text] in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "parameters", "message"),
    [
        (
            "u_t = D_u*u",
            {"Du": 1.0},
            "line 1, column 7: parameter 'D_u' is not given (did you mean 'Du'?)",
        ),
        ("u_t = u", {"D": 1.0}, "parameter 'D' is not used in the equations"),
        ("u_t = u", {"u": 1.0}, "parameter 'u' is a field"),
        ("u_t = rates*u", {"rates": 1.0}, "line 1, column 7: 'rates' is a word of every model"),
        ("u_t = fields*u", {"fields": 1.0}, "'fields' is a word of every model"),
        ("u_t = equation*u", {"equation": 1.0}, "'equation' is a word of every model"),
        ("u_t = f(u)", {"f": 1.0}, "line 1, column 7: 'f' is called, and must be a function"),
        ("u_t = f(u) + f", {"f": 1.0}, "line 1, column 7: 'f' is a number, and cannot be called"),
        ("u_t = D*u", {"D": math.nan}, "parameter 'D' must be a finite number"),
        ("u_t = D*u", {"D": 10**400}, "parameter 'D' must be a finite number"),
        ("u_t = D*u", {"D": 1j}, "parameter 'D' must be a finite number"),
        ("u_t = D*u", {"D": np.array(["a"])}, "parameter 'D' must be a finite number"),
        ("u_t = f(u)", {"f": "u"}, "line 1, column 7: 'f' is called, and must be a function"),
        ("u_t = D*u", {"D": None}, "parameter 'D' must be a finite number"),
        ("u_t = D*u", {"D": [[1], [1, 2]]}, "parameter 'D' must be a finite number"),
        ("u_t = D*u", {"D": "1 + v"}, "parameter 'D', column 5: unknown name 'v'"),
        ("u_t = D*u", {"D": "lap(x)"}, "parameter 'D', column 1: lap(…) is for equations"),
        ("u_t = D*u", {"D": "2 +"}, "parameter 'D', column 4: expected a number"),
        ("u_t = D*u", {"D": "1e400"}, "parameter 'D', column 1: 1e400 is over the largest"),
        ("u_t = D*u", {"D": "__import__('os')"}, "parameter 'D', column 1: unexpected character"),
    ],
)
def test_parameters_that_do_not_fit(text: str, parameters: dict, message: str) -> None:
    with pytest.raises(ParameterError) as caught:
        PDE(text, **parameters)
    assert message in str(caught.value)


def test_no_text() -> None:
    for text in (None, 3, b"u_t = u", [1]):
        with pytest.raises(ParameterError, match="must be text"):
            PDE(text)
    assert PDE(["u_t = u", "v_t = u"]) == PDE("u_t = u\n\nv_t = u  # too")
