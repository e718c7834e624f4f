"""Text of a stranger: it is refused by one line, or it is an equation; and soon."""

from __future__ import annotations

import contextlib
import time

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from mfnjax import ParameterError
from mfnjax.models.pde import PDE
from mfnjax.text.equations import Formula
from tests.strangers import ESCAPES, strings

SECONDS = 0.05


def refused_or_read(text: str) -> bool:
    """Whether it is an equation; whatever is not is refused by one short line, at once."""
    took = []
    for _ in range(3):  # time of this thread, so that a busy machine is not taken for a slow parser
        begin = time.thread_time()
        try:
            PDE(text)
            is_read = True
        except ParameterError as error:
            is_read, message = False, str(error)
        took.append(time.thread_time() - begin)
        assert is_read or ("\n" not in message and len(message) < 300)
        if took[-1] < SECONDS:
            return is_read
    raise AssertionError(f"{min(took):.3f} s for {text[:80]!r}")


@pytest.mark.parametrize("text", ESCAPES, ids=range(len(ESCAPES)))
def test_escapes(text: str) -> None:
    refused_or_read(text)
    refused_or_read(f"u_t = {text}")
    refused_or_read(f"u_t = u*({text}) + lap(u)")
    with contextlib.suppress(ParameterError):
        Formula(text)


def test_escapes_reach_nothing() -> None:
    """What the corpus leaves standing is arithmetic: no name of Python's is among its words."""
    accepted = [text for text in ESCAPES if refused_or_read(f"u_t = {text}")]
    assert not [text for text in accepted if "__" in text or "import" in text or "'" in text]


def test_ten_thousand_strings_of_words_and_signs() -> None:
    assert sum(map(refused_or_read, strings(10_000))) > 20


@pytest.mark.thorough
@settings(max_examples=500, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.text(max_size=200))
def test_any_text(text: str) -> None:
    refused_or_read(text)
    refused_or_read(f"u_t = {text}")
