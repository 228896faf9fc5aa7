"""The words of the glossary: which mentions become links, and how a reader comes to see what they mean."""

import re
from types import SimpleNamespace

import pytest
from axe_playwright_python.sync_playwright import Axe
from definitions import HOME, mark
from docutils import nodes
from docutils.core import publish_doctree
from sphinx.addnodes import glossary, pending_xref
from test_site import PAGES

CHAPTERS = [name for name in PAGES if name.split("/")[1][0].isdigit()]
SHOWN = ".meaning:popover-open"
AXE = ["color-contrast", "link-in-text-block", "aria-valid-attr-value"]
MOST = 6000  # bytes that words and meanings may add to a page
# How far the meaning reaches over the edges of the window.
OVER = f"""() => {{
    const {{ left, right, top, bottom }} = document.querySelector("{SHOWN}").getBoundingClientRect();
    return Math.max(-left, right - document.documentElement.clientWidth, -top, bottom - innerHeight);
}}"""

GLOSSARY = """
posterior
  After *x*, :math:`p_\\theta(z)`.

aggregate posterior
  Of all codes.

responsibility
  A share.

Jensen's inequality
  Bends.
"""
PAGE = """
Title with a posterior
======================

Two posteriors, ``posterior``, an aggregate-posterior, the aggregate
posterior, and *responsibilities* told.

Explained
---------

The **responsibility** is this. Responsibilities add up.

Jensen
------

Posterior. Responsibilities, by Jensen’s inequality.

+-----------+
| posterior |
+-----------+
"""


def marked(page, within="elsewhere"):
    """The links and the meanings that a page gets; the meanings lead to a section of the given page."""
    home = nodes.document("", None)
    home += glossary("", *publish_doctree(GLOSSARY).children)
    for meaning in home.findall(nodes.definition):
        meaning[0] += pending_xref("", nodes.Text("There"), reftarget="there")
    domain = SimpleNamespace(anonlabels={"there": (within, "there")})
    env = SimpleNamespace(found_docs={HOME}, get_doctree={HOME: home}.get, get_domain={"std": domain}.get)
    builder = SimpleNamespace(format="html", get_relative_uri=lambda _, page: f"{page}.html")
    doctree = publish_doctree(page, settings_overrides={"doctitle_xform": False})
    mark(SimpleNamespace(builder=builder, env=env), doctree, "here")
    *links, meanings = [node.astext() for node in doctree.findall(nodes.raw)]
    return [re.sub(r"\s+", " ", re.sub("<.*?>", "", link)) for link in links], meanings


def test_the_first_mention_in_running_text_is_a_link():
    links, meanings = marked(PAGE)
    assert links == ["posteriors", "aggregate posterior", "Responsibilities", "Jensen’s inequality"]
    first, *others = meanings.splitlines()
    assert first == (
        '<div class="meaning" id="w1" popover>After <i>x</i>, p<sub>θ</sub>(z).<a href="elsewhere.html#there">There</a>'
        "</div>"
    )
    assert len(others) == 3


def test_a_word_is_left_alone_in_the_section_that_it_comes_from():
    links, meanings = marked(PAGE.replace("Jensen\n------", ".. _there:\n\nJensen\n------"), within="here")
    assert links == ["posteriors", "aggregate posterior"]
    assert 'href="#there"' in meanings


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_chapter_explains_its_words_in_few_bytes(site, name):
    page = (site / name).with_suffix(".html").read_text(encoding="utf-8")
    words = re.findall(r'<a class="word" href="([^"]*)" aria-describedby="(\w+)">', page)
    meanings = re.findall(r'<div class="meaning" id="(\w+)" popover>(.*)</div>', page)
    assert len(words) >= 8
    assert {number for _, number in words} == {number for number, _ in meanings}
    assert sum(len("".join(found)) + 60 for found in [*words, *meanings]) < MOST
    for number, told in meanings:
        link = next(href for href, of in words if of == number)
        assert re.search(rf'\. See <a href="{link}">chapter {link[0]}</a>\.$|<a href="#', told), told
        assert not set(told) & set("$\\{}"), told


def test_a_meaning_is_shown_by_mouse_and_by_keyboard(open_page):
    page, trouble = open_page("book/4_beta")
    word, shown = page.locator("a.word").nth(3), page.locator(SHOWN)
    word.scroll_into_view_if_needed()
    length = page.evaluate("document.documentElement.scrollHeight")
    word.hover()
    shown.wait_for()
    assert shown.get_attribute("id") == word.get_attribute("aria-describedby")
    assert page.evaluate(OVER) <= 0
    assert page.evaluate("document.documentElement.scrollHeight") == length
    for theme in ("light", "dark"):
        page.evaluate("(theme) => { document.documentElement.dataset.theme = theme; }", theme)
        found = Axe().run(page, context={"include": [[SHOWN], ["p:has(a.word)"]]}, options={"runOnly": AXE})
        assert found.response["violations"] == []
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
