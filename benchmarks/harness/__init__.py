"""The one harness of all measurements: limits, timing, memory, child processes, tables, judging.

It belongs to a checkout of the repository and is not in the wheel.
"""
