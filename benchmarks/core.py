"""The front of `benchmarks.suites.core`: ``python -m benchmarks.core``."""

from benchmarks.suites.core import main

if __name__ == "__main__":
    raise SystemExit(main())
