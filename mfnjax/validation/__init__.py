"""The scientific validation: every figure that can be checked against one nobody here chose."""

from mfnjax.validation.report import Report, compute_report, write_report
from mfnjax.validation.rows import Row

__all__ = ["Report", "Row", "compute_report", "write_report"]
