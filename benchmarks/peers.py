"""The front of `benchmarks.suites.peers`: ``python -m benchmarks.peers``."""

from benchmarks.suites.peers import main

if __name__ == "__main__":
    raise SystemExit(main())
