"""The front of `load_tests.rates`: ``python -m benchmarks.serve``."""

from load_tests.rates import main

if __name__ == "__main__":
    raise SystemExit(main())
