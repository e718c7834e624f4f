"""What the handlers share: settings, engine, metrics, and whether everything is warm."""

from __future__ import annotations

import asyncio
import importlib.util
import logging
import threading
import time
from typing import Any, final

from litestar import Request

from serve.engine import Engine, Kind, simulations as sims
from serve.engine.documented import documented_run
from serve.engine.library import AGGREGATION, DIMENSION, FEATURES, VALIDATION
from serve.engine.streams import PIECES
from serve.http.errors import overloaded
from serve.http.metrics import Metrics
from serve.jobs import JobRunner, open_store
from serve.settings import Settings

log = logging.getLogger("serve")

CLOSE_SECONDS = 9.0
"""From the signal to the end, at most."""

WATCH_AFTER_SECONDS = 0.05
"""A request that takes longer is watched, so that its client's leaving cancels it."""

KINDS: tuple[Kind, ...] = (
    sims.SMALL,
    sims.LARGE,
    VALIDATION,
    FEATURES,
    DIMENSION,
    AGGREGATION,
    PIECES,
)


class ClientGoneError(Exception):
    """The client closed the connection before its answer was ready."""


@final
class Service:
    """The state of one application."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.metrics = Metrics()
        self.engine = Engine(
            KINDS,
            queue_seconds=settings.queue_seconds,
            deadline_seconds=settings.deadline_seconds,
        )
        self.streams = 0
        self.jobs = JobRunner(open_store(settings), settings.imports)
        self._ready = threading.Event()
        self._closing = threading.Event()
        self._close_by = 0.0
        self._warming = threading.Thread(target=self._warm_up, name="warm-up", daemon=True)

    @property
    def is_ready(self) -> bool:
        """Whether the warm-up is over."""
        return self._ready.is_set()

    @property
    def is_closing(self) -> bool:
        """Whether the server is on its way out."""
        return self._closing.is_set()

    def start(self) -> None:
        """Start the engine and warm up in a thread."""
        import jax

        jax.monitoring.register_event_duration_secs_listener(self._count_compilation)
        self.engine.start()
        self._warming.start()
        self.jobs.start()

    def begin_closing(self) -> None:
        """End event streams and interrupt jobs; requests are still answered. Does not wait."""
        if not self.is_closing:
            self._close_by = time.monotonic() + CLOSE_SECONDS
            self._closing.set()
            self.jobs.stop()

    def close(self) -> None:
        """Finish what was accepted."""
        self.begin_closing()
        self.jobs.close()
        self.engine.close(max(0.0, self._close_by - time.monotonic()))

    def note_waiting(self) -> None:
        """Tell the queue's length: another worker that is scraped reads what this one noted."""
        self.metrics.note_waiting(self.engine.waiting())

    async def submit(self, request: Request[Any, Any, Any], kind: Kind, item: Any) -> Any:
        """Have ``item`` done; it is given up if the client goes away or the deadline passes.

        Raises:
            ApiError: 503, or what the item itself raised.
            ClientGoneError: There is nobody to answer.
        """
        work = asyncio.current_task()
        watcher: asyncio.Task[None] | None = None
        given_up: Exception | None = None
        deadline_s = self.settings.deadline_seconds

        async def watch() -> None:
            nonlocal given_up
            try:
                async with asyncio.timeout(deadline_s - WATCH_AFTER_SECONDS):
                    while (await request.receive())["type"] != "http.disconnect":
                        pass
                given_up = ClientGoneError()
            except TimeoutError:
                given_up = overloaded(f"Not done within the deadline of {deadline_s:g} s.", 1)
            if work is not None:
                work.cancel()

        def start_watching() -> None:
            nonlocal watcher
            watcher = asyncio.ensure_future(watch())

        timer = asyncio.get_running_loop().call_later(WATCH_AFTER_SECONDS, start_watching)
        try:
            return await self.engine.submit(kind, item)
        except asyncio.CancelledError:
            if given_up is not None:
                raise given_up from None
            raise
        finally:
            timer.cancel()
            if watcher is not None:
                watcher.cancel()

    def _warm_up(self) -> None:
        import gc

        try:
            self._warm_up_validation()
            for size in self.settings.warm_grid_sizes:
                for turing in (True, False):
                    run = documented_run(size, 1, turing_enabled=turing)
                    for kind in (sims.SMALL, sims.LARGE):
                        if self._closing.is_set():
                            return
                        self.engine.run_now(kind, run)
                sims.PROGRAMS.compile_batches(documented_run(size, 1))
        except Exception:
            log.exception("the warm-up failed: the server does not become ready")
            return
        # A full collection walks all of JAX's objects and stops every thread for 0.1 s and more;
        # what lives since the start stays, so it need not be looked at again.
        gc.collect()
        gc.freeze()
        self._ready.set()
        log.info("ready")

    def _warm_up_validation(self) -> None:
        """Its first run imports and traces a network: a second in which little else gets a turn."""
        if importlib.util.find_spec("flax") is None:
            return  # installed without the extra: /validate says so itself
        from mfnjax.v41.validation import ValidationConfig

        for size in self.settings.warm_grid_sizes:
            if size <= 64 and not self._closing.is_set():
                self.engine.run_now(VALIDATION, ValidationConfig(grid_size=size, steps=1))

    def _count_compilation(self, event: str, duration_secs: float, **_: Any) -> None:
        if event.endswith("backend_compile_duration"):
            self.metrics.compilations.inc()


def service_of(request: Request[Any, Any, Any]) -> Service:
    """The service of the application that got ``request``."""
    service: Service = request.app.state.service
    return service
