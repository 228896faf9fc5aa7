"""Other people's machines: any locale, home, or variables left from another environment."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import nbformat
import pytest
import yaml
from address import (
    BUTTONS,
    CELL,
    ROOT,
    public_address,
    read_address,
    with_badges,
    with_first_cell,
    write_badges,
    write_first_cells,
)
from bs4 import BeautifulSoup

SOURCES = sorted(
    file.relative_to(ROOT).as_posix()
    for pattern in ("*.py", "benchmarks/*.py", "book/*.ipynb", "book/sphinx_ext/*.py", "tests/*.py", "vae_widgets/*.py")
    for file in ROOT.glob(pattern)
)
PLAIN = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}  # ASCII, as little as Windows' own encodings
NO_HOME = dict.fromkeys(["HOME", "USERPROFILE", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"], os.devnull)


def python(*arguments, **variables):
    """What Python prints; an error of it fails the test."""
    done = subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, env=os.environ | variables, capture_output=True, encoding="utf-8"
    )
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


def read(name):
    return (ROOT / name).read_text(encoding="utf-8")


def names_no_encoding(call):
    """Whether a call may open a text in the encoding of whoever's machine it is."""
    name = getattr(call.func, "attr", getattr(call.func, "id", ""))
    given = {keyword.arg for keyword in call.keywords}
    if name in ("run", "Popen", "check_output"):
        return bool(given & {"text", "universal_newlines"}) and "encoding" not in given
    modes = [word.value for word in call.args[-1:] if isinstance(word, ast.Constant) and isinstance(word.value, str)]
    text = name in ("read_text", "write_text") or (name == "open" and any(set(m) <= set("rwax+t") for m in modes))
    return text and "encoding" not in given


@pytest.mark.parametrize(
    "code, found",
    [
        ("path.read_text()", True),
        ('path.read_text(encoding="utf-8")', False),
        ('path.write_text("a")', True),
        ('open(path, "w")', True),
        ('open(path, "wb")', False),
        ("run(command, text=True)", True),
        ("run(command)", False),
    ],
)
def test_what_names_no_encoding_is_seen(code, found):
    assert names_no_encoding(ast.parse(code).body[0].value) == found


@pytest.mark.parametrize("name", SOURCES)
def test_files_are_opened_with_their_encoding(name):
    text = read(name)
    if name.endswith(".ipynb"):
        cells = nbformat.reads(text, as_version=4).cells
        text = "\n".join(cell.source for cell in cells if cell.cell_type == "code")
    calls = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
    assert [ast.unparse(call) for call in calls if names_no_encoding(call)] == []


def test_imports_and_data_in_a_plain_locale_without_a_home():
    shown = python(
        "-W",
        "error::EncodingWarning",
        "-c",
        """
import train, vae_core as vc, vae_widgets
print(len(vc.load_mnist().test_labels), len(vc.trained_models()) > 20, len(vae_widgets.Faces()._esm) > 10_000)
""",
        PYTHONWARNDEFAULTENCODING="1",
        **PLAIN,
        **NO_HOME,
    )
    assert shown.split() == ["10000", "True", "True"]


def test_chapters_run_without_the_tool_chain():
    """As where the wheel alone is installed: the numbers for the pages' text go nowhere."""
    shown = python(
        "-c",
        """
import sys
sys.modules["myst_nb"] = None  # an ImportError
from vae_widgets.notebook import glue
print(glue("name", 1.5, display=False))
""",
    )
    assert shown.strip() == "None"


# ------------------------------------------------------------------------------------
# A book of two pages, set up as the real one, built under hostile variables
# ------------------------------------------------------------------------------------

CELL_OF_FIGURE = """\
import os, sys, torch
import matplotlib.pyplot as plt
from vae_widgets.notebook import glue
plt.plot([0, 1])
glue("python", sys.executable, display=False)
print("runs", sys.executable, "naïve", os.environ.get("FROM_HOME"))
"""


def write_config(folder, address):
    config = yaml.safe_load(read("_config.yml"))
    config["sphinx"]["config"]["html_theme_options"]["repository_url"] = address
    (folder / "_config.yml").write_text(yaml.safe_dump(config), encoding="utf-8")


def write_small_book(folder, address=""):
    """The real configuration and extensions, with one page, and links to the rest of what they need."""
    (folder / "book").mkdir(parents=True)
    write_config(folder, address)
    (folder / "_toc.yml").write_text("format: jb-book\nroot: book/index\n", encoding="utf-8")
    for part in ("sphinx_ext", "assets", "templates", "references.bib"):
        (folder / "book" / part).symlink_to(ROOT / "book" / part)
    (folder / "vae_widgets").symlink_to(ROOT / "vae_widgets")
    cells = [nbformat.v4.new_markdown_cell("# Naïve title"), nbformat.v4.new_code_cell(CELL_OF_FIGURE)]
    metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3"}, "description": "Is it naïve? See."}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=metadata), folder / "book/index.ipynb")
    return folder


