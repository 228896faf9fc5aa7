"""The notebooks as they are committed: cleared, short cells, described figures, nothing from outside."""

import ast
import re
import statistics

import nbformat
import pytest
import yaml
from address import CELL as INSTALL
from conftest import ROOT
from first_reading import EXACT, claim

NOTEBOOKS = sorted((ROOT / "book").glob("*.ipynb"))
CHAPTERS = [path for path in NOTEBOOKS if path.name[0].isdigit()]
DRAWS = re.compile(r"\b(plt\.(subplots|figure)|plots\.(digits|plane))\(|\.(imshow|scatter|contourf?|hist)\(")
OUTSIDE = re.compile(r"""https?://|urlopen|\brequests\.|["'](/|~|[A-Z]:\\)\w""")


def each(paths):
    return pytest.mark.parametrize("notebook", paths, ids=lambda path: path.stem, indirect=True)


@pytest.fixture
def notebook(request):
    return nbformat.read(request.param, as_version=nbformat.NO_CONVERT)


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def is_folded(cell):
    """Whether a first reading sees no code of it: see first_reading.py."""
    return bool({"check", "hide-input", "remove-cell", "remove-input"} & {*cell.metadata.get("tags", [])})


def asserts(cell):
    return any(isinstance(node, ast.Assert) for node in ast.walk(ast.parse(cell.source)))


def outside_solutions(notebook):
    """The code cells that are no part of an exercise's solution."""
    inside = False
    for cell in notebook.cells:
        inside |= "{solution-start}" in cell.source
        if cell.cell_type == "code" and not inside:
            yield cell
        inside &= "{solution-end}" not in cell.source


def counting_lines(cell):
    """Lines of code: neither blank nor a comment."""
    return sum(bool(line.strip()) and not line.strip().startswith("#") for line in cell.source.splitlines())


@each(CHAPTERS)
def test_the_lecture_notes_are_named_beside_the_text(notebook):
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            assert "§" not in re.sub("^> .*", "", cell.source, flags=re.MULTILINE)  # but for side remarks


def test_contents_and_files_agree():
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    listed = [toc["root"], *(chapter["file"] for part in toc["parts"] for chapter in part["chapters"])]
    found = [
        path.relative_to(ROOT).with_suffix("").as_posix()
        for path in (ROOT / "book").glob("*.*")
        if path.suffix in (".ipynb", ".md")
    ]
    assert sorted(listed) == sorted(found)
    assert [path.name.split("_")[0] for path in CHAPTERS] == [str(n + 1) for n in range(len(CHAPTERS))]


@each(NOTEBOOKS)
def test_notebook_is_cleared(notebook):
    nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
    assert notebook.metadata.kernelspec.name == "python3"
    assert set(notebook.metadata) <= {"description", "kernelspec", "language_info", "mystnb"}
    for cell in code_cells(notebook):
        assert not cell.outputs and cell.execution_count is None, f"cell {cell.id} has been run and not cleared"


@each(NOTEBOOKS)
def test_cells_are_short(notebook):
    cells = code_cells(notebook)
    folded = {cell.id for cell in cells if is_folded(cell)}  # the code of figures, and checks
    too_long = {
        cell.id: counting_lines(cell) for cell in cells if counting_lines(cell) > (40 if cell.id in folded else 20)
    }
    assert too_long == {}
    shown = [counting_lines(cell) for cell in cells if cell.id not in folded]
    assert not shown or statistics.median(shown) <= 8


@each(NOTEBOOKS)
def test_figures_have_alt_text_caption_and_folded_code(notebook):
    for cell in code_cells(notebook):
        if DRAWS.search(cell.source) and "interact" not in cell.source and "figure_text=" not in cell.source:
            options = cell.metadata.get("mystnb", {})
            assert len(options.get("image", {}).get("alt", "").split()) >= 3, f"cell {cell.id} has no alt text"
            figure = options.get("figure", {})
            assert figure.get("caption"), f"cell {cell.id} has no caption"
            assert figure.get("name", "").startswith("fig-"), f"cell {cell.id} has no name fig-…"
            assert "hide-input" in cell.metadata.get("tags", []), f"cell {cell.id} shows its drawing code"


