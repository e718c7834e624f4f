"""The engine: work waits in a bounded, fair queue and is done by one lane per core."""

from serve.engine.engine import Engine
from serve.engine.kind import Kind

__all__ = ["Engine", "Kind"]
