"""Drives an installed Firefox, without a network, over WebDriver BiDi, which it speaks by itself."""

import json
import re
import shutil
import subprocess

import websocket

KEYS = {"ArrowLeft": "\ue012", "ArrowUp": "\ue013", "ArrowRight": "\ue014", "ArrowDown": "\ue015", "Space": " "}
# Every request that is not to the disk goes to a proxy that is not there.
SETTINGS = {
    "network.proxy.type": 1,
    "network.proxy.http": "127.0.0.1",
    "network.proxy.http_port": 9,
    "network.proxy.ssl": "127.0.0.1",
    "network.proxy.ssl_port": 9,
}


def find_firefox():
    return shutil.which("firefox") or shutil.which("firefox-esr")


class Firefox:
    """A browser with one page. `trouble` lists the page's errors and its requests that leave the disk."""

    def __init__(self, program, profile):
        settings = [f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in SETTINGS.items()]
        (profile / "user.js").write_text("".join(settings), encoding="utf-8")
        command = [program, "--headless", "--no-remote", "--profile", profile, "--remote-debugging-port", "0"]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, encoding="utf-8")
        said = []
        for line in self.process.stderr:
            said.append(line)
            if found := re.search(r"WebDriver BiDi listening on (ws://\S+)", line):
                break
        else:
            raise RuntimeError("Firefox did not start:\n" + "".join(said))
        self.socket = websocket.create_connection(f"{found[1]}/session", suppress_origin=True, timeout=60)
        self.sent, self.trouble = 0, []
        self.send("session.new", capabilities={})
        # The window that it starts with is never in focus, and a box there is deaf to the space bar.
        self.page = self.send("browsingContext.create", type="window")["context"]
        self.send("session.subscribe", events=["log.entryAdded", "network.beforeRequestSent"])

    def send(self, method, **params):
        self.sent += 1
        self.socket.send(json.dumps({"id": self.sent, "method": method, "params": params}))
        while True:
            message = json.loads(self.socket.recv())
            if message.get("id") == self.sent:
                if message["type"] == "error":
                    raise RuntimeError(f"{method}: {message['message']}")
                return message["result"]
            self.note(message)

    def note(self, event):
        if event["method"] == "log.entryAdded" and event["params"]["level"] == "error":
            self.trouble.append(f"error: {event['params']['text']}")
        if event["method"] == "network.beforeRequestSent":
            address = event["params"]["request"]["url"]
            if not address.startswith(("file:", "data:", "blob:")):
                self.trouble.append(f"request to {address}")

    def open(self, address, width=1280):
        self.trouble.clear()
        self.send("browsingContext.setViewport", context=self.page, viewport={"width": width, "height": 900})
        self.send("browsingContext.navigate", context=self.page, url=address, wait="complete")

    def evaluate(self, expression):
        """The value of a JavaScript expression, or of its promise."""
        result = self.send(
            "script.evaluate",
            expression=f"(async () => JSON.stringify(await ({expression})))()",
            target={"context": self.page},
            awaitPromise=True,
        )
        if result["type"] == "exception":
            raise RuntimeError(result["exceptionDetails"]["text"])
        return json.loads(result["result"].get("value", "null"))

    def press(self, key):
        value = KEYS[key]
        strokes = [{"type": "keyDown", "value": value}, {"type": "keyUp", "value": value}]
        keyboard = {"type": "key", "id": "keyboard", "actions": strokes}
        self.send("input.performActions", context=self.page, actions=[keyboard])

    def close(self):
        self.socket.close()
        self.process.terminate()
        self.process.wait()
