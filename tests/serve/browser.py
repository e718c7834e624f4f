"""Headless Chromium over the DevTools protocol: enough of it to test a page like a person.

Synchronous, and without a driver: the protocol is JSON over a web socket.
"""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from websockets.sync.client import ClientConnection, connect

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")


def chromium() -> str | None:
    """The browser of this machine, if it has one."""
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)


@dataclass
class Page:
    """A tab: what it asked for, what it complained of, and ways to use it."""

    socket: ClientConnection
    requested: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    _next: int = 0

    def command(self, method: str, **params: Any) -> Any:
        """Send a command and wait for its answer; events meanwhile are recorded."""
        self._next += 1
        number = self._next
        self.socket.send(json.dumps({"id": number, "method": method, "params": params}))
        while True:
            message = json.loads(self.socket.recv(timeout=20))
            if message.get("id") == number:
                if "error" in message:
                    raise RuntimeError(f"{method}: {message['error']['message']}")
                return message["result"]
            self._record(message)

    def _record(self, event: dict[str, Any]) -> None:
        params = event.get("params", {})
        if event.get("method") == "Network.requestWillBeSent":
            self.requested.append(params["request"]["url"])
        elif event.get("method") == "Runtime.exceptionThrown":
            details = params["exceptionDetails"]
            what = details.get("exception", {}).get("description") or details["text"]
            self.complaints.append(what)
        elif event.get("method") == "Runtime.consoleAPICalled" and params["type"] in (
            "error",
            "warning",
            "assert",
        ):
            self.complaints.append(f"console: {params['args']}")
        elif event.get("method") == "Log.entryAdded" and params["entry"]["level"] == "error":
            entry = params["entry"]
            self.complaints.append(f"{entry['source']}: {entry['text']} {entry.get('url', '')}")

    def run(self, script: str) -> Any:
        """The value of a JavaScript expression, promises awaited."""
        result = self.command(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        if "exceptionDetails" in result:
            raise RuntimeError(f"{script}: {result['exceptionDetails']['exception']}")
        return result["result"].get("value")

    def wait(self, script: str, within_s: float = 20) -> Any:
        """Wait until an expression is true; returns its value."""
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline:
            value = self.run(script)
            if value:
                return value
            time.sleep(0.03)
        raise AssertionError(f"never true within {within_s} s: {script}; {self.complaints}")

    def open(self, url: str, width: int, height: int = 900, *, scheme: str = "light") -> None:
        """Load a page at a window size."""
        self.command(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        scheme_feature = {"name": "prefers-color-scheme", "value": scheme}
        self.command("Emulation.setEmulatedMedia", features=[scheme_feature])
        self.run("document.documentElement.dataset.left = 'yes'")
        self.command("Page.navigate", url=url)
        self.wait("document.readyState === 'complete' && !document.documentElement.dataset.left")

    def press(self, key: str, times: int = 1) -> None:
        """Press a key on whatever has the focus."""
        codes = {"Enter": (13, "\r"), "Tab": (9, ""), "ArrowUp": (38, ""), "ArrowRight": (39, "")}
        code, text = codes[key]
        common = {"key": key, "code": key, "windowsVirtualKeyCode": code}
        for _ in range(times):
            self.command("Input.dispatchKeyEvent", type="keyDown", text=text, **common)
            self.command("Input.dispatchKeyEvent", type="keyUp", **common)

    def write(self, selector: str, text: str) -> None:
        """Replace the content of an input by typing."""
        self.run(f"(e => {{ e.focus(); e.select() }})(document.querySelector({selector!r}))")
        self.command("Input.insertText", text=text)

    def click(self, selector: str) -> None:
        """Click the middle of an element."""
        middle = (
            "e.scrollIntoView({block: 'center'}); const b = e.getBoundingClientRect();"
            "return [b.x + b.width / 2, b.y + b.height / 2]"
        )
        x, y = self.run(f"(e => {{ {middle} }})(document.querySelector({selector!r}))")
        for kind in ("mousePressed", "mouseReleased"):
            self.command(
                "Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1
            )

    def screenshot(self, path: Path, *, whole: bool = True) -> None:
        """Save a picture of the page."""
        shot = self.command("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(shot["data"]))


@contextmanager
def browser() -> Iterator[str]:
    """Start the browser; yields the address of its debugging port."""
    program = chromium()
    assert program, "no Chromium on this machine"
    with tempfile.TemporaryDirectory(prefix="mfn-chromium-", ignore_cleanup_errors=True) as home:
        process = subprocess.Popen(
            [
                program,
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--disable-background-networking",
                "--disable-component-update",
                "--no-first-run",
                "--remote-debugging-port=0",
                f"--user-data-dir={home}",
                "about:blank",
            ],
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
        )
        try:
            assert process.stderr is not None
            for line in process.stderr:
                if found := re.search(r"DevTools listening on ws://([^/]+)/", line):
                    break
            else:
                raise RuntimeError("Chromium ended before it listened")
            yield f"http://{found[1]}"
        finally:
            process.terminate()
            process.wait(10)


@contextmanager
def tab(address: str) -> Iterator[Page]:
    """A new tab with its events switched on; closed at the end."""
    target = httpx.put(f"{address}/json/new?about:blank", timeout=10).json()
    with connect(target["webSocketDebuggerUrl"], max_size=2**26) as socket:
        page = Page(socket)
        for domain in ("Page", "Runtime", "Network", "Log"):
            page.command(f"{domain}.enable")
        yield page
        page.command("Page.close")
