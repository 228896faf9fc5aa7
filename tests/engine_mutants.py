"""The engine's part of `make mutants`: StrykerJS makes the changes, and test_engine.py runs in Node for each."""

import contextlib
import functools
import json
import os
import select
import shutil
import subprocess
import tempfile
from pathlib import Path

import mutants
import pytest
import test_engine
from playwright.sync_api import Error

from vae_widgets import modules

ROOT = Path(__file__).parents[1]
MODULES = ["densities", "bounds", "networks", "draws", "products", "weights"]
# A model of each kind, and nothing of Workers, which are for pages.
OPTIONS = ["-k", "not (burda or vae-beta or vae-z or orker or job or Job)", str(ROOT / "tests/test_engine.py")]
PATIENCE = 20  # seconds for an answer
# What a page has, and Node has not.
SERVER = """
globalThis.Blob = class { constructor(parts) { this.parts = parts; } };
URL.createObjectURL = ({ parts }) => `data:text/javascript;base64,${Buffer.from(parts[0]).toString("base64")}`;
globalThis.FileReader = class {
  readAsDataURL({ parts: [floats] }) {
    this.result = `,${Buffer.from(floats.buffer, floats.byteOffset, floats.byteLength).toString("base64")}`;
    setTimeout(() => this.onload());
  }
};
const told = (_, a) => (typeof a === "number" && !Number.isFinite(a) ? { special: String(a) } : a);
require("node:readline").createInterface({ input: process.stdin }).on("line", async (line) => {
  const { call, data } = JSON.parse(line);
  let answer;
  try {
    const found = (0, eval)(`(${call})`);
    answer = { value: await (typeof found === "function" ? found(data) : found) };
  } catch (error) {
    answer = { error: String(error) };
  }
  console.log(JSON.stringify(answer, told));
});
"""


class NodePage:
    """What test_engine.py asks of a page."""

    def __init__(self):
        self.node = subprocess.Popen(["node", "-e", SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)

    def evaluate(self, call, data=None):
        line = b""
        with contextlib.suppress(BrokenPipeError):
            self.node.stdin.write(json.dumps({"call": call, "data": data}).encode() + b"\n")
        while not line.endswith(b"\n"):
            ready, _, _ = select.select([self.node.stdout], [], [], PATIENCE)
            part = ready and self.node.stdout.read(1 << 20)
            if not part:
                raise TimeoutError("Node does not answer")
            line += part
        answer = json.loads(line, object_hook=lambda o: float(o["special"]) if "special" in o else o)
        if "error" in answer:
            raise Error(answer["error"])
        return answer.get("value")


@contextlib.contextmanager
def open_page(before=""):
    page = NodePage()
    try:
        page.evaluate(test_engine.SETUP, before + test_engine.SOURCE)
        page.evaluate("(data) => { globalThis.x = Float32Array.from(data); }", test_engine.digit().tolist())
        page.added, page.in_wasm = [], not before
        yield page
    finally:
        page.node.kill()
        page.node.communicate()


# In the place of conftest.py's fixtures: this module is a plugin of pytest.
@pytest.fixture(scope="session")
def page():
    with open_page() as page:
        yield page


@pytest.fixture(scope="session")
def plain_page():
    with open_page("delete globalThis.WebAssembly;") as page:
        yield page


@pytest.fixture(params=["page", "plain_page"])
def either_page(request):
    return request.getfixturevalue(request.param)


def changes():
    """Of each: the module, its text, and what it becomes."""
    files = [ROOT / f"vae_widgets/{name}.js" for name in MODULES]
    made = subprocess.run(["node", ROOT / "tests/mutants.mjs", *files], capture_output=True, check=True)
    for change in json.loads(made.stdout):
        file, start, end = Path(change["file"]), change["start"], change["end"]
        was = file.read_text(encoding="utf-8")
        now = was[:start] + change["replacement"] + was[end:]
        first, last = was.rfind("\n", 0, start) + 1, was.find("\n", end)
        text = mutants.shown(was[first:last], now[first : len(now) - len(was) + last])
        yield mutants.Change(file.name, f"{file.name}: {text}", mutants.key(was, now), (file.stem, now))


def prepare(session, run):
    """Gets ready what all trials share, and runs the tests without a change."""
    test_engine.Network.of = functools.cache(test_engine.Network.of)
    test_engine.digit()
    for name in {item.callspec.params.get("name", "vae") for item in session.items if hasattr(item, "callspec")}:
        for net in test_engine.trained(name).children():
            if isinstance(net, test_engine.vc.MLP):
                test_engine.Network.of(net, "float16")
    process = os.fork()
    if not process:
        os._exit(bool(run(session.items)))
    _, status = os.waitpid(process, 0)
    assert status == 0, "a test fails without any change"


def make(name, text):
    with tempfile.TemporaryDirectory() as folder:
        for each in modules.in_order("engine"):
            shutil.copy(modules.FOLDER / f"{each}.js", folder)
        (Path(folder) / f"{name}.js").write_text(text, encoding="utf-8")
        modules.FOLDER = Path(folder)
        modules.module.cache_clear()
        modules.joined.cache_clear()
        test_engine.SOURCE = modules.joined("engine.js")


def tests(items, name, text):
    """Those first that have one of the module's functions to compare, then those of whole networks."""
    return sorted(items, key=lambda item: "either_page" in item.fixturenames)
