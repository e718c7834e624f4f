"""The front of `benchmarks.suites.federated`: ``python -m benchmarks.federated``."""

from benchmarks.suites.federated import main

if __name__ == "__main__":
    raise SystemExit(main())
