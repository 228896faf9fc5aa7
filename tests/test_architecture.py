"""The page on how the book is made names what there is, and nothing else."""

import re

from conftest import ROOT

TEXT = (ROOT / "book/architecture.md").read_text(encoding="utf-8")
DRAWING = (ROOT / "book/architecture.svg").read_text(encoding="utf-8")


def test_each_extension_has_its_line():
    told = re.findall(r"^\| `(\w+\.py)` \| \w", TEXT, re.MULTILINE)
    assert told == sorted(file.name for file in (ROOT / "book/sphinx_ext").glob("*.py"))


def test_what_it_names_is_there():
    """Files and folders, in the text and in the drawing."""
    names = {name for name in re.findall(r"`([\w/]+\.(?:py|js)|\w+/\w+)`", TEXT)}
    names |= set(re.findall(r'class="name code"[^>]*>([\w/.]+)<', DRAWING)) - {"Network"}
    names |= set(re.findall(r"\b\w+\.(?:py|js)\b", DRAWING))
    places = [ROOT, ROOT / "book/assets", ROOT / "book/sphinx_ext"]
    assert len(names) > 20
    assert [name for name in sorted(names) if not any((place / name).exists() for place in places)] == []
