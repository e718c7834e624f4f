"""The front of `benchmarks.suites.network`: ``python -m benchmarks.network``."""

from benchmarks.suites.network import main

if __name__ == "__main__":
    raise SystemExit(main())
