"""What CONTRIBUTING.md says is so: its recipes are carried out, as they stand there, in a copy of the repository."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib

import nbformat
import pytest
import yaml
from conftest import ROOT

TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
PAGE = "9_tails"
# A line that says what becomes of the block below it: of a whole file, or at a place in one; or of a notebook's cells.
STEP = re.compile(
    r"^`(?P<file>[\w./]+)`(?:, (?P<how>above|below|in place of) `(?P<at>[^`]+)`)?\n\n```\w+\n(?P<code>.*?)^```$",
    re.M | re.S,
)
NOTEBOOK = re.compile(r"^`(?P<file>[\w./]+\.ipynb)`, of the following cells, .*`(?P<description>.+)`$", re.M)
CELL = re.compile(r"^(?:Tag `(?P<tag>[\w-]+)`|No tag\b[^\n]*):\n\n```python\n(?P<code>.*?)^```$", re.M | re.S)
RUNS_CELLS = f"""
import nbformat

def test_the_cells_of_{PAGE}_run():
    for cell in nbformat.read("book/{PAGE}.ipynb", 4).cells:
        if cell.cell_type == "code":
            exec(cell.source, globals())
"""


def section(name):
    return TEXT.split(f"\n## {name}\n")[1].split("\n## ")[0]


def carry_out(recipe, folder):
    """Do what a recipe says; return the files that it touches."""
    for step in STEP.finditer(recipe):
        file, code = folder / step["file"], step["code"]
        if step["how"]:
            before = file.read_text(encoding="utf-8")
            lines = [line for line in before.splitlines() if step["at"] in line]
            assert len(lines) == 1, f"{step['file']} has {len(lines)} lines with {step['at']}"
            (line,) = lines
            changed = {
                "above": f"{code}\n\n{line}",
                "below": f"{line}\n{code.rstrip()}",
                "in place of": line.replace(step["at"], code.strip()),
            }
            code = before.replace(f"{line}\n", f"{changed[step['how']]}\n", 1)
        file.write_text(code, encoding="utf-8")
    if book := NOTEBOOK.search(recipe):
        write_notebook(recipe, folder / book["file"], book["description"])
    return [folder / found["file"] for pattern in (STEP, NOTEBOOK) for found in pattern.finditer(recipe)]


def write_notebook(recipe, file, description):
    cells = [nbformat.v4.new_markdown_cell(re.search(r"^```markdown\n(.*?)\n^```$", recipe, re.M | re.S)[1])]
    for cell in CELL.finditer(recipe):
        metadata = {"tags": [cell["tag"]]} if cell["tag"] else {}
        cells.append(nbformat.v4.new_code_cell(cell["code"].rstrip(), metadata=metadata))
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel, "description": description})
    file.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def run(folder, *arguments, **variables):
    """Run a program of this environment there, with the modules that lie there; return what it did."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    variables = kept | {"PYTHONPATH": str(folder)} | variables
    return subprocess.run(arguments, cwd=folder, env=variables, capture_output=True, encoding="utf-8")


@pytest.fixture(scope="module")
def changed(tmp_path_factory):
    """A copy of the repository in which all recipes have been carried out, and the files that they touch."""
    folder = tmp_path_factory.mktemp("copy")
    others = [line.strip("/") for line in (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()]
    shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(".git", *others), dirs_exist_ok=True)
    return folder, [file for name in ("A model", "A widget", "A chapter") for file in carry_out(section(name), folder)]


@pytest.mark.parametrize("name", ["A model", "A widget", "A chapter"])
def test_a_recipe_is_short(name):
    blocks = re.findall(r"^```\w+\n(.*?)^```$", section(name), re.M | re.S)
    assert 0 < sum(bool(line.strip()) for block in blocks for line in block.splitlines()) < 40


def test_what_the_recipes_make_has_the_books_form(changed):
    folder, files = changed
    python = [file for file in files if file.suffix in (".py", ".ipynb")]
    ruff, biome = [sys.executable, "-m", "ruff"], ROOT / "node_modules/.bin/biome"
    commands = [[*ruff, "format", "--check", *python], [*ruff, "check", "--output-format", "concise", *python]]
    if biome.exists():  # `npm ci` has been here
        commands.append([biome, "format", *(file for file in files if file.suffix == ".js")])
        commands.append([biome.with_name("tsc"), "-p", "jsconfig.json"])
    for command in commands:
        done = run(folder, *command)
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_recipes_work_and_name_what_a_chapter_still_lacks(changed):
    """Their own tests pass, and those that try every widget, every name and every notebook; others fail as they say."""
    folder, _ = changed
    (folder / "tests/test_cells.py").write_text(RUNS_CELLS, encoding="utf-8")
    files = {
        "test_student",
        "test_widget_pixel",
        "test_widgets",
        "test_api",
        "test_chapters",
        "test_cards",
        "test_cells",
    }
    done = run(
        folder, sys.executable, "-m", "pytest", "-q", "-rA", "--tb=short", "-n", "0", "-p", "no:cacheprovider",
        "-k", f"student or (pixel and not precision and not motion) or {PAGE} or contents_and_files or card_that",
        *(f"tests/{name}.py" for name in files),
    )  # fmt: skip
    found = re.findall(r"^(PASSED|FAILED) tests/(test_\w+)\.py::(test_\w+)", done.stdout, re.M)
    failed = [test for outcome, _, test in found if outcome == "FAILED"]
    lacking = re.findall(r"^\* `(test_\w+)`", section("A chapter"), re.M)
    assert sorted(failed) == sorted(lacking) and {file for _, file, _ in found} == files, done.stdout + done.stderr


def test_the_version_is_one():
    """In the package, the citation and the changelog; and one licence goes without the choice that a list would be."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    told = re.search(r"^## (\d[\w.]*) - (\S+)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.M)
    assert project["version"] == str(cited["version"]) == told[1] and str(cited["date-released"]) == told[2]
    assert cited["license"] == project["license"].split(" AND ")[0]
