"""The command ``mfn-api``: parse, read the settings, serve.

One worker runs in this process. Several are spawned (never forked: a child forked after JAX's
first computation hangs) over one listening socket, by a parent that never imports JAX.
"""

from __future__ import annotations

import os
import socket
import sys

import click

from mfnjax._version import __version__
from serve.jobs import open_store
from serve.process import leave, serve
from serve.settings import Settings, SettingsError, remarks
from serve.workers import supervise


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
@click.option(
    "--import",
    "imports",
    multiple=True,
    metavar="MODULE|FILE.py",
    help="A module or file with models of your own. May be repeated.  [MFN_IMPORT]",
)
@click.version_option(__version__, prog_name="mfn-api")
def main(host: str, port: int, workers: int, imports: tuple[str, ...]) -> None:
    """Serve mfnjax over HTTP.

    Settings come from environment variables that begin with MFN_; see docs/server.md.
    """
    if imports:  # by the environment: workers and jobs read it, too
        given = os.environ.get("MFN_IMPORT", "")
        os.environ["MFN_IMPORT"] = ",".join(filter(None, (given, *imports)))
    try:
        settings = Settings.from_environment()
        open_store(settings)  # now, while it can still be said in a line
    except SettingsError as error:
        print(f"mfn-api: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    listening = _listen(host, port)
    address = "http://{}:{}".format(*listening.getsockname()[:2])
    print(f"mfn-api {__version__} on {address}", file=sys.stderr, flush=True)
    for remark in remarks(settings, os.environ, listening.getsockname()[0]):
        print(f"mfn-api: {remark}", file=sys.stderr, flush=True)
    if workers > 1:
        raise SystemExit(supervise(listening, settings, workers))
    leave(serve(listening, settings))


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
