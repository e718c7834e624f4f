"""The front of `benchmarks.suites.c_loop`: ``python -m benchmarks.c_loop``."""

from benchmarks.suites.c_loop import main

if __name__ == "__main__":
    raise SystemExit(main())