@each(NOTEBOOKS)
def test_nothing_comes_from_outside(notebook):
    for cell in code_cells(notebook):
        found = OUTSIDE.search(cell.source)
        assert cell.id == INSTALL or not found, f"cell {cell.id}: {found[0]}"


@each(NOTEBOOKS)
def test_a_check_is_folded_under_its_claim(notebook):
    for cell in outside_solutions(notebook):
        if "check" in cell.metadata.get("tags", []):
            told = claim(cell.source)
            assert asserts(cell), f"cell {cell.id} claims something and asserts nothing"
            assert len(told.split()) >= 4 and told.endswith("."), f"cell {cell.id} begins with no claim: {told!r}"
        else:
            assert not asserts(cell) or is_folded(cell), f"cell {cell.id} asserts where a first reading sees it"


def in_boxes(notebook):
    """The ids of the cells in sections that are folded: see first_reading.py."""
    heading, found = "", set()
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            heading = [heading, *re.findall(r"^#+ (.*)", cell.source, re.M)][-1]
        if heading.startswith(EXACT):
            found.add(cell.id)
    return found


@each(CHAPTERS)
def test_a_first_reading_is_short(notebook):
    boxes = in_boxes(notebook)
    exercises = next(i for i, cell in enumerate(notebook.cells) if re.search("^## Exercises$", cell.source, re.M))
    shown = [cell for cell in outside_solutions(notebook) if not is_folded(cell) and cell.id not in boxes]
    lines = {cell.id: [line for line in cell.source.splitlines() if line.strip()] for cell in shown}
    lesson = sum(len(lines.get(cell.id, [])) for cell in notebook.cells[:exercises])
    seen = [line for of_cell in lines.values() for line in of_cell]
    assert 5 < lesson <= 45 and len(seen) <= 75
    width = 84 if notebook.cells[0].source.startswith("# A model of your own") else 45  # classes to copy, at a desk
    assert [line for line in seen if len(line) > width] == [], "a line that is cut off at 390 pixels"


@each(CHAPTERS)
def test_a_chapter_asks_and_ends_with_what_to_remember(notebook):
    text = "\n".join(cell.source for cell in notebook.cells)
    assert len(re.findall(r"^(?:\w+ = )?Predict\(", text, re.M)) >= 3
    remembered = text.split("## Five lines to remember\n")[1].split("\n## ")[0]
    assert len(re.findall(r"^[*-] ", remembered, re.M)) == 5
    assert 4 <= text.count("{exercise}") <= 7
    assert len(re.findall(r"^Try\(", text, re.M)) >= 1


def questions(notebook):
    """Of each question of a chapter's quiz its arguments, all of them written out."""
    cell = next(cell for cell in code_cells(notebook) if cell.source.startswith("Quiz("))
    call = ast.parse(cell.source).body[0].value
    return [{k.arg: ast.literal_eval(k.value) for k in question.keywords} for question in call.args]


@each(CHAPTERS)
def test_a_chapter_ends_with_five_questions(notebook):
    asked = questions(notebook)
    assert len(asked) == 5
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    headings = {heading.replace("$", "") for heading in re.findall("^##+ (.*)$", text, re.M)}
    after = text.split("## Five lines to remember\n")[1]
    assert re.findall("^## (.*)$", after, re.M)[:2] == ["Five questions", "Exercises"]
    others = set(re.findall(r"""Predict\(\s*f?"(.*?)[",]""", "\n".join(cell.source for cell in code_cells(notebook))))
    places = []
    for question in asked:
        choices = question["choices"]
        assert question["section"] in headings and question["prompt"] not in others
        assert 3 <= len(choices) <= 4 and all(len(reply.split()) >= 2 for reply in choices.values())
        assert len(set(choices.values())) == len(choices)
        places.append(list(choices).index(question["right"]))
    assert len(set(places)) == 3 and max(map(places.count, places)) == 2  # none can be had by its place
    assert len({question["prompt"] for question in asked}) == 5
    held = next(cell for cell in code_cells(notebook) if "def quiz_holds" in cell.source)
    assert "check" in held.metadata.tags and held.source.count("assert ") >= 5


