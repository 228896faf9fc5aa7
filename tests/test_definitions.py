"""The words of the glossary in the built pages: where they are links, and how a reader comes to see what they mean."""

import re
from collections import Counter

import pytest
from bs4 import BeautifulSoup
from test_axe import broken
from test_site import PAGES

CHAPTERS = [name for name in PAGES if name.split("/")[1][0].isdigit()]
SHOWN = ".meaning:popover-open"
MOST = 6000  # bytes that the words and their meanings may add to a page
# How far the meaning reaches over the edges of the window, and whether the page is as long as it was.
OVER = f"""() => {{
    const {{ left, right, top, bottom }} = document.querySelector("{SHOWN}").getBoundingClientRect();
    return Math.max(-left, right - document.documentElement.clientWidth, -top, bottom - innerHeight);
}}"""


def read(site, name):
    return BeautifulSoup((site / name).with_suffix(".html").read_text(encoding="utf-8"), "html.parser")


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_chapters_words_are_links_with_a_meaning(site, name):
    page = read(site, name)
    words, meanings = page.select("a.word"), page.select("div.meaning")
    assert len(meanings) >= 8
    assert {word["aria-describedby"] for word in words} == {meaning["id"] for meaning in meanings}
    assert sum(len(str(part).encode()) for part in [*words, *meanings]) < MOST
    assert [
        word for word in words if word.find_parent(["a", "code", "h1", "h2", "h3", "h4", "table", "figcaption"])
    ] == []
    parts = Counter((word.find_parents("section")[-2:][0]["id"], word["aria-describedby"]) for word in words)
    assert set(parts.values()) == {1}
    for meaning in meanings:  # a plain sentence, and the link that the word itself has
        told, link = meaning.get_text(), meaning.a["href"]
        assert re.search(r"\. See chapter \d\.$", told) and not set(told) & set("$\\{}"), told
        assert link == page.find("a", "word", attrs={"aria-describedby": meaning["id"]})["href"]


def test_a_word_has_its_own_meaning_and_none_where_it_is_explained(site):
    page = read(site, "book/5_gmvae")
    told = {
        word.get_text().lower(): page.find(id=word["aria-describedby"]).get_text() for word in page.select("a.word")
    }
    assert told["aggregate posterior" if "aggregate posterior" in told else "posterior"] != told["prior"]
    assert told["posterior"].startswith("pθ(z|x): how probable each z is once the image x is seen.")
    hole = page.find(id="a-hole-in-the-prior")
    assert "aggregate posterior" in hole.get_text() and "aggregate posterior" not in map(str, hole.select("a.word"))
    assert "component" not in {word.get_text() for word in page.find(id="the-density-of-a-mixture").select("a.word")}


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_meaning_is_shown_by_mouse_and_by_keyboard(open_page, theme):
    page, trouble = open_page("book/4_beta", theme=theme)
    word, shown = page.locator("a.word").nth(3), page.locator(SHOWN)
    word.scroll_into_view_if_needed()
    length = page.evaluate("document.documentElement.scrollHeight")
    word.hover()
    shown.wait_for()
    assert shown.get_attribute("id") == word.get_attribute("aria-describedby")
    assert page.evaluate(OVER) <= 0
    assert page.evaluate("document.documentElement.scrollHeight") == length
    assert broken(page, runOnly=["color-contrast", "link-in-text-block", "aria-valid-attr-value"]) == {}
    shown.locator("a").hover()  # on the way there it stays
    page.wait_for_timeout(400)
    page.mouse.move(2, 2)
    shown.wait_for(state="hidden")
    word.focus()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Tab")
    shown.wait_for()
    page.keyboard.press("Escape")
    shown.wait_for(state="hidden")
    assert trouble == []


def test_a_tap_shows_the_meaning_and_its_link_leads_on(open_page):
    page, _ = open_page("book/5_gmvae", width=390, has_touch=True)
    address = page.url
    shown = page.locator(SHOWN)
    for number in (0, 5):
        page.locator("a.word").nth(number).scroll_into_view_if_needed()
        page.locator("a.word").nth(number).tap()
        shown.wait_for()
        assert page.url == address and page.evaluate(OVER) <= 0
    shown.locator("a").tap()
    page.wait_for_url(lambda url: url != address)
