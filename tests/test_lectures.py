"""Pages as slides, the lessons that are made of them, and the gallery of widgets."""

import json
import re
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
from bs4 import BeautifulSoup
from conftest import ROOT
from playwright.sync_api import expect
from test_other_browsers import POLICY
from widget_examples import WIDGETS
from widget_pages import control, drag, press, wait_for_frame

import vae_core as vc

GALLERY = ROOT / "book/assets/gallery"
# What "Copy link to this state" would put on the clipboard.
CLIPBOARD = """Object.defineProperty(navigator, "clipboard",
    { value: { writeText: async (text) => { globalThis.copied = text; } } });"""
COUNT = '.presenting-bar [role="status"]'
PRESENTING = "document.documentElement.classList.contains('presenting')"
# Of the elements of this kind that are seen, the letters' size on the screen.
LETTERS = """(kind) => [...document.querySelectorAll(`.bd-article ${kind}`)].filter((e) => e.checkVisibility())
    .map((e) => parseFloat(getComputedStyle(e).fontSize) * e.getBoundingClientRect().width / e.offsetWidth)"""


@pytest.fixture(scope="module")
def lecturers(site):
    return BeautifulSoup((site / "book/lecturers.html").read_text(encoding="utf-8"), "html.parser")


def slide(page):
    """(number, of how many) of the slide that is shown."""
    expect(page.locator(COUNT)).to_have_text(re.compile(r"\d+ / \d+"))
    return tuple(map(int, page.locator(COUNT).inner_text().split(" / ")))


def test_a_page_is_walked_through_as_slides(open_page):
    page, trouble = open_page("book/questions")
    page.get_by_role("button", name="Present", exact=True).click()
    page.wait_for_function(PRESENTING)
    first, count = slide(page)
    assert first == 1 and count > 15
    for key, wanted in (("ArrowRight", 2), ("ArrowRight", 3), ("ArrowLeft", 2)):
        page.keyboard.press(key)
        assert slide(page) == (wanted, count)
    assert "?present#" in page.url  # the place can be linked
    hidden = page.locator(".bd-sidebar-primary, .bd-header-article, .prev-next-footer, .cell_input, details.hide")
    assert not any(part.is_visible() for part in hidden.all())
    # A slide that is longer than the screen is scrolled to its end first, save by the arrows.
    page.set_viewport_size({"width": 1280, "height": 600})
    page.evaluate("location.hash = 'which-sign'")
    title, stage = page.locator("#which-sign h3"), page.locator(".bd-article-container")
    expect(title).to_be_visible()
    assert min(page.evaluate(LETTERS, "p")) >= 1.7 * 16
    at = slide(page)
    assert stage.evaluate("(stage) => stage.scrollHeight > 1.1 * stage.clientHeight")
    page.keyboard.press("PageDown")
    assert slide(page) == at and stage.evaluate("(stage) => stage.scrollTop") > 0
    for _ in range(5):
        page.keyboard.press("PageDown")
    assert slide(page)[0] > at[0]
    page.evaluate("location.hash = 'which-sign'")
    expect(title).to_be_visible()
    page.keyboard.press("Escape")
    assert not page.evaluate(PRESENTING) and "present" not in page.url
    expect(title).to_be_in_viewport()
    page.keyboard.press("p")
    assert slide(page) == at
    assert trouble == []


def test_a_slider_keeps_its_keys_and_a_remote_walks_on(open_page):
    page, trouble = open_page("book/2_jensen_elbo", query="?present#one-latent")
    at = slide(page)
    mean = control(page.locator("#one-latent"), "m")
    before = float(mean.input_value())
    press(mean, "ArrowRight")
    assert float(mean.input_value()) > before and slide(page) == at
    box = mean.bounding_box()
    page.mouse.click(box["x"] + 0.25 * box["width"], box["y"] + box["height"] / 2)  # where a remote's keys walk
    page.keyboard.press("PageDown")
    assert slide(page) == (at[0] + 1, at[1])
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Tab")
    mean.focus()
    page.keyboard.press("PageDown")
    assert slide(page) == at
    assert trouble == []


