"""The book for a class that hands in its exercises: no solution is in anything that is published."""

import json
import re

import nbformat
import pytest
from conftest import ROOT
from test_environment import build, write_small_book
from test_widgets import unpacked
from without_solutions import is_try, strip

CHAPTERS = sorted((ROOT / "book").glob("[0-9]*.ipynb"))
MARK = re.compile(r"^`{3,}\{(exercise|solution(?:-start|-end)?)\}", re.M)


def sources(notebook):
    return ["".join(cell["source"]) for cell in notebook["cells"]]


@pytest.mark.parametrize("file", CHAPTERS, ids=lambda file: file.stem)
def test_a_chapter_without_its_solutions(file):
    """Line by line, another way than the extension's: after a solution's first line nothing counts until its last."""
    whole = json.loads(file.read_text(encoding="utf-8"))
    wanted, fence, exercises = [], None, False
    for cell in whole["cells"]:
        source, lines = "".join(cell["source"]), []
        exercises |= "{exercise}" in source
        for line in source.splitlines():
            if begun := re.match(r"(`{3,})\{solution(-start)?\}", line):
                fence = begun[1] if begun[2] is None else "gate"
            elif fence == "gate" and re.match(r"`{3,}\{solution-end\}", line):
                fence = line[: line.index("{")]
            elif fence is None:
                lines.append(line)
            elif line.strip() == fence:
                fence = None
        if lines and not (cell["cell_type"] == "code" and exercises and "check" in cell["metadata"].get("tags", [])):
            wanted += [line for line in lines if line.strip()]
    left = strip(whole)
    assert [line for source in sources(left) for line in source.splitlines() if line.strip()] == wanted
    text = "\n".join(sources(left))
    assert "{solution" not in text and text.count("{exercise}") == sum("{exercise}" in line for line in wanted) >= 4
    for cell in left["cells"]:
        assert not is_try(cell) or cell["metadata"]["tags"] == ["remove-input"]
    nbformat.validate(nbformat.from_dict(left))


PAGE = """# A page

```{exercise} Count
:label: ex-count
How many legs has a spider? ({ref}`ex-walk`)
```
---
from vae_widgets import Try
Try("Which?", choices={"`six legs`": "SECRET: an insect.", "`eight legs`": "SECRET: yes."}, right="`eight legs`")
---check
# SECRET: a spider has eight legs.
assert 2 * 4 == 8
---
```{solution} ex-count
:class: dropdown
SECRET eight.
```

```{exercise} Walk
:label: ex-walk
Write `walk`.
```
---
def walk():
    return None
---
```{solution-start} ex-walk
:class: dropdown
```
---
def walk():
    print("SECRET walk")
walk()
---
SECRET $e^{3}$ in the end.

```{solution-end}
```

## What comes after

It walks.
"""


def test_a_book_without_solutions(tmp_path):
    folder = write_small_book(tmp_path)
    cells = []
    for part in re.split(r"^---", PAGE, flags=re.M):
        tag, _, source = part.partition("\n") if cells else ("", "", part)
        code = re.match(r"(from|#|def) ?\w* ?", source) and not source.startswith("# A page")
        cells.append(
            nbformat.v4.new_code_cell(source.strip(), metadata={"tags": [tag] * bool(tag)})
            if code
            else nbformat.v4.new_markdown_cell(source.strip())
        )
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), folder / "book/index.ipynb")
    page = build(folder, SOLUTIONS="0", PYTHONPATH=str(ROOT))
    site = folder / "_build/html"
    for file in site.rglob("*"):
        if file.is_file():
            assert b"SECRET" not in file.read_bytes(), file
    assert [text.get_text() for text in page.select(".asked li code")] == ["six legs", "eight legs"]
    assert not page.select(".solution") and not page.select(".widget") and len(page.select(".exercise")) == 2
    assert page.select_one("#what-comes-after") and "return None" in page.get_text()
    for state in page.select("script[type$='widget-state']"):
        assert "SECRET" not in json.dumps(unpacked(state.string)) and "eight" not in json.dumps(unpacked(state.string))
    given = json.loads((site / "_sources/book/index.ipynb").read_text(encoding="utf-8"))
    assert "<li><code>eight legs</code></li>" in "\n".join(sources(given)) and not any(map(is_try, given["cells"]))
    nbformat.validate(nbformat.from_dict(given))
