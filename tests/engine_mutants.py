"""The engine's part of `make mutants`: StrykerJS makes the changes, and test_engine.py runs in Node for each."""

import contextlib
import functools
import hashlib
import io
import json
import select
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import test_engine
from playwright.sync_api import Error

from vae_widgets import modules

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "_build/mutants/engine"
MODULES = ["densities", "bounds", "networks", "draws", "products", "weights"]
CHOICE = "not (burda or vae-beta or vae-z or orker or job or Job)"  # a model of each kind; Workers are for pages
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


# In the place of conftest.py's: this module is a plugin of pytest.
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


noticed_last: dict[str, int] = {}  # by which test


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: -noticed_last.get(item.nodeid, 0))


def pytest_runtest_logreport(report):
    if report.failed:
        noticed_last[report.nodeid] = max(noticed_last.values(), default=0) + 1


def fails():
    """Whether a test notices what the modules in FOLDER have become."""
    modules.module.cache_clear()
    modules.joined.cache_clear()
    test_engine.SOURCE = modules.joined("engine.js")
    options = ["-x", "-q", "--noconftest", "-n", "0", "-p", "no:cacheprovider", "-k", CHOICE]
    with contextlib.redirect_stdout(io.StringIO()) as said:
        code = pytest.main([*options, str(ROOT / "tests/test_engine.py")], plugins=[sys.modules[__name__]])
    assert code in (0, 1), said.getvalue()
    return code == 1


def changes():
    """Of each change: the module, its text, from where to where it is replaced, and by what."""
    shutil.copytree(ROOT / "vae_widgets", FOLDER, dirs_exist_ok=True)
    modules.FOLDER = FOLDER
    test_engine.Network.of = functools.cache(test_engine.Network.of)
    assert not fails(), "the tests fail without any change"
    files = {name: FOLDER / f"{name}.js" for name in MODULES}
    made = subprocess.run(["node", ROOT / "tests/mutants.mjs", *files.values()], capture_output=True, check=True)
    for change in json.loads(made.stdout):
        name = Path(change["file"]).stem
        yield name, files[name].read_text(encoding="utf-8"), change["start"], change["end"], change["replacement"]


def noticed(name, mutant):
    """Whether a test notices that the text of a module is another. What was noticed is not tried again."""
    file, known = FOLDER / f"{name}.js", FOLDER / "noticed.txt"
    text = file.read_text(encoding="utf-8")
    key = hashlib.sha256(f"{text} {mutant}".encode()).hexdigest()
    if known.exists() and key in known.read_text(encoding="utf-8"):
        return True
    try:
        file.write_text(mutant, encoding="utf-8")
        found = fails()
    finally:
        file.write_text(text, encoding="utf-8")
    if found:
        with known.open("a", encoding="utf-8") as lines:
            lines.write(f"{key}\n")
    return found