def test_a_pointer_hits_what_is_enlarged(open_page):
    page, trouble = open_page("book/2_jensen_elbo", query="?present#one-latent")
    slide(page)
    handle, picture = page.locator("#one-latent svg circle").last, page.locator("#one-latent svg").first
    for width, height in ((1280, 720), (1024, 768), (1920, 1080)):
        page.set_viewport_size({"width": width, "height": height})
        wait_for_frame(page)
        page.locator("#one-latent").get_by_role("button", name="Reset").click()
        wait_for_frame(page)
        assert min(page.evaluate(LETTERS, "#one-latent :is(td, th, label)")) >= height / 40
        start, way = handle.bounding_box(), 0.15 * picture.bounding_box()["width"]
        middle = (start["x"] + start["width"] / 2, start["y"] + start["height"] / 2)
        drag(page, [middle, (middle[0] + way, middle[1])])
        assert handle.bounding_box()["x"] - start["x"] == pytest.approx(way, abs=4)
    assert trouble == []


def test_a_plane_on_a_slide_is_sharp_and_is_hit(open_page):
    page, trouble = open_page("book/3_vae", query="?present#plane-vae")
    plane = page.locator("#plane-vae canvas.vw-plane")
    wait_for_frame(page)
    box = plane.bounding_box()
    page.wait_for_function("([plane, wide]) => plane.width >= 0.98 * wide", arg=[plane.element_handle(), box["width"]])
    page.mouse.click(box["x"] + 0.75 * box["width"], box["y"] + 0.75 * box["height"])
    for index, wanted in enumerate((1.75, -1.75)):
        assert float(control(page.locator("#plane-vae"), "z", index).input_value()) == pytest.approx(wanted, abs=0.06)
    # What is not on the slide waits, and goes on.
    page.evaluate("location.hash = 'train'")
    train = page.locator("#train")
    train.get_by_role("button", name="Play").click()
    page.keyboard.press("ArrowRight")
    expect(train).to_be_hidden()
    steps = "+document.querySelector('#train .vw-train-steps output').value.replace(',', '')"
    page.keyboard.press("ArrowLeft")
    expect(train).to_be_visible()
    now = page.evaluate(steps)
    page.wait_for_function(f"{steps} > {now} + 5")
    assert trouble == []


def check_slide(page, link, at=None):
    """The page is the slide that the link says, and its widget has the state and the numbers that it says."""
    parts = urlsplit(link["href"])
    page.wait_for_function(PRESENTING)
    assert Path(urlsplit(page.url).path).name == parts.path
    assert at is None or slide(page) == at
    target = page.locator(f'[id="{unquote(parts.fragment)}"]')
    expect(target).to_be_visible()
    expect(page.locator(".widget[aria-busy]:visible")).to_have_count(0)
    box = target.bounding_box()
    assert box["y"] >= 0 and box["x"] >= 0 and box["x"] + box["width"] <= page.viewport_size["width"]
    state = {key.partition(".")[2]: value for key, value in parse_qsl(parts.query) if "." in key}
    if state:
        target.get_by_role("button", name="Copy link").click()
        page.wait_for_function("globalThis.copied")
        copied = dict(parse_qsl(urlsplit(page.evaluate("copied")).query))
        page.evaluate("globalThis.copied = undefined")
        assert {trait: copied[f"{parts.fragment}.{trait}"] for trait in state} == state
    for key, wanted in json.loads(link["data-shows"]).items():
        expect(target.locator(f'output[data-key="{key}"]')).to_have_text(wanted)


def visit(page, link):
    """Go to a link on the page that is open, as present.js does."""
    page.evaluate(
        """(link) => {
        history.replaceState(null, "", link);
        dispatchEvent(new Event("widget-state"));
        dispatchEvent(new Event("hashchange"));
    }""",
        link["href"],
    )


def page_of(link):
    return urlsplit(link["href"]).path


