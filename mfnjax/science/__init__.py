"""The scientific validation: every figure that can be checked against one nobody here chose."""

from mfnjax.science.report import Report, compute_report, write_report
from mfnjax.science.rows import Row

__all__ = ["Report", "Row", "compute_report", "write_report"]
