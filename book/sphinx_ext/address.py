"""A small Sphinx extension: all that follows from the repository's address, which is set once, in _config.yml.

Pages get a link to it and know their own public address, and notebooks' pages have buttons that open them on Colab and
Binder. Run as a script (`make address`), it gives each notebook a first cell that installs the book where it is
missing, and README a badge of the tests and a link to the pages, or takes them away.
"""

import json
import re
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
CELL = "install"  # its id
SOURCE = """\
# Where the book is not installed, as on Colab, this installs it.
import importlib.util

if not importlib.util.find_spec("vae_core"):
    get_ipython().run_line_magic("pip", "install --quiet 'vae-book[widgets] @ git+{address}'")
"""
PLACE = "<!-- `make address` begins this line. -->\n"  # in README, before what is true without an address
BADGE = "[![Tests]({address}/actions/workflows/book.yml/badge.svg)]({address}/actions/workflows/book.yml)"
BUTTONS = {
    "repository_branch": "main",
    "use_repository_button": True,
    "launch_buttons": {
        "colab_url": "https://colab.research.google.com",
        "binderhub_url": "https://mybinder.org",
        "notebook_interface": "jupyterlab",
    },
}


def read_config(root):
    return yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))


def read_address(root):
    return read_config(root)["sphinx"]["config"]["html_theme_options"]["repository_url"]


def with_first_cell(notebook, address):
    """The notebook, given as its JSON has it, with a cell that installs the book from there; "" for none."""
    cells = [cell for cell in notebook["cells"] if cell.get("id") != CELL]
    if address:
        source = SOURCE.format(address=address).rstrip().splitlines(keepends=True)
        first = next(i for i, cell in enumerate(cells) if cell["cell_type"] == "code")
        cells.insert(
            first,
            {
                "cell_type": "code",
                "execution_count": None,
                "id": CELL,
                "metadata": {"tags": ["remove-cell"]},
                "outputs": [],
                "source": source,
            },
        )
    return notebook | {"cells": cells}


def write_first_cells(root):
    for file in sorted((root / "book").glob("*.ipynb")):
        notebook = with_first_cell(json.loads(file.read_text(encoding="utf-8")), read_address(root))
        text = json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"
        file.write_text(text, encoding="utf-8", newline="\n")


def public_address(repository):
    """Where GitHub publishes the pages of a repository; "" for one that lies elsewhere."""
    found = re.fullmatch(r"https://github\.com/([^/]+)/([^/]+?)(?:\.git)?/?", repository)
    if not found:
        return ""
    owner, name = found[1].lower(), found[2]
    host = f"{owner}.github.io"
    return f"https://{host}/" if name.lower() == host else f"https://{host}/{name}/"


def with_badges(readme, repository, pages=""):
    """README's text, given and returned, for that address; "" for none. pages: theirs, if it does not follow."""
    pages, found = pages or public_address(repository), ""
    if public_address(repository):  # it is GitHub that has such a badge
        found += f"{BADGE.format(address=repository.rstrip('/').removesuffix('.git'))} · "
    if pages:
        found += f"[Read it]({pages}) · "
    return re.sub(rf"(?<={PLACE}).*?(?=Python )", lambda _: found, readme)


def write_badges(root):
    file = root / "README.md"
    pages = read_config(root)["html"].get("baseurl", "")
    text = with_badges(file.read_text(encoding="utf-8"), read_address(root), pages)
    file.write_text(text, encoding="utf-8", newline="\n")


def follow(app, config):
    """Buttons, and the pages' own address, unless `html: baseurl:` in _config.yml names another."""
    if repository := config.html_theme_options.get("repository_url"):
        config.html_theme_options |= BUTTONS
        config.html_baseurl = config.html_baseurl or public_address(repository)


def setup(app):
    app.connect("config-inited", follow)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


if __name__ == "__main__":
    write_first_cells(ROOT)
    write_badges(ROOT)
