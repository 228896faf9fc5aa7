"""What others show of a page: its title, its description, its picture, and the same as structured data."""

import io
import json
import re

import numpy as np
import pytest
from address import public_address, read_address
from bs4 import BeautifulSoup
from conftest import ROOT
from mark import FILE, draw_mark
from PIL import Image
from share import FOLDER, LIMIT, SIZE
from test_site import PAGES

ALL = [*PAGES, "genindex", "search"]
CHAPTERS = [name for name in PAGES if re.match(r"book/\d", name)]
HOME = public_address(read_address(ROOT))  # "" as long as there is none


def text_of(site, name):
    return (site / name).with_suffix(".html").read_text(encoding="utf-8")


def read_head(site, name):
    return BeautifulSoup(text_of(site, name).partition("</head>")[0], "html.parser")


def tag(page, name):
    """The content of the one tag of that name, None for none."""
    found = page.select(f"meta[name='{name}'], meta[property='{name}']")
    assert len(found) <= 1
    return found[0]["content"] if found else None


def test_each_page_has_a_title_and_a_description_of_its_own(site):
    pages = [read_head(site, name) for name in ALL]
    titles, descriptions = [page.title.text for page in pages], [tag(page, "description") for page in pages]
    assert len(set(titles)) == len(set(descriptions)) == len(ALL)
    assert all(title.endswith("Variational Autoencoders, Live") for title in titles)
    assert [text for text in descriptions if not 40 < len(text) <= 200 or text[-1] not in ".?"] == []


@pytest.mark.parametrize("name", [name for name in PAGES if re.match(r"book/\d", name)])
def test_a_chapter_is_described_by_its_question(site, name):
    question = re.search(
        r"\*\*(.*?\?)\*\*",
        "".join(json.loads((ROOT / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"][0]["source"]),
    )[1]
    question = question.replace("$", "").replace(r"\log", "log").replace(r"\beta", "β")
    assert tag(read_head(site, name), "description").startswith(f"{question} ")


@pytest.mark.parametrize("name", ALL)
def test_a_page_says_what_is_shown_of_it(site, name):
    page = read_head(site, name)
    description = tag(page, "description")
    assert tag(page, "og:description") == description and tag(page, "og:title")
    assert tag(page, "og:type") == ("book" if name == PAGES[0] else "article")
    picture = f"{FOLDER}/{(name if name in PAGES else PAGES[0]).split('/')[-1]}.png"
    assert (site / picture).exists()
    if HOME:
        assert page.select_one("link[rel=canonical]")["href"] == tag(page, "og:url") == f"{HOME}{name}.html"
        assert tag(page, "og:image") == HOME + picture and tag(page, "og:image:alt")
        assert tag(page, "twitter:card") == "summary_large_image"
    else:
        assert page.select_one("link[rel=canonical]") is tag(page, "og:url") is tag(page, "og:image") is None
    assert not re.search(f'(src|href)="[^"]*{FOLDER}/', text_of(site, name))  # a reader does not load it


@pytest.mark.parametrize("name", PAGES)
def test_structured_data_say_the_same(site, name):
    page = read_head(site, name)
    data = json.loads(page.select_one("script[type='application/ld+json']").string)
    assert data["@context"] == "https://schema.org" and data["description"] == tag(page, "description")
    assert data["inLanguage"] == page.html["lang"] and len(data["license"]) == 3 and data["author"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", data.get("dateModified", "2000-01-01"))
    kind = data["@type"][0]
    if name == PAGES[0]:
        assert kind == "Book" and [part["position"] for part in data["hasPart"]] == [
            n + 1 for n in range(len(CHAPTERS))
        ]
    else:
        assert data["isPartOf"]["@type"][0] == "Book"
        assert (kind == "Chapter") == name.split("/")[-1][0].isdigit()
    if kind == "Chapter":
        minutes = re.search(r'class="reading-time" data-minutes="(\d+)"', text_of(site, name))[1]
        assert data["timeRequired"] == f"PT{minutes}M"


@pytest.mark.parametrize("name", PAGES)
def test_the_picture_of_a_page_is_small_and_shows_something(site, name):
    file = site / FOLDER / f"{name.split('/')[-1]}.png"
    assert file.stat().st_size <= LIMIT
    with Image.open(file) as image:
        assert image.format == "PNG" and image.size == SIZE
        ink = np.array(image.convert("L")) < 128
    edge = np.concatenate([ink[:20].ravel(), ink[-20:].ravel(), ink[:, :40].ravel(), ink[:, -40:].ravel()])
    assert ink[:120].any() and ink[120:, :600].any() and ink[120:, 600:].any() and not edge.any()


def test_the_mark_is_that_of_the_svg(browser):
    page = browser.new_page(viewport={"width": 64, "height": 64})
    svg = FILE.read_text(encoding="utf-8")
    page.set_content(f"<style>body {{ margin: 0 }} svg {{ display: block }}</style>{svg}")
    with Image.open(io.BytesIO(page.screenshot())) as seen:
        difference = np.abs(np.array(seen.convert("RGB"), float) - np.array(draw_mark(64, "white").convert("RGB")))
    page.close()
    assert difference.mean() < 2 and np.quantile(difference, 0.99) < 60
