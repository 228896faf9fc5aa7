"""The built pages in a real browser: from disk, with the network off, in both themes and on a phone."""

from urllib.parse import unquote, urlsplit

import pytest
import yaml
from bs4 import BeautifulSoup
from conftest import ROOT

TOC = yaml.safe_load((ROOT / "_toc.yml").read_text())
PAGES = [TOC["root"], *(chapter["file"] for part in TOC["parts"] for chapter in part["chapters"])]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_page_works_from_disk_with_the_network_off(open_page, name, theme):
    page, trouble = open_page(name, theme=theme)
    page.wait_for_load_state("networkidle")
    assert trouble == []
    assert page.evaluate("document.documentElement.dataset.theme") == theme
    colour = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/[0-9.]+/g).map(Number)")
    red, green, blue = colour[:3]
    assert (0.2126 * red + 0.7152 * green + 0.0722 * blue < 80) == (theme == "dark"), "the page is not in its theme"
    broken = page.evaluate("[...document.images].filter((i) => !i.complete || !i.naturalWidth).map((i) => i.src)")
    assert broken == []


@pytest.mark.parametrize("name", PAGES)
def test_formulas_are_typeset(open_page, name):
    page, _ = open_page(name)
    formulas = page.evaluate(
        """[...document.querySelectorAll(".math")].map((math) => ({
            text: math.textContent.trim().slice(0, 80),
            set: math.querySelectorAll("mjx-container svg").length,
            // MathJax draws an error as merror, and a macro that it does not know in red.
            wrong: math.querySelectorAll('[data-mml-node="merror"], [fill="red"], [stroke="red"]').length,
        }))"""
    )
    assert [formula for formula in formulas if not formula["set"] or formula["wrong"]] == []


@pytest.mark.parametrize("name", PAGES)
def test_page_fits_a_phone(open_page, name):
    page, _ = open_page(name, width=360)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    # Nothing sticks out either, save inside something that scrolls sideways.
    outside = page.evaluate(
        """(() => {
            const scrolls = (e) => e && e !== document.body
                && (/auto|scroll/.test(getComputedStyle(e).overflowX) || scrolls(e.parentElement));
            return [...document.querySelectorAll("article *")]
                .filter((e) => e.getBoundingClientRect().right > 361 && e.checkVisibility() && !scrolls(e.parentElement)
                    && !e.closest("mjx-assistive-mml, .headerlink, .copybtn"))
                .map((e) => e.outerHTML.slice(0, 120));
        })()"""
    )
    assert outside == []


@pytest.mark.parametrize("name", PAGES)
def test_figures_are_described(site, name):
    page = BeautifulSoup((site / name).with_suffix(".html").read_text(), "html.parser").article
    for image in page.find_all("img"):
        # Without alt text of its own Sphinx writes the path of the file there.
        alt = image.get("alt", "")
        assert len(alt.split()) >= 3 and "/" not in alt.split()[0], f"{image['src']} has the alt text {alt!r}"
    for figure in page.find_all("figure"):
        assert figure.figcaption and figure.figcaption.find(class_="caption-text"), f"{figure.get('id')} has no caption"


def test_dark_theme_turns_figures(open_page, site):
    name = next(name for name in PAGES if "<figure" in (site / name).with_suffix(".html").read_text())
    for theme, expected in (("light", "none"), ("dark", "invert(1) hue-rotate(180deg)")):
        page, _ = open_page(name, theme=theme)
        images = page.locator(".cell_output img")
        filters = images.evaluate_all("(images) => images.map((image) => getComputedStyle(image).filter)")
        assert filters and set(filters) == {expected}


def test_search_works_from_disk(open_page):
    page, trouble = open_page("search", query="?q=Jensen")
    page.wait_for_selector("#search-results ul.search li a")
    targets = page.eval_on_selector_all("#search-results ul.search li a", "(links) => links.map((link) => link.href)")
    assert any("2_jensen_elbo" in target for target in targets)
    assert trouble == []


def test_links_resolve(site):
    paths = [path for path in site.rglob("*.html") if "_static" not in path.parts]  # there lie the theme's templates
    documents = {path: BeautifulSoup(path.read_text(), "html.parser") for path in paths}
    anchors = {
        path: {tag.get("id") or tag.get("name") for tag in document.find_all(lambda t: t.get("id") or t.get("name"))}
        for path, document in documents.items()
    }
    dead = []
    for path, document in documents.items():
        for tag in document.find_all(lambda t: t.get("href") or t.get("src")):
            link = tag.get("href") or tag.get("src")
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                # A link may lead to the web; what the page itself loads may not come from there.
                if tag.name != "a" and parts.scheme != "data" and tag.get("rel") != ["canonical"]:
                    dead.append(f"{path.relative_to(site)} loads {link}")
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            fragment = unquote(parts.fragment)
            if not target.is_file() or (fragment and target in anchors and fragment not in anchors[target]):
                dead.append(f"{path.relative_to(site)} links to {link}")
    assert dead == []
