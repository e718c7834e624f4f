"""The front of `benchmarks.suites.ensemble`: ``python -m benchmarks.ensemble``."""

from benchmarks.suites.ensemble import main

if __name__ == "__main__":
    raise SystemExit(main())
