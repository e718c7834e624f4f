"""The report as a whole: its sections, how they are run, and how they are written down."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import jax

from mfnjax._files import check_writable, write_text
from mfnjax.errors import MfnError, ParameterError
from mfnjax.science import documented, domains, dynamics, fractals, lyapunov, membrane, stability
from mfnjax.science.rows import Row

Section = tuple[str, Callable[[], list[Row]]]
Progress = Callable[[int, int], None]

SECTIONS: tuple[Section, ...] = (
    ("The eleven documented validations", documented.documented_rows),
    ("Fractal dimensions of known sets", fractals.dimension_rows),
    ("Percolation", fractals.percolation_rows),
    ("Real colonies", fractals.colony_rows),
    ("Lyapunov exponents", lyapunov.spectrum_rows),
    ("A pattern at rest", lyapunov.pattern_rows),
    ("Membrane", membrane.membrane_rows),
    ("Thresholds of linear stability", stability.threshold_rows),
    ("Growth, wavelength and decay in simulations", stability.growth_rows),
    ("Diffusion", dynamics.transport_rows),
    ("Fronts", dynamics.front_rows),
    ("Gray–Scott", dynamics.gray_scott_rows),
    ("Steppers", dynamics.stepper_rows),
    ("Independent integration", dynamics.scipy_rows),
    ("Domains", domains.domain_rows),
)
"""Title → the function that computes the rows; the documented eleven come first."""


@final
@dataclass(frozen=True)
class Report:
    """Every row, by section.

    Attributes:
        sections: Title and rows, in order.
    """

    sections: tuple[tuple[str, tuple[Row, ...]], ...]

    @property
    def rows(self) -> tuple[Row, ...]:
        """All rows in order."""
        return tuple(row for _, rows in self.sections for row in rows)

    @property
    def failed(self) -> tuple[Row, ...]:
        """The rows that missed their tolerance."""
        return tuple(row for row in self.rows if row.status == "FAIL")

    @property
    def summary(self) -> str:
        """How many rows passed, failed and were skipped."""
        tally = {kind: sum(r.status == kind for r in self.rows) for kind in ("pass", "skipped")}
        return (
            f"{len(self.rows)} rows: {tally['pass']} passed, {len(self.failed)} failed, "
            f"{tally['skipped']} skipped"
        )

    def to_dict(self) -> dict[str, Any]:
        """The report as plain JSON values."""
        return {
            "summary": self.summary,
            "passed": not self.failed,
            "sections": [
                {"title": title, "rows": [row.to_dict() for row in rows]}
                for title, rows in self.sections
            ],
        }

    def markdown(self) -> str:
        """The report as a Markdown page."""
        lines = [
            "# Scientific validation",
            "",
            "Written by `mfn science`; do not edit. Computed in float64 (long runs to a steady "
            "pattern in float32). Each row is compared with a closed form, a published value or "
            "an independent program.",
            "",
            f"**{self.summary}.**",
        ]
        for title, rows in self.sections:
            lines += ["", f"## {title}", ""]
            lines.append(
                "| Validation | Expected | Computed | Error | Tolerance | Result | Source |"
            )
            lines.append("|---|---|---|---|---|---|---|")
            lines += [_line(row) for row in rows]
            notes = [f"- **{row.name}.** {row.note}" for row in rows if row.note]
            lines += ["", *notes] if notes else []
        return "\n".join(lines) + "\n"


def _line(row: Row) -> str:
    cells = (
        row.name,
        row.expected,
        row.computed,
        error_text(row),
        row.tolerance,
        row.status,
        row.source,
    )
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def error_text(row: Row) -> str:
    """The error in three digits, or a dash."""
    return "–" if row.error is None else f"{row.error:.3g}"


def compute_report(
    sections: Iterable[Section] | None = None, *, progress: Progress | None = None
) -> Report:
    """Compute the report, section by section.

    Args:
        sections: Titles and the functions that compute their rows; None takes all.
        progress: Called with (sections done, sections in all).

    Returns:
        The report. A section that raises one of mfnjax's errors is one failed row.

    Raises:
        ParameterError: JAX is not in float64 mode.

    Examples:
        >>> from mfnjax.science import Row, compute_report
        >>> from mfnjax.science.rows import close
        >>> import jax
        >>> with jax.enable_x64(True):
        ...     report = compute_report([("Trial", lambda: [close("2 + 2", 4, 2 + 2, 0, "-")])])
        >>> report.summary
        '1 rows: 1 passed, 0 failed, 0 skipped'
    """
    if not jax.config.read("jax_enable_x64"):
        raise ParameterError("the validation is computed in float64: set jax_enable_x64")
    chosen = tuple(SECTIONS if sections is None else sections)
    done = []
    for index, (title, compute) in enumerate(chosen):
        if progress is not None:
            progress(index, len(chosen))
        try:
            rows = compute()
        except MfnError as error:
            rows = [Row(title, "–", str(error), None, "–", "–", "FAIL", type(error).__name__)]
        done.append((title, tuple(rows)))
    if progress is not None:
        progress(len(chosen), len(chosen))
    return Report(tuple(done))


def write_report(report: Report, folder: str | Path) -> tuple[Path, Path]:
    """Write ``scientific_validation.md`` and ``.json`` into a folder; return both paths."""
    page = check_writable(Path(folder) / "scientific_validation.md")
    values = page.with_suffix(".json")
    write_text(page, report.markdown())
    text = json.dumps(report.to_dict(), indent=2, ensure_ascii=False)
    write_text(values, text + "\n")
    return page, values
