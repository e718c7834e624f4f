"""The command ``mfn-api``: parse, read the settings, serve.

One worker runs in this process. Several are spawned (never forked: a child forked after JAX's
first computation hangs) over one listening socket, by a parent that never imports JAX.
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

import click

from mfnjax._version import __version__
from serve.jobs import open_store
from serve.logs import configure_logs, stop_logs
from serve.settings import Settings, SettingsError

DRAIN_SECONDS = 7
"""Open requests have so long after the signal; jobs and lanes then have two seconds more."""
KEEP_ALIVE_SECONDS = 20


@click.command(name="mfn-api", context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8000,
    show_default=True,
    help="Port to listen on; 0 takes a free one.",
)
@click.option(
    "--workers",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    help="Processes. One already uses every core.",
)
@click.version_option(__version__, prog_name="mfn-api")
def main(host: str, port: int, workers: int) -> None:
    """Serve mfnjax over HTTP.

    Settings come from environment variables that begin with MFN_; see docs/server.md.
    """
    try:
        settings = Settings.from_environment()
        open_store(settings)  # now, while it can still be said in a line
    except SettingsError as error:
        print(f"mfn-api: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    listening = _listen(host, port)
    address = "http://{}:{}".format(*listening.getsockname()[:2])
    print(f"mfn-api {__version__} on {address}", file=sys.stderr, flush=True)
    if workers > 1:
        from serve.workers import supervise

        raise SystemExit(supervise(listening, settings, workers))
    leave(serve(listening, settings))


def leave(status: int) -> NoReturn:
    """End the process, whatever threads are still about.

    A thread that is inside XLA's compiler when the interpreter is taken down aborts the process.
    """
    logging.shutdown()
    stop_logs()
    sys.stdout.flush()
    sys.stderr.flush()
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

    app: Any = create_app(settings, shared=shared)
    server = Server(uvicorn_config(app, settings))
    server.run(sockets=[listening])
    return 0 if server.started else 3


def uvicorn_config(app: Any, settings: Settings, **options: Any) -> Any:
    """How uvicorn serves ``app``."""
    import uvicorn

    from serve.protocol import BoundedProtocol

    protocol: Any = partial(
        BoundedProtocol,
        request_seconds=settings.request_seconds,
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


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        raise SystemExit(f"mfn-api: cannot listen on {host}:{port} ({error.strerror})") from None
    listening.listen(2048)
    listening.set_inheritable(True)
    return listening


if __name__ == "__main__":
    main()
