"""The front of `benchmarks.suites.domains`: ``python -m benchmarks.domains``."""

from benchmarks.suites.domains import main

if __name__ == "__main__":
    raise SystemExit(main())
