"""The front of `benchmarks.suites.fractals`: ``python -m benchmarks.fractals``."""

from benchmarks.suites.fractals import main

if __name__ == "__main__":
    raise SystemExit(main())
