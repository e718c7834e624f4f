"""The front of `benchmarks.suites.dataset`: ``python -m benchmarks.dataset``."""

from benchmarks.suites.dataset import main

if __name__ == "__main__":
    raise SystemExit(main())