@each(CHAPTERS)
def test_chapter_checks_its_claims(notebook):
    trees = [ast.parse(cell.source) for cell in code_cells(notebook)]
    assert sum(isinstance(node, ast.Assert) for tree in trees for node in ast.walk(tree)) >= 3


def test_no_function_is_written_in_two_chapters():
    homes = {}
    for path in NOTEBOOKS:
        for cell in code_cells(nbformat.read(path, as_version=4)):
            for node in ast.walk(ast.parse(cell.source)):
                if isinstance(node, ast.FunctionDef):
                    homes.setdefault(ast.dump(node), set()).add(f"{path.stem}: {node.name}")
    assert [names for names in homes.values() if len(names) > 1] == [], "what two chapters need belongs in a module"


# --- what others report is the one kind of figure that is typed by hand, and each has its source ---

REPORTED = re.compile(r"(?<![\w.,])\d{2,3}\.\d+(?![\w.])|\d\s*%?\s*±")
ENTRY = re.compile(r"\d{2,3}\.\d\d|\d+(\.\d+)?%|\d+(\.\d+)?%?\s*±\s*\d+(\.\d+)?%?")  # a number, or all of a text
NO_PROSE = re.compile(r"```.*?```|\$\$.*?\$\$|\$[^$]*\$|\{glue:text\}`[^`]*`", re.DOTALL)
OWN = {  # our own figures that are typed, and what holds them
    "train-03": "test_trainer.py",
    "ch5watchread": "test_trainer.py",
    "e34d0880": "the check 6ca9e355",
}


def cites(node):
    """Whether a text in the code, also one with a value in it, cites something."""
    parts = node.values if isinstance(node, ast.JoinedStr) else [node]
    return any(isinstance(part, ast.Constant) and "{cite" in str(part.value) for part in parts)


def without_source(code):
    """The figures in rows of a list, or under keys of a dict, of which neither row nor key cites anything."""
    found = []

    def walk(node, cited, row):
        if isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                walk(value, cited or (key is not None and cites(key)), True)
        elif isinstance(node, ast.List | ast.Tuple):
            for item in node.elts:
                walk(item, cited or any(cites(item) for item in node.elts), True)
        elif isinstance(node, ast.Constant):
            if row and not cited and isinstance(node.value, str | float) and ENTRY.fullmatch(str(node.value)):
                found.append(node.value)
        else:
            for child in ast.iter_child_nodes(node):
                walk(child, False, False)

    walk(ast.parse(code), False, False)
    return found


@each(NOTEBOOKS)
def test_a_figure_of_the_literature_has_its_source(notebook):
    bare = {}
    exercise = False
    for cell in notebook.cells:
        exercise |= "{exercise}" in cell.source
        if cell.cell_type == "code" and not exercise:
            bare[cell.id] = without_source(cell.source)
        elif cell.cell_type == "markdown" and cell.id not in OWN:
            paragraphs = re.split(r"\n\s*\n", NO_PROSE.sub("", cell.source))
            bare[cell.id] = [p for p in paragraphs if REPORTED.search(p) and "{cite" not in p]
        exercise &= "{solution-end}" not in cell.source
    assert {where: figures for where, figures in bare.items() if figures} == {}


@pytest.mark.parametrize(
    ("code", "figures"),
    [
        ('rows = [["M2 {cite:p}`kingma`", "88.03% ± 1.71%"], ["SSVAE", f"{mean:.2f} ± {sd:.2f}"]]', []),
        ('rows = [["M2 {cite:p}`kingma`", "88.03%"], ["VAT", "98.64%"]]', ["98.64%"]),
        ('rows = {"{cite:t}`burda`": {("elbo", 1): 86.76}, "others": {("elbo", 1): 86.35}}', [86.35]),
        ("years = 365.25 * days; alpha = [0.35, 1.25]", []),
    ],
)
def test_a_row_without_its_source_is_seen(code, figures):
    assert without_source(code) == figures
