"""What the load tests send, and what a right answer is.

A `Call` is one request with the check of its answer. The checks hold for any server that keeps the
contract: closed forms where there is one, ranges the model guarantees, and that the same body is
answered alike every time (see `Answers`).
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, final

# CODATA 2018, written out: the check is independent of the library.
GAS_CONSTANT = 8.314462618
FARADAY_CONSTANT = 96485.33212

Check = Callable[[Any], str | None]
"""Takes a decoded answer; returns what is wrong with it, or None."""


@final
@dataclass(frozen=True)
class Call:
    """One request and the check of its answer.

    Attributes:
        name: How tables call it; the row of the documented endpoint table where it has one.
        method: ``GET`` or ``POST``.
        path: Path on the server.
        body: What is sent as JSON, if anything.
        check: Says what is wrong with the decoded answer, or None.
        status: The status that is expected.
        is_json: Whether the answer is JSON (else it is given to ``check`` as text).
    """

    name: str
    method: str
    path: str
    body: Mapping[str, Any] | None = None
    check: Check = lambda answer: None
    status: int = 200
    is_json: bool = True

    @property
    def content(self) -> bytes | None:
        """The body as bytes."""
        return None if self.body is None else json.dumps(self.body).encode()

    def problem(self, status: int, content: bytes) -> str | None:
        """What is wrong with an answer, or None."""
        if status != self.status:
            return f"status {status}, expected {self.status}: {_said(content)}"
        try:
            return self.check(json.loads(content) if self.is_json else content.decode())
        except (KeyError, TypeError, ValueError) as error:
            return f"an answer of another shape ({error!r}): {content[:80]!r}"


def _said(content: bytes) -> str:
    """What an error says, without the id of its request: equal errors are counted together."""
    try:
        problem = json.loads(content)
        return f"{problem['error_code']}: {problem['detail']}"
    except (ValueError, KeyError, TypeError):
        return content[:200].decode(errors="replace")


@final
@dataclass
class Answers:
    """The first answer to every body; a later one must be the same byte for byte.

    The server promises that the same request gives the same answer whatever else it is doing.
    """

    first: dict[tuple[str, bytes], bytes] = field(default_factory=dict)

    def problem(self, call: Call, content: bytes) -> str | None:
        """Say if ``content`` differs from the first answer to the same request."""
        if call.content is None or call.status != 200:  # a refusal carries the request's own id
            return None
        known = self.first.setdefault((call.path, call.content), content)
        return None if known == content else f"another answer to the same request: {content[:80]!r}"


def asked(path: str, told: str, is_right: Callable[[Any], bool], **how: Any) -> Call:
    """``GET path``; a wrong answer is ``told``."""
    check = lambda answer: None if is_right(answer) else f"{told}: {str(answer)[:80]}"  # noqa: E731
    return Call(path, "GET", path, check=check, **how)


def health() -> Call:
    """``GET /health``."""
    healthy = lambda a: isinstance(a, dict) and a.get("status") == "healthy"  # noqa: E731
    return asked("/health", "not healthy", healthy)


def metrics() -> Call:
    """``GET /metrics``."""
    names = "mfn_http_requests_total", "mfn_http_request_duration_seconds"
    named = lambda text: all(name in text for name in names)  # noqa: E731
    return asked("/metrics", "the documented metrics are missing", named, is_json=False)


def models() -> Call:
    """``GET /models``."""
    return asked("/models", "no models", bool)


def nernst(
    outside: float = 0.005, inside: float = 0.14, valence: int = 1, kelvin: float = 310.15
) -> Call:
    """``POST /nernst``, checked against E = RT/(zF)·ln(c_out/c_in)."""
    scale = 1e3 * GAS_CONSTANT * kelvin / (valence * FARADAY_CONSTANT)
    expected = scale * math.log(outside / inside)

    def check(answer: Any) -> str | None:
        # float32 on the server: the error scales with the larger of the potential and RT/zF
        right = abs(answer["potential_mV"] - expected) <= 2e-6 * max(abs(expected), abs(scale))
        return None if right else f"potential {answer['potential_mV']}, expected {expected:.6f} mV"

    body = {
        "z_valence": valence,
        "concentration_out_molar": outside,
        "concentration_in_molar": inside,
        "temperature_k": kelvin,
    }
    return Call("/nernst", "POST", "/nernst", body, check)


def simulate(grid_size: int = 32, steps: int = 32, seed: int = 42, **options: Any) -> Call:
    """``POST /simulate``, checked by the ranges that the model guarantees."""

    def check(answer: Any) -> str | None:
        low, mean, high = (answer[f"pot_{name}_mV"] for name in ("min", "mean", "max"))
        slack = 1e-4  # of the bounds, in float32 millivolts
        if not -95 - slack <= low <= mean <= high <= 40 + slack:
            return f"potentials out of order or range: {low}, {mean}, {high} mV"
        if not 0 <= answer["fractal_dimension"] <= 2 or answer["pot_std_mV"] < 0:
            return f"dimension {answer['fractal_dimension']}, std {answer['pot_std_mV']}"
        events = answer["growth_events"]
        if not (isinstance(events, int) and 0 <= events <= steps):
            return f"{events!r} growth events in {steps} steps"
        if options.get("include_field"):
            rows = answer["field_mV"]
            if len(rows) != grid_size or any(len(row) != grid_size for row in rows):
                return "the field has another shape than the grid"
            if abs(min(map(min, rows)) - low) > 1e-3:
                return "the field's minimum is not pot_min_mV"
        return None

    body = {"grid_size": grid_size, "steps": steps, "seed": seed, **options}
    return Call(f"/simulate ({grid_size}x{grid_size})", "POST", "/simulate", body, check)


def validate(grid_size: int = 32, steps: int = 32, seed: int = 42) -> Call:
    """``POST /validate`` with one epoch."""

    def check(answer: Any) -> str | None:
        dropped = answer["loss_start"] - answer["loss_final"]
        if not math.isclose(answer["loss_drop"], dropped, rel_tol=1e-4, abs_tol=1e-6):
            return f"loss_drop {answer['loss_drop']} is not loss_start − loss_final {dropped}"
        if answer["lyapunov_exponent"] >= 0:
            return f"Lyapunov exponent {answer['lyapunov_exponent']} of a contracting IFS"
        if not math.isclose(
            answer["nernst_symbolic_mV"], answer["nernst_numeric_mV"], rel_tol=1e-5
        ):
            return "the two Nernst potentials differ"
        return None

    body = {"grid_size": grid_size, "steps": steps, "seed": seed}
    return Call("/validate", "POST", "/validate", body, check)


def aggregate(clients: int = 20, length: int = 32) -> Call:
    """``POST /federated/aggregate`` of gradients that hardly differ."""
    gradients = [
        [math.sin(0.1 * index) + 1e-3 * ((client * 7 + index) % 5) for index in range(length)]
        for client in range(clients)
    ]

    def check(answer: Any) -> str | None:
        aggregated = answer["aggregated_gradient"]
        if answer["num_input_gradients"] != clients or len(aggregated) != length:
            return "another number of gradients or another length"
        off = max(abs(value - math.sin(0.1 * i)) for i, value in enumerate(aggregated))
        return None if off < 6e-3 else f"{off:.3g} away from gradients that differ by 4e-3"

    body = {"gradients": gradients, "num_clusters": 2}
    return Call("/federated/aggregate", "POST", "/federated/aggregate", body, check)


def bad_value() -> Call:
    """``POST /simulate`` with a grid too small: refused by name, with 400."""

    def check(answer: Any) -> str | None:
        named = answer.get("error_code") == "VALIDATION_ERROR" and "grid_size" in json.dumps(answer)
        return None if named else f"the refusal does not name the field: {answer!r}"

    return Call("/simulate (refused)", "POST", "/simulate", {"grid_size": 1}, check, status=400)


TABLE: tuple[Callable[[], Call], ...] = (health, metrics, nernst, simulate, validate)
"""One call for each row of the documented endpoint table."""
