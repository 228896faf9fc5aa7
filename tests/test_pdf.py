"""The book as a PDF: of two pages here, which the command that prints all of them takes as well."""

import os
import re
import subprocess
import sys

import pytest
from conftest import ROOT
from pypdf import PdfReader

PAGES = ["book/4_beta", "book/problem_set"]
COMMAND = [sys.executable, ROOT / "pdf.py", *PAGES]


@pytest.fixture(scope="module")
def printed(site, tmp_path_factory):
    out = tmp_path_factory.mktemp("pdf") / "book.pdf"
    subprocess.run([*COMMAND, "--site", site, "--out", out], cwd=ROOT, check=True)
    return PdfReader(out)


@pytest.fixture(scope="module")
def lines(printed):
    """Of each sheet, as they are set."""
    return [sheet.extract_text().splitlines() for sheet in printed.pages]


@pytest.fixture(scope="module")
def texts(lines):
    """Of each sheet, without spaces, which come and go where letters are set."""
    return [re.sub(r"\s", "", "".join(each)) for each in lines]


def outline(reader, items=None, level=0):
    """[(level, title, number of its sheet), ...]"""
    entries = []
    for item in reader.outline if items is None else items:
        if isinstance(item, list):
            entries += outline(reader, item, level + 1)
        else:
            entries.append((level, item.title, reader.get_destination_page_number(item) + 1))
    return entries


def links(reader):
    """[(number of the sheet it stands on, what the link has), ...]"""
    notes = [(n, note.get_object()) for n, sheet in enumerate(reader.pages, 1) for note in sheet.annotations or []]
    return [(n, note) for n, note in notes if note["/Subtype"] == "/Link"]


def test_the_contents_and_the_outline_lead_to_the_right_sheets(printed, texts):
    entries = outline(printed)
    assert [(level, title) for level, title, _ in entries if level < 2] == [
        (0, "Chapters"),
        (1, "4. β and latent size"),
        (0, "Reference"),
        (1, "The problem set"),
    ]
    assert {"Exercises", "Solutions"} <= {title for level, title, _ in entries if level == 2}
    contents = texts[1]
    for level, title, number in entries:
        if level:
            words = re.sub(r"\s", "", title)
            assert words in texts[number - 1] and f"{words}{number}" in contents, title
    assert [number for *_, number in entries] == sorted(number for *_, number in entries)


def test_every_sheet_but_the_title_has_its_number_and_its_chapter(printed, lines, texts):
    for number, sheet in enumerate(lines, 1):
        assert (str(number) in map(str.strip, sheet)) == (number > 1)
    start = next(number for _, title, number in outline(printed) if title == "The problem set")
    for number in range(3, len(texts) + 1):
        head = "Theproblemset" if number >= start else "4.βandlatentsize"
        assert head in texts[number - 1]


def test_links_jump_within_the_file(printed):
    there = printed.named_destinations
    starts = {title: number for _, title, number in outline(printed)}
    jumps = [
        (n, printed.get_destination_page_number(there[link["/Dest"]]) + 1)
        for n, link in links(printed)
        if "/Dest" in link
    ]
    assert any(n >= starts["The problem set"] and to < starts["The problem set"] for n, to in jumps)
    addresses = [link["/A"]["/URI"] for _, link in links(printed) if "/A" in link]
    assert not [address for address in addresses if not address.startswith("https:")]


def test_the_solutions_come_after_the_exercises_and_nothing_is_left_to_press(texts):
    def sheet_of(words):
        return max(number for number, text in enumerate(texts) if re.search(words, text))  # after the contents

    exercises = [sheet_of(rf"(?<!Solutionto)Exercise4\.{n}\(") for n in range(1, 6)]
    solutions = [sheet_of(rf"SolutiontoExercise4\.{n}\(") for n in range(1, 6)]
    assert exercises == sorted(exercises) and solutions == sorted(solutions)
    assert exercises[-1] <= sheet_of("Solutions") <= solutions[0] and exercises[0] < solutions[-1]
    whole = "".join(texts)
    assert "withoutboxesandexercises" in whole and "exercisesPresent" not in whole  # a button
    for words in ("Clickto", "Showthecode", "Copylink", "Tocommit", "printedbeforethat", "needsJavaScript"):
        assert words.lower() not in whole.lower()


def test_it_is_tagged_and_says_what_it_is(printed):
    assert printed.metadata.title == "Variational Autoencoders, Live" and printed.metadata.author
    root = printed.trailer["/Root"]
    assert root["/Lang"] == "en-GB" and root["/MarkInfo"]["/Marked"] and "/StructTreeRoot" in root
    assert root["/PageMode"] == "/UseOutlines"


def test_without_a_browser_or_pages_it_says_so_and_keeps_what_is_there(tmp_path):
    out = tmp_path / "book.pdf"
    out.write_bytes(b"the one before")
    for change, words in (({"CHROME": "no-such-browser"}, "no program"), ({}, "`make book` builds the pages")):
        run = subprocess.run(
            [*COMMAND, "--site", tmp_path, "--out", out],
            env=os.environ | change,
            cwd=ROOT,
            capture_output=True,
            encoding="utf-8",
        )
        assert run.returncode == 1 and words in run.stderr and "Traceback" not in run.stderr
        assert [file.name for file in tmp_path.iterdir()] == ["book.pdf"] and out.read_bytes() == b"the one before"
