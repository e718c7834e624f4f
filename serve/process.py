"""One process that serves: set up, serve until a signal, leave.

Several of them are one server, see `serve.workers`. Nothing here imports JAX before `serve` runs.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn, final

from mfnjax.errors import MfnError
from serve.http.logs import WRITER, configure_logs
from serve.settings import Settings

DRAIN_SECONDS = 7
"""Open requests have so long after the signal; jobs and lanes then have two seconds more."""
KEEP_ALIVE_SECONDS = 20
BODIES = 8
"""All bodies on their way may hold so many of the largest."""
UNUSABLE = 2
"""Exit status where a setting cannot be used; to start again would not help."""


def leave(status: int) -> NoReturn:
    """End the process, whatever threads are still about.

    A thread that is inside XLA's compiler when the interpreter is taken down aborts the process.
    """
    logging.shutdown()
    WRITER.close()
    os._exit(status)


def serve(listening: socket.socket, settings: Settings, shared: Path | None = None) -> int:
    """Serve in this process until a signal; returns the exit status.

    Args:
        listening: Where connections come from.
        settings: The settings.
        shared: Folder that several workers have in common.
    """
    # One thread a computation: XLA would split small loops over all cores and lose by it, and
    # the engine has one lane a core. A lane computes in its own thread: dispatched
    # asynchronously, all lanes' work would queue for XLA's one thread. Both are read when JAX
    # first looks for its devices.
    os.environ.setdefault("NPROC", "1")
    os.environ.setdefault("JAX_CPU_ENABLE_ASYNC_DISPATCH", "false")

    import uvicorn

    from mfnjax import enable_compilation_cache
    from serve.app import create_app

    configure_logs(settings.log_level, settings.log_format)
    enable_compilation_cache()

    @final
    class Server(uvicorn.Server):
        """uvicorn's server, but a signal that was obeyed is not raised again at the end."""

        def handle_exit(self, sig: int, frame: FrameType | None) -> None:
            self.force_exit = self.should_exit and sig == signal.SIGINT  # Ctrl-C once more
            self.should_exit = True

        async def on_tick(self, counter: int) -> bool:  # ten times a second
            if shared is not None:
                app.state.service.note_waiting()
            return await super().on_tick(counter)

        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            app.state.service.begin_closing()
            await super().shutdown(sockets)

    try:
        app: Any = create_app(settings, shared=shared)
    except MfnError as error:
        print(f"mfn-api: {error}", file=sys.stderr, flush=True)
        return UNUSABLE
    server = Server(uvicorn_config(app, settings))
    server.run(sockets=[listening])
    return 0 if server.started else 3


def uvicorn_config(app: Any, settings: Settings, **options: Any) -> Any:
    """How uvicorn serves ``app``."""
    import uvicorn

    from serve.http.protocol import Bodies, BoundedProtocol

    protocol: Any = partial(
        BoundedProtocol,
        request_seconds=settings.request_seconds,
        bodies=Bodies(BODIES * settings.max_body_bytes),
        refused=app.state.note_refused,
    )
    return uvicorn.Config(
        app,
        http=protocol,
        ws="none",
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=DRAIN_SECONDS,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        backlog=2048,
        **{"lifespan": "on", **options},
    )
