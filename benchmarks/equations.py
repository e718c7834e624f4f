"""The front of `benchmarks.suites.equations`: ``python -m benchmarks.equations``."""

from benchmarks.suites.equations import main

if __name__ == "__main__":
    raise SystemExit(main())
