"""A headless Chromium for tests of pages: what it renders, how it looks, and what axe-core finds."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
from contextlib import ExitStack
from importlib.resources import files
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit
from urllib.request import urlopen

from websockets.sync.client import connect

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
GRAVE = ("serious", "critical")


class Browser:
    """One tab, driven over the DevTools protocol."""

    def __init__(self, profile: Path) -> None:
        self._profile = profile
        self._stack = ExitStack()
        self._count = 0
        self.console: list[str] = []
        self.requests: list[str] = []

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            command = [str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0"]
            command += [f"--user-data-dir={self._profile}", "--hide-scrollbars", "about:blank"]
            process = stack.enter_context(
                subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
            )
            # before its pipe is closed and its end awaited
            stack.callback(process.terminate)
            assert process.stderr is not None
            line = next(line for line in process.stderr if "DevTools listening" in line)
            origin = re.search(r"ws://([^/]+)/", line)
            assert origin is not None
            with urlopen(f"http://{origin[1]}/json/list", timeout=30) as answer:
                page = next(item for item in json.load(answer) if item["type"] == "page")
            self._socket = stack.enter_context(connect(page["webSocketDebuggerUrl"], max_size=None, open_timeout=30))
            for name in ("Page.enable", "Runtime.enable", "Log.enable", "Network.enable"):
                self._ask(name)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def open(self, address: str, *, width: int = 1280, height: int = 900, dark: bool = False) -> None:
        """Load a page in a window of that size."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self._ask("Emulation.setDeviceMetricsOverride", **size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._ask("Emulation.setEmulatedMedia", features=[scheme])
        self._ask("Page.navigate", until="Page.loadEventFired", url=address)
        assert self.run("document.readyState") == "complete", urlsplit(address).path

    def run(self, script: str) -> Any:
        """Return what a script gives, awaited; the page's policy does not hold for it."""
        answer = self._ask("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def screenshot(self, path: Path) -> None:
        """Write the whole page as PNG."""
        taken = self._ask("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(taken["data"]))

    def violations(self) -> list[str]:
        """Return what axe-core finds on the page that is serious or critical: rule, element, why."""
        self.run(files("axe_core_python").joinpath("axe.min.js").read_text(encoding="utf-8") + "; 0")
        found = self.run("axe.run({resultTypes: ['violations']}).then(result => result.violations)")
        return [
            f"{item['id']} ({item['impact']}): {node['html'][:160]} {node['failureSummary'][:200]}"
            for item in found
            if item["impact"] in GRAVE
            for node in item["nodes"]
        ]

    def show(self, *, medium: str = "", **features: str) -> None:
        """Show the page as in another medium, e.g. print, or with other features, e.g. forced_colors."""
        told = [{"name": name.replace("_", "-"), "value": value} for name, value in features.items()]
        self._ask("Emulation.setEmulatedMedia", media=medium, features=told)

    def press(self, key: str, *, shift: bool = False) -> None:
        """Press a key as a person would: Tab, Enter, Space."""
        code = {"Tab": 9, "Enter": 13, "Space": 32}[key]
        told: dict[str, Any] = {"key": " " if key == "Space" else key, "code": key, "windowsVirtualKeyCode": code}
        text = {"Enter": "\r", "Space": " "}.get(key)
        if text is not None:
            told["text"] = text
        for kind in ("keyDown", "keyUp"):
            self._ask("Input.dispatchKeyEvent", type=kind, modifiers=8 if shift else 0, **told)

    def write(self, text: str) -> None:
        """Put text where the caret is."""
        self._ask("Input.insertText", text=text)

    def click(self, selector: str) -> None:
        """Click in the middle of the first element that fits."""
        x, y = self.run(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)});"
            " e.scrollIntoView({block: 'center'}); const b = e.getBoundingClientRect();"
            " return [b.x + b.width / 2, b.y + b.height / 2]; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self._ask("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def paper(self) -> bytes:
        """Return the page as PDF, of the size that its style sheet asks for."""
        printed = self._ask("Page.printToPDF", preferCSSPageSize=True, printBackground=True)
        return base64.b64decode(printed["data"])

    def overflow(self) -> int:
        """Return by how many pixels the page is wider than the window."""
        return int(self.run("document.documentElement.scrollWidth - document.documentElement.clientWidth"))

    def _ask(self, method: str, *, until: str | None = None, **parameters: Any) -> dict[str, Any]:
        self._count += 1
        self._socket.send(json.dumps({"id": self._count, "method": method, "params": parameters}))
        answer: dict[str, Any] | None = None
        while answer is None or until is not None:
            message = json.loads(self._socket.recv(timeout=60))
            match message.get("method"):
                case "Log.entryAdded":
                    self.console.append(message["params"]["entry"]["text"])
                case "Runtime.exceptionThrown":
                    self.console.append(str(message["params"]["exceptionDetails"]))
                case "Network.requestWillBeSent":
                    self.requests.append(message["params"]["request"]["url"])
            if message.get("method") == until:
                until = None
            if message.get("id") == self._count:
                assert "error" not in message, message
                answer = message["result"]
        return answer
