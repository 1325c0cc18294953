"""Headless Chromium over its DevTools protocol: opens a page from disk and drives it."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any

import websocket

EXECUTABLE = shutil.which("chromium") or shutil.which("chromium-browser")
WITHOUT = "Chromium not found: install Debian's package `chromium`"

# Software WebGL, and nothing that looks for a network by itself.
_flags = (
    "--headless=new", "--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader",
    "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--mute-audio",
    "--remote-allow-origins=*", "--remote-debugging-port=0", "--hide-scrollbars",
)  # fmt: skip
_patience = 90.0  # s; the machine may be busy


class Browser:
    """``with Browser() as browser: browser.open(path)``. Collects what the page complains of
    (`complaints`) and every request beyond the page itself (`requests`)."""

    def __init__(self, *, width: int = 1280, height: int = 900, mobile: bool = False) -> None:
        self._size = (width, height, mobile)
        self._folder = tempfile.mkdtemp(prefix="zifglass-chromium-")
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.downloads = Path(self._folder) / "downloads"
        self._next = 0
        self._loaded = False

    def __enter__(self) -> Browser:
        assert EXECUTABLE is not None, WITHOUT
        self._process = subprocess.Popen(
            [EXECUTABLE, *_flags, f"--user-data-dir={self._folder}/profile", "about:blank"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            self._connect()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if hasattr(self, "_socket"):
            self._socket.close()
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _connect(self) -> None:
        """To the browser, then to its one tab, over one socket."""
        said = Path(self._folder) / "profile" / "DevToolsActivePort"
        end = time.monotonic() + _patience
        while not (said.exists() and len(said.read_text().splitlines()) == 2):
            assert self._process.poll() is None, "Chromium ended at once"
            assert time.monotonic() < end, "Chromium did not open its port"
            time.sleep(0.05)
        port, path = said.read_text().splitlines()
        self._socket = websocket.create_connection(
            f"ws://127.0.0.1:{port}{path}", timeout=_patience, suppress_origin=True
        )
        self._session: str | None = None
        targets = self.call("Target.getTargets")["targetInfos"]
        tab = next(t["targetId"] for t in targets if t["type"] == "page")
        self._session = self.call("Target.attachToTarget", targetId=tab, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")
        width, height, mobile = self._size
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height,
            deviceScaleFactor=2 if mobile else 1, mobile=mobile,
        )  # fmt: skip
        if mobile:
            self.call("Emulation.setTouchEmulationEnabled", enabled=True)

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One command and its answer; events that come meanwhile are noted."""
        self._next += 1
        message: dict[str, Any] = {"id": self._next, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        self._socket.send(json.dumps(message))
        while True:
            answer = json.loads(self._socket.recv())
            if answer.get("id") == self._next:
                assert "error" not in answer, answer["error"]
                result: dict[str, Any] = answer["result"]
                return result
            self._note(answer)

    def _note(self, event: dict[str, Any]) -> None:
        method, about = event.get("method"), event.get("params", {})
        if method == "Runtime.exceptionThrown":
            details = about["exceptionDetails"]
            self.complaints.append(
                details.get("exception", {}).get("description") or details["text"]
            )
        elif method == "Runtime.consoleAPICalled" and about["type"] in ("error", "warning"):
            self.complaints.append(" ".join(str(a.get("value")) for a in about["args"]))
        elif method == "Log.entryAdded" and about["entry"]["level"] in ("error", "warning"):
            self.complaints.append(about["entry"]["text"])
        elif method == "Network.requestWillBeSent":
            self.requests.append(about["request"]["url"])
        elif method == "Page.loadEventFired":
            self._loaded = True

    def open(self, path: Path) -> float:
        """Open a file and wait for its load event; s until then, by the page's own clock."""
        self._loaded = False
        self.call("Page.navigate", url=path.resolve().as_uri())
        end = time.monotonic() + _patience
        while not self._loaded:
            assert time.monotonic() < end, f"{path} did not load"
            self.evaluate("0")
            time.sleep(0.02)
        took = self.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd / 1000")
        return float(took)

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression; a promise is waited for."""
        answer = self.call(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def wait(self, expression: str) -> Any:
        """Until an expression is true, as long as a busy machine may need."""
        end = time.monotonic() + _patience
        while True:
            value = self.evaluate(f"!!({expression})")
            if value:
                return value
            assert time.monotonic() < end, f"never true: {expression}"
            time.sleep(0.05)

    def press(self, key: str, code: int = 0, text: str = "") -> None:
        """A key, as a person presses it."""
        about = {"key": key, "windowsVirtualKeyCode": code, "code": key}
        self.call("Input.dispatchKeyEvent", type="keyDown", text=text, **about)
        self.call("Input.dispatchKeyEvent", type="keyUp", **about)

    def click(self, selector: str) -> None:
        """The middle of an element, scrolled into sight."""
        x, y = self.evaluate(
            f"(() => {{ const e = document.querySelector({selector!r});"
            "e.scrollIntoView({block: 'center', behavior: 'instant'});"
            "const b = e.getBoundingClientRect();"
            "return [b.x + b.width / 2, b.y + b.height / 2]; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def screenshot(self, path: Path, *, whole: bool = False) -> None:
        """What is in sight, or the whole page, as PNG."""
        answer = self.call("Page.captureScreenshot", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(answer["data"]))

    def picture(self, x: float, y: float, width: float, height: float) -> bytes:
        """A rectangle of the page, px, as PNG."""
        clip = {"x": x, "y": y, "width": width, "height": height, "scale": 1}
        answer = self.call("Page.captureScreenshot", clip=clip, captureBeyondViewport=True)
        return base64.b64decode(answer["data"])

    def wait_for(self, path: Path) -> None:
        """Until a file that is being saved is whole."""
        end = time.monotonic() + _patience
        while not path.exists():
            assert time.monotonic() < end, f"{path.name} was not saved"
            self.evaluate("0")
            time.sleep(0.05)

    def print(self, path: Path) -> None:
        """The page on paper, as PDF."""
        answer = self.call("Page.printToPDF", printBackground=True, preferCSSPageSize=True)
        path.write_bytes(base64.b64decode(answer["data"]))
