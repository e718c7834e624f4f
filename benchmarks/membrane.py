"""The front of `benchmarks.suites.membrane`: ``python -m benchmarks.membrane``."""

from benchmarks.suites.membrane import main

if __name__ == "__main__":
    raise SystemExit(main())