def without_lesson(link):
    return re.sub(r"present=.*?&step=\d+", "", link["href"])


def test_lessons_and_gallery_open_what_they_say(open_address, site, lecturers):
    """The ten minutes are walked by the arrow key, from disk. Where that opens a page, all other links to it are tried
    as well; and then those to other pages."""
    lessons = {name: lecturers.select(f'a.lesson-link[href*="present=lesson-{name}&"]') for name in (10, 45, 90)}
    assert {name: len(links) for name, links in lessons.items()} == {10: 7, 45: 16, 90: 24}  # the page says so
    states = [{without_lesson(link) for link in links} for links in lessons.values()]
    assert states[0] < states[1] < states[2]  # so that the last lesson has all
    shown = set()

    def try_all(page):
        here = Path(urlsplit(page.url).path).name
        shown.add(here)
        for link in lessons[90]:
            if page_of(link) == here:
                visit(page, link)
                check_slide(page, link)
        for link in lecturers.select(f'.gallery-picture[href^="{here}?present#"]'):
            address = link["href"].partition("#")[2]
            page.evaluate("(address) => { location.hash = address; }", address)
            expect(page.locator(f'[id="{address}"] .vw')).to_be_visible()

    page, trouble = open_address(f"{(site / 'book').as_uri()}/{lessons[10][0]['href']}", before=CLIPBOARD)
    for number, link in enumerate(lessons[10], 1):
        check_slide(page, link, (number, 7))
        if number == 7 or page_of(lessons[10][number]) != page_of(link):
            try_all(page)
        page.keyboard.press("ArrowRight")
    assert slide(page) == (7, 7)  # it ends here
    page.keyboard.press("ArrowLeft")
    assert slide(page) == (6, 7)
    page.keyboard.press("Escape")
    assert not page.evaluate(PRESENTING) and "lesson" not in page.url
    assert [line for line in trouble if "ERR_ABORTED" not in line] == []  # what the next page cuts short
    for number, link in enumerate(lessons[90], 1):
        if page_of(link) not in shown:
            page, trouble = open_address(f"{(site / 'book').as_uri()}/{link['href']}", before=CLIPBOARD)
            check_slide(page, link, (number, 24))
            try_all(page)
            assert trouble == []
    for link in lecturers.select(".gallery-picture"):
        if page_of(link) not in shown:
            page, trouble = open_address(f"{(site / 'book').as_uri()}/{link['href']}")
            try_all(page)
            assert trouble == []


def test_a_lesson_works_under_a_strict_policy(open_address, site, serve, lecturers):
    address = serve(site, [("Content-Security-Policy", POLICY)])
    link = lecturers.select('a.lesson-link[href*="present=lesson-10&"]')[1]
    page, trouble = open_address(f"{address}/book/{link['href']}", before=CLIPBOARD)
    check_slide(page, link, (2, 7))
    page.keyboard.press("ArrowLeft")
    assert slide(page) == (1, 7)
    assert trouble == []


def test_the_gallery_has_every_widget(site, lecturers):
    cards = {card.strong.get_text(): card for card in lecturers.select(".gallery-card")}
    assert list(cards) == WIDGETS
    missing = [name for name in WIDGETS if not (GALLERY / f"{name}.webp").exists()]
    assert missing == [], f"no picture of {', '.join(missing)}: run make gallery"
    assert {file.stem for file in GALLERY.iterdir()} == set(WIDGETS), "a picture of no widget"
    assert sum(file.stat().st_size for file in GALLERY.iterdir()) <= 300_000
    for card in cards.values():
        assert card.img["loading"] == "lazy" and (site / "book" / card.img["src"]).exists()
    assert all(card.select_one(".gallery-picture") for card in cards.values()), "a widget that stands in no page"
    # Its lines are those of a notebook.
    namespace = {}
    exec(lecturers.select_one("#all-widgets pre").get_text(), namespace)
    for name, card in cards.items():
        with vc.seeded(0):
            widget = eval(card.pre.get_text(), namespace)
        assert type(widget).__name__ == name
        widget.close()
