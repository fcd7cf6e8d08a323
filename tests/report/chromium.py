"""Headless Chromium, driven over its debugging pipe: no driver, no socket, no dependency."""

import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import time

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)
TIMEOUT_SECONDS = 60.0
KEYS = {"Enter": (13, "\r"), " ": (32, " "), "Escape": (27, ""), "Tab": (9, ""), "g": (71, "g")} | {
    f"Arrow{way}": (code, "") for code, way in enumerate(("Left", "Up", "Right", "Down"), start=37)
}
SHIFT = 8


def find_chromium():
    return next((path for name in NAMES if (path := shutil.which(name))), None)


def _pipe():
    """Make a pipe whose descriptors are out of the way of 3 and 4."""
    ends = os.pipe()
    high = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in ends]
    for end in ends:
        os.close(end)
    return high


class Chromium:
    """One browser with one page; messages go to descriptor 3 and come from descriptor 4."""

    def __init__(self, profile):
        (to_browser, self._out), (self._in, from_browser) = _pipe(), _pipe()
        command = ["bash", "-c", f'exec "$0" "$@" 3<&{to_browser} 4>&{from_browser}', find_chromium(), *FLAGS]
        self._process = subprocess.Popen(
            [*command, f"--user-data-dir={profile}", "about:blank"],
            pass_fds=(to_browser, from_browser),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_browser)
        os.close(from_browser)
        self._buffer, self._count, self._session = b"", 0, None
        self.events = []
        try:
            target = self.send("Target.createTarget", url="about:blank")["targetId"]
            self._session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
            for domain in ("Page", "Runtime", "Network", "Log"):
                self.send(f"{domain}.enable")
        except AssertionError:
            self._end()
            raise

    def close(self):
        self._session = None
        try:
            self.send("Browser.close")
            self._process.wait(10)
        finally:
            self._end()

    def _end(self):
        self._process.kill()
        self._process.wait()
        os.close(self._out)
        os.close(self._in)

    def send(self, method, **params):
        """Send a command and return its result."""
        self._count += 1
        message = {"id": self._count, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._out, data) :]
        while True:
            answer = self._receive()
            if answer.get("id") == self._count:
                assert "error" not in answer, answer["error"]
                return answer["result"]
            self.events.append(answer)

    def _receive(self):
        stop = time.monotonic() + TIMEOUT_SECONDS
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._in], [], [], stop - time.monotonic())
            assert ready, "Chromium does not answer"
            part = os.read(self._in, 1 << 20)
            assert part, "Chromium ended"
            self._buffer += part
        line, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(line)

    def open(self, path, fragment="", width=1280, height=860, scheme="light", *, is_touch=False):
        """Load a page of a size and colour scheme."""
        self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=is_touch,
        )
        self.send("Emulation.setTouchEmulationEnabled", enabled=is_touch, maxTouchPoints=1)
        self.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.send("Page.navigate", url="about:blank")
        self.events.clear()
        self.send("Page.navigate", url=f"{path.resolve().as_uri()}{fragment}")
        stop = time.monotonic() + TIMEOUT_SECONDS
        while not self.run("Boolean(globalThis.explorer) || document.readyState === 'complete'"):
            assert time.monotonic() < stop, "the page does not load"
            time.sleep(0.02)

    def run(self, code):
        """Evaluate JavaScript and return its value."""
        answer = self.send("Runtime.evaluate", expression=code, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def press(self, key, modifiers=0):
        code, text = KEYS[key]
        event = {"key": key, "windowsVirtualKeyCode": code, "modifiers": modifiers}
        self.send("Input.dispatchKeyEvent", type="keyDown", text=text, **event)
        self.send("Input.dispatchKeyEvent", type="keyUp", **event)

    def click(self, x, y, button="left", modifiers=0):
        event = {"x": x, "y": y, "button": button, "clickCount": 1, "modifiers": modifiers}
        self.send("Input.dispatchMouseEvent", type="mousePressed", **event)
        self.send("Input.dispatchMouseEvent", type="mouseReleased", **event)

    def tap(self, x, y, seconds=0.0):
        self.send("Input.dispatchTouchEvent", type="touchStart", touchPoints=[{"x": x, "y": y}])
        time.sleep(seconds)
        self.send("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])

    def picture(self):
        """Return what is shown as PNG."""
        return base64.b64decode(self.send("Page.captureScreenshot", format="png")["data"])

    def requests(self):
        """Return the addresses that the page asked for."""
        sent = [event for event in self.events if event.get("method") == "Network.requestWillBeSent"]
        return [event["params"]["request"]["url"] for event in sent]

    def complaints(self):
        """Return errors and warnings of the console."""
        return [
            event["params"]
            for event in self.events
            if event.get("method") in ("Runtime.exceptionThrown", "Log.entryAdded")
        ]
