"""Pages as slides, the lessons that are made of them, and the gallery of widgets."""

import json
import re
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
from bs4 import BeautifulSoup
from conftest import ROOT
from playwright.sync_api import expect
from test_other_browsers import POLICY, serve  # noqa: F401 - a fixture
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
    page, trouble = open_page("book/2_jensen_elbo")
    page.get_by_role("button", name="Present", exact=True).click()
    page.wait_for_function(PRESENTING)
    first, count = slide(page)
    assert first == 1 and count > 20
    for key, wanted in (("ArrowRight", 2), ("PageDown", 3), ("PageDown", 4), ("ArrowLeft", 3), ("PageUp", 2)):
        page.keyboard.press(key)
        assert slide(page) == (wanted, count)
    hidden = page.locator(".bd-sidebar-primary, .bd-header-article, .prev-next-footer, .cell_input, details.hide")
    assert not any(part.is_visible() for part in hidden.all())
    page.keyboard.press("ArrowRight")
    while not page.locator("#an-identity h2").is_visible():
        page.keyboard.press("ArrowRight")
    assert page.url.endswith("#an-identity")
    assert min(page.evaluate(LETTERS, "p")) >= 1.7 * 16
    # A slide that is longer than the screen is scrolled to its end first, save by the arrows.
    at, stage = slide(page), page.locator(".bd-article-container")
    assert stage.evaluate("(stage) => stage.scrollHeight > 1.2 * stage.clientHeight")
    page.keyboard.press("PageDown")
    assert slide(page) == at and stage.evaluate("(stage) => stage.scrollTop") > 0
    page.keyboard.press("Escape")
    assert not page.evaluate(PRESENTING) and "present" not in page.url
    expect(page.locator("#an-identity h2")).to_be_in_viewport()
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


@pytest.mark.parametrize("size", [(1280, 720), (1024, 768)])
def test_a_pointer_hits_what_is_enlarged(open_page, size):
    page, trouble = open_page("book/2_jensen_elbo", query="?present#one-latent")
    page.set_viewport_size({"width": size[0], "height": size[1]})
    wait_for_frame(page)
    assert min(page.evaluate(LETTERS, "#one-latent :is(td, th, button.primary, label)")) >= size[1] / 40
    handle = page.locator("#one-latent svg circle").last
    start, width = handle.bounding_box(), page.locator("#one-latent svg").first.bounding_box()["width"]
    middle = (start["x"] + start["width"] / 2, start["y"] + start["height"] / 2)
    drag(page, [middle, (middle[0] + 0.15 * width, middle[1])])
    end = handle.bounding_box()
    assert end["x"] - start["x"] == pytest.approx(0.15 * width, abs=4)
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


def check_slide(page, link, at):
    """The page is the slide that the link says, and its widget has the state that it says."""
    parts = urlsplit(link)
    page.wait_for_function(PRESENTING)
    assert urlsplit(page.url).path.endswith(parts.path.removeprefix("..")) and slide(page) == at
    expect(page.locator("html.to-present")).to_have_count(0)
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


def walk(open_address, site, lecturers, name, **options):
    """Open the first slide of a lesson, and go through it by the arrow key; yields the page at each."""
    links = lecturers.select(f'a.lesson-link[href*="present={name}&"]')
    page, trouble = open_address((site / "book").as_uri() + "/" + links[0]["href"], before=CLIPBOARD, **options)
    for number, link in enumerate(links, 1):
        check_slide(page, link["href"], (number, len(links)))
        for key, wanted in json.loads(link["data-shows"]).items():
            place = page.locator(f'[id="{urlsplit(link["href"]).fragment}"]')
            expect(place.locator(f'output[data-key="{key}"]')).to_have_text(wanted)
        yield page
        page.keyboard.press("ArrowRight")
    assert slide(page) == (len(links), len(links))  # it ends here
    assert trouble == []


def test_the_ten_minutes_are_walked_by_the_arrow_key(open_address, site, lecturers):
    for page in walk(open_address, site, lecturers, "lesson-10"):
        last = page
    last.keyboard.press("ArrowLeft")
    assert slide(last) == (6, 7)
    last.keyboard.press("Escape")
    assert not last.evaluate(PRESENTING) and "lesson" not in last.url


def test_every_link_of_lessons_and_gallery_shows_its_widget(open_address, site, lecturers):
    """The longest lesson has all states of the others; and each widget of the gallery is shown where its page is open."""
    def states(name):
        links = lecturers.select(f'a.lesson-link[href*="present={name}&"]')
        assert len(links) == len({link["href"] for link in links})
        return {re.sub(r"present=.*?&step=\d+", "", link["href"]) for link in links}

    assert states("lesson-10") <= states("lesson-45") <= states("lesson-90")
    slides = {name: len(states(f"lesson-{name}")) for name in ("10", "45", "90")}
    assert slides == {"10": 7, "45": 16, "90": 24}  # the page says so
    shown, by_page = set(), {}
    for link in lecturers.select(".gallery-picture"):
        path, _, address = link["href"].partition("?present#")
        by_page.setdefault(path, set()).add(address)
    for page in walk(open_address, site, lecturers, "lesson-90"):
        path = Path(urlsplit(page.url).path).name
        if path in shown:
            continue
        shown.add(path)
        here = page.url.partition("#")[2]
        for address in by_page.get(path, ()):
            page.evaluate("(address) => { location.hash = address; }", address)
            expect(page.locator(f'[id="{address}"] .vw')).to_be_visible()
        page.evaluate("(address) => { location.hash = address; }", here)
    assert shown >= by_page.keys()


def test_a_lesson_works_under_a_strict_policy(open_address, site, serve, lecturers):  # noqa: F811
    address = serve(site, [("Content-Security-Policy", POLICY)])
    link = lecturers.select('a.lesson-link[href*="present=lesson-10&"]')[1]["href"]
    page, trouble = open_address(f"{address}/book/{link}", before=CLIPBOARD)
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
    assert all(card.img["loading"] == "lazy" and (site / "book" / card.img["src"]).exists() for card in cards.values())
    assert all(card.select_one(".gallery-picture") for card in cards.values()), "a widget that stands in no page"
    # Its lines are those of a notebook.
    namespace = {}
    exec(lecturers.select_one("#all-widgets pre").get_text(), namespace)
    for name, card in cards.items():
        with vc.seeded(0):
            widget = eval(card.pre.get_text(), namespace)
        assert type(widget).__name__ == name
        widget.close()