def build(folder, **variables):
    program = Path(sys.executable).with_name("jupyter-book")
    python(program, "build", folder, "-W", "-n", "--keep-going", **variables)
    page = BeautifulSoup((folder / "_build/html/book/index.html").read_text(encoding="utf-8"), "html.parser")
    assert (folder / "_build/html/.nojekyll").exists()
    return page


@pytest.fixture
def hostile(tmp_path):
    """Variables that another environment, and another reader's home, have left behind."""
    other = tmp_path / "other"
    kernel = other / "kernels/python3/kernel.json"
    kernel.parent.mkdir(parents=True)
    argv = ["/nowhere/bin/python", "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    kernel.write_text(json.dumps({"argv": argv, "display_name": "another", "language": "python"}), encoding="utf-8")
    startup = tmp_path / "ipython/profile_default/startup"
    startup.mkdir(parents=True)
    (startup / "0.py").write_text("import os; os.environ['FROM_HOME'] = 'yes'", encoding="utf-8")
    return (
        {
            "MPLBACKEND": "Agg",
            "JUPYTER_PATH": str(other),
            "IPYTHONDIR": str(tmp_path / "ipython"),
            "MATPLOTLIBRC": str(tmp_path),
        }
        | PLAIN
        | NO_HOME
    )


def test_the_build_is_the_environments_own(tmp_path, hostile):
    page = build(write_small_book(tmp_path / "book"), **hostile)
    assert page.select_one(".cell_output img")
    assert page.select_one(".cell_output pre").text.split() == ["runs", sys.executable, "naïve", "None"]
    assert "Naïve title" in page.h1.text
    assert page.select(".btn-source-repository-button, .btn-launch-colab, .dropdown-launch-buttons") == []
    assert page.select("link[rel=canonical], meta[property='og:url'], meta[property='og:image']") == []


def test_a_program_of_the_environment_finds_its_own_kernel(hostile):
    shown = python("book/sphinx_ext/own_environment.py", "jupyter", "kernelspec", "list", "--json", **hostile)
    assert Path(json.loads(shown)["kernelspecs"]["python3"]["resource_dir"]).is_relative_to(sys.prefix)


NO_MAKE = pytest.mark.skipif(not shutil.which("make"), reason="there is no make")


@NO_MAKE
@pytest.mark.parametrize(
    "target, expected",
    [
        (
            "lab",
            "python book/sphinx_ext/own_environment.py jupyter-lab --LabApp.default_url=/lab/tree/book/index.ipynb",
        ),
        ("book", "jupyter-book build . -W -n --keep-going"),
    ],
)
def test_make_starts_its_own_environment(tmp_path, target, expected):
    (tmp_path / "bin").mkdir()
    (tmp_path / ".installed").touch()
    program = tmp_path / "bin/python"
    program.write_text('#!/bin/sh\necho "ran $(basename $0) $@"\nenv\n', encoding="utf-8")
    program.chmod(0o755)
    (tmp_path / "bin/jupyter-book").symlink_to(program)
    others = dict.fromkeys(["PYTHONPATH", "PYTHONHOME", "PYTHONDONTWRITEBYTECODE"], "/elsewhere")
    done = subprocess.run(
        ["make", f"VENV={tmp_path}", target],
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        env=os.environ | PLAIN | others,
    )
    lines = done.stdout.splitlines()
    assert f"ran {expected}" in lines and "PYTHONUTF8=1" in lines
    assert [line for line in lines if line.partition("=")[0] in others] == []


@NO_MAKE
def test_plain_commands_are_those_of_make():
    """What the README shows for Windows, what Binder runs, and the public workflow install and build as make does."""
    install = "-m pip install --constraint constraints.txt --requirement requirements.txt"
    build = "jupyter-book build . -W -n --keep-going"
    printed = subprocess.run(
        ["make", "--dry-run", "--always-make", "book"], cwd=ROOT, capture_output=True, encoding="utf-8"
    ).stdout
    for text in (printed, *(read(name) for name in ("README.md", ".github/workflows/book.yml"))):
        assert install in text and build in text
    assert "--constraint constraints.txt" in read(".binder/postBuild")


@pytest.mark.parametrize("file", sorted((ROOT / ".github/workflows").glob("*.y*ml")), ids=lambda file: file.name)
def test_actions_are_pinned(file):
    """Each by its commit, since a tag can be moved, with its release beside it for whoever renews them."""
    used = re.findall(r"uses: *(.*)", file.read_text(encoding="utf-8"))
    pinned = re.compile(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")
    assert used and [line for line in used if not pinned.fullmatch(line)] == []


def test_the_parts_of_the_tests_are_all_of_them():
    jobs = yaml.safe_load(read(".github/workflows/book.yml"))["jobs"]
    parts = " ".join(jobs["test"]["strategy"]["matrix"]["tests"]).split()
    named = [file for part in parts for file in ROOT.glob(part)]
    assert sorted(named) == sorted([ROOT / "book", *ROOT.glob("tests/test_*.py")])


# ------------------------------------------------------------------------------------
# One setting, and what follows from it
# ------------------------------------------------------------------------------------

ADDRESS = "https://github.com/someone/some-book"


def test_an_address_gives_buttons(tmp_path):
    page = build(write_small_book(tmp_path, ADDRESS))
    targets = {link["href"] for link in page.select(".header-article a, .article-header-buttons a") if link.get("href")}
    colab, binder = BUTTONS["launch_buttons"]["colab_url"], BUTTONS["launch_buttons"]["binderhub_url"]
    assert targets >= {
        ADDRESS,
        f"{colab}/github/someone/some-book/blob/main/book/index.ipynb",
        f"{binder}/v2/gh/someone/some-book/main?urlpath=lab/tree/book/index.ipynb",
    }

    home = "https://someone.github.io/some-book"
    assert page.select_one("link[rel=canonical]")["href"] == f"{home}/book/index.html"
    assert page.select_one("meta[property='og:image']")["content"] == f"{home}/_share/index.png"
    assert json.loads(page.select_one("script[type='application/ld+json']").string)["url"] == f"{home}/book/index.html"
    start = BeautifulSoup((tmp_path / "_build/html/index.html").read_text(encoding="utf-8"), "html.parser")
    assert start.select_one("meta[property='og:image']")["content"] == f"{home}/_share/index.png"


@pytest.mark.parametrize(
    "repository, expected",
    [
        ("https://github.com/Someone/Some-Book", "https://someone.github.io/Some-Book/"),
        ("https://github.com/someone/some-book.git", "https://someone.github.io/some-book/"),
        ("https://github.com/Someone/someone.github.io/", "https://someone.github.io/"),
        ("https://example.org/someone/some-book", ""),
    ],
)
def test_the_pages_address_follows_from_the_repositorys(repository, expected):
    assert public_address(repository) == expected


def test_an_address_gives_notebooks_a_first_cell(tmp_path):
    write_small_book(tmp_path, ADDRESS)
    before = (tmp_path / "book/index.ipynb").read_text(encoding="utf-8")
    write_first_cells(tmp_path)
    cells = nbformat.read(tmp_path / "book/index.ipynb", as_version=4).cells
    assert [cell.cell_type for cell in cells] == ["markdown", "code", "code"]
    asked = []
    shell = type("Shell", (), {"run_line_magic": lambda self, *line: asked.append(line)})
    missing = cells[1].source.replace("vae_core", "no_such_module")
    for source in (cells[1].source, missing):  # here it is installed
        exec(source, {"get_ipython": shell})
    assert asked == [("pip", f"install --quiet 'vae-book[widgets] @ git+{ADDRESS}'")]
    write_config(tmp_path, "")
    write_first_cells(tmp_path)
    after = json.loads((tmp_path / "book/index.ipynb").read_text(encoding="utf-8"))
    assert after == json.loads(before)


@pytest.mark.parametrize("file", sorted((ROOT / "book").glob("*.ipynb")), ids=lambda file: file.stem)
def test_notebooks_agree_with_the_address(file):
    """If this fails: make address."""
    notebook = json.loads(file.read_text(encoding="utf-8"))
    assert with_first_cell(notebook, read_address(ROOT)) == notebook
    assert any(cell["id"] == CELL for cell in notebook["cells"]) == bool(read_address(ROOT))


def test_an_address_gives_the_readme_its_badges(tmp_path):
    """And none takes them away; what is true without one stays."""
    (tmp_path / "README.md").write_text(before := with_badges(read("README.md"), ""), encoding="utf-8")
    write_config(tmp_path, f"{ADDRESS}.git")
    write_badges(tmp_path)
    after = (tmp_path / "README.md").read_text(encoding="utf-8")
    workflow = re.search(r"\]\((.*?)/badge\.svg\)\]\((.*?)\)", after)
    assert workflow[1] == workflow[2] == f"{ADDRESS}/actions/workflows/book.yml"
    assert (ROOT / ".github/workflows" / Path(workflow[1]).name).exists()
    assert "[Read it](https://someone.github.io/some-book/)" in after
    assert with_badges(after, "") == before
    elsewhere = with_badges(before, "https://example.org/someone/some-book", "https://book.example.org/")
    assert "badge.svg" not in elsewhere and "[Read it](https://book.example.org/)" in elsewhere


def test_the_readme_agrees_with_the_address_and_the_package():
    """If the first fails: make address."""
    text = read("README.md")
    pages = yaml.safe_load(read("_config.yml"))["html"].get("baseurl", "")
    assert with_badges(text, read_address(ROOT), pages) == text
    project = tomllib.loads(read("pyproject.toml"))["project"]
    python, code, prose = re.search(r"Python ≥ ([\d.]+) · code: (\w+) · text: ([\w. ]+) ·", text).groups()
    assert project["requires-python"] == f">={python}"
    assert {code, prose.replace(" ", "-")} <= set(project["license"].split(" AND "))


def test_what_the_readme_leads_to_is_there():
    found = re.findall(r"\]\((?!https?:)([^)#]+)\)", read("README.md"))
    assert len(found) > 3 and [name for name in found if not (ROOT / name).exists()] == []
    assert (ROOT / "book/machine.webp").stat().st_size < 600_000  # a reader on a slow line sees it soon
