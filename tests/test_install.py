"""The wheel, used as a reader uses it: from another folder, with no network, no checkout, and nothing to write on."""

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions

import pytest
from conftest import ROOT

PARTS = [
    "pyproject.toml",
    "README.md",
    "LICENSE",
    "vae_core.py",
    "vae_parts.py",
    "vae_machinery",
    "vae_widgets",
    "book/costs.json",
    "book/problem_set.json",
    "book/data",
    "book/trained",
]

# Before anything else: only what was installed is found, and nobody is asked.
ALONE = """
import socket, sys

def refuse(*_, **__):
    raise AssertionError("the network was asked for")

socket.socket.connect = socket.getaddrinfo = refuse
sys.path.insert(0, {installed!r})
import vae_core
import vae_machinery
import vae_parts
import vae_widgets
for module in vae_core, vae_machinery, vae_parts, vae_widgets:
    assert module.__file__.startswith({installed!r}), module.__file__
"""


def test_what_is_imported_is_declared():
    """Also where something else has installed it already."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = {
        re.match(r"[\w-]+", wanted)[0]
        for wanted in project["dependencies"] + project["optional-dependencies"]["widgets"]
    }
    homes = packages_distributions()
    known = sys.stdlib_module_names | {"vae_core", "vae_machinery", "vae_parts", "vae_widgets"}
    known |= {"myst_nb", "font_source_sans_pro", "matplotlib_inline"}  # these may be missing
    for file in [*ROOT.glob("vae_*.py"), ROOT / "train.py", *ROOT.glob("vae_*/*.py")]:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = (
                [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else ([node.module] if isinstance(node, ast.ImportFrom) and not node.level else [])
            )
            for name in {name.split(".")[0] for name in names} - known:
                assert declared & set(homes[name]), f"{file.name} imports {name}"


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The folder of an installation. It is built from a copy, since setuptools leaves a folder `build` beside it."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("installed")
    for part in PARTS:
        copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy
        (source / part).parent.mkdir(exist_ok=True)
        copy(ROOT / part, source / part)
    options = ["--no-index", "--no-build-isolation", "--no-deps", "--quiet", "--target", target]
    subprocess.run([sys.executable, "-m", "pip", "install", *options, source], check=True)
    return target


@pytest.fixture
def run(installed, tmp_path):
    """A function that runs a program with what is installed, and returns what it prints."""

    def run(program):
        nowhere = dict.fromkeys(["HOME", "USERPROFILE", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"], os.devnull)
        plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}  # -I would ignore the latter two
        kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        done = subprocess.run(
            [sys.executable, "-c", ALONE.format(installed=str(installed)) + program],
            cwd=tmp_path,
            env=kept | nowhere | plain,
            capture_output=True,
            encoding="utf-8",
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def test_the_readme_is_right(run):
    """Its programs, one after the other, but for that of several processes."""
    blocks = re.findall("```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    alone = [block for block in blocks if "init_process_group" not in block]
    assert len(alone) == len(blocks) - 1 == 3
    shown = run("\n".join(alone) + "\nprint(traversal.z, tuple(traversal.image.shape))")
    nats, after = shown.splitlines()
    assert -96 < float(re.search(r"-?\d+\.\d+", nats)[0]) < -78
    assert after == f"{[0.0] * 10} (28, 28)"


def test_all_models_and_digits_are_there(run):
    shown = run("""
import vae_core as vc
assert all(vc.load_trained(name).x_dim == 784 for name in vc.trained_models())
print(*vc.trained_models())
print(vc.load_mnist().train_labels[:5].tolist())
print(all((vc.BOOK / name).exists() for name in ("costs.json", "problem_set.json"))) # what two pages read
""")
    names = [file.stem for file in sorted((ROOT / "book/trained").iterdir())]
    assert shown.splitlines() == [" ".join(names), "[5, 0, 4, 1, 9]", "True"]


def test_all_widgets_are_there(run):
    shown = run(f"""
sys.path.append({str(ROOT / "tests")!r})
from widget_examples import EXAMPLES, WIDGETS
print(sum(len(EXAMPLES[name]()._esm) > 30_000 for name in WIDGETS) == len(WIDGETS) > 15)
""")
    assert shown.strip() == "True"
