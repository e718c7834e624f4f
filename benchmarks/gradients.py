"""The front of `benchmarks.suites.gradients`: ``python -m benchmarks.gradients``."""

from benchmarks.suites.gradients import main

if __name__ == "__main__":
    raise SystemExit(main())
