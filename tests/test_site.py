"""The built pages in a real browser: from disk, with the network off, in both themes and on a phone."""

import functools
import io
import re
from fnmatch import fnmatch
from itertools import pairwise
from urllib.parse import unquote, urlsplit

import matplotlib.pyplot as plt
import numpy as np
import pytest
import yaml
from bs4 import BeautifulSoup
from conftest import ROOT
from figures import tidy
from fontTools.ttLib import TTFont
from PIL import Image
from playwright.sync_api import expect

TOC = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
PAGES = [TOC["root"], *(chapter["file"] for part in TOC["parts"] for chapter in part["chapters"])]


@functools.cache
def parsed(file):
    """A page of the site, to look at and not to change."""
    return BeautifulSoup(file.read_text(encoding="utf-8"), "html.parser")


def test_the_type_is_there_and_light(open_page, site):
    """Every letter of a chapter's text is in the cut fonts, which bear no reserved name; and lines have a measure."""
    page, trouble = open_page("book/3_vae")
    page.wait_for_function(
        "['text', 'sans'].every((name) => [...document.fonts].some((font) =>"
        " font.status === 'loaded' && font.family.toLowerCase().includes(`book ${name}`)))"
    )
    longest = page.evaluate("""() => Math.max(...[...document.querySelectorAll("section:not(.vw) > p")].map((text) =>
        text.clientWidth / parseFloat(getComputedStyle(text).fontSize)))""")
    assert 25 < longest < 36  # em, of somewhat under half of which a letter is wide
    letters = set("".join(page.locator("section:not(.vw) > p").all_inner_texts())) - set("\n")
    files = list((site / "_static/fonts").iterdir())
    fonts = {file.stem: TTFont(file) for file in files}
    # Those of formulas are further up.
    there = set(map(chr, fonts["text"].getBestCmap()))
    assert {letter for letter in letters if letter.isalpha() and letter < "\u2000"} <= there
    assert sum(file.stat().st_size for file in files) < 90_000
    assert not any(
        "source" in record.toUnicode().lower()
        for font in fonts.values()
        for record in font["name"].names
        if record.nameID not in (0, 13, 14)
    )
    assert trouble == []


# What has the focus: what it is, whether it is in sight, and the lines around it, or around its label; and those that
# the stop before it has kept, which say nothing of the focus.
FOCUSED = """async () => {
    const lines = (elements) => elements.map((e) => getComputedStyle(e)).flatMap((style) => [
        parseFloat(style.outlineWidth) >= 1 && style.outlineStyle !== "none" && style.outline,
        style.boxShadow !== "none" && style.boxShadow,
    ]).filter(Boolean);
    const focused = document.activeElement, label = focused.closest("label") ?? focused;
    const moved = document.getAnimations().filter((animation) => animation instanceof CSSTransition);
    await Promise.all(moved.map(({ finished }) => finished));
    // The page comes to rest: it scrolls, and draws what its reader nears.
    let box;
    const seen = () => box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth;
    for (let frames = 0, last; frames < 300 && (last !== scrollY || !seen()); frames += 2) {
        last = scrollY;
        await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
        box = focused.getBoundingClientRect();
    }
    const kept = globalThis.before ? lines(before) : [];
    globalThis.before = [focused, label];
    return {
        what: focused.outerHTML.slice(0, 200),
        tag: focused.tagName,
        seen: seen(),
        ring: lines([focused, label]),
        kept,
    };
}"""


def test_a_chapter_by_keyboard_alone(open_page):
    """The Tab key goes through all of it and comes out at its end, and where it stands is always to be seen."""
    page, trouble = open_page("book/4_beta")
    stops = []
    while not stops or stops[-1]["tag"] != "BODY":
        page.keyboard.press("Tab")
        stops.append(page.evaluate(FOCUSED))
        assert len(stops) < 600, stops[-1]
    ringed = [set(stop["ring"]) - set(after["kept"]) for stop, after in pairwise(stops)]
    *stops, _ = stops
    assert [stop for stop, ring in zip(stops, ringed, strict=True) if not (stop["seen"] and ring)] == []
    assert {"A", "BUTTON", "INPUT", "SUMMARY"} <= {stop["tag"] for stop in stops}
    assert "MJX-CONTAINER" not in {stop["tag"] for stop in stops}
    assert trouble == []


def test_a_chapter_by_a_screen_readers_words(open_page):
    """Whatever can be used has a name in words; sections, boxes and exercises are found among the headings."""
    page, _ = open_page("book/4_beta")
    nodes = page.context.new_cdp_session(page).send("Accessibility.getFullAXTree")["nodes"]
    told = [
        (node["role"]["value"], node.get("name", {}).get("value", ""), node) for node in nodes if not node["ignored"]
    ]
    used = [
        (role, name)
        for role, name, node in told
        if role not in ("RootWebArea", "generic")  # which could scroll
        and any(p["name"] == "focusable" and p["value"]["value"] for p in node["properties"])
    ]
    assert len(used) > 100 and [each for each in used if not re.search(r"\w", each[1])] == []
    assert [each for each in told if re.search("[\ue000-\uf8ff]", each[1])] == []  # letters of a typeface of icons
    headings = {name for role, name, _ in told if role == "heading"}
    titles = page.locator("article :is(h1, h2, h3), .exercise > .admonition-title").all_inner_texts()
    assert len(titles) > 15 and {title.rstrip("#") for title in titles} <= headings


def test_what_folds_has_a_name_of_its_own(open_page):
    page, _ = open_page("book/3_vae")
    solutions = page.locator(".solution .toggle-button").evaluate_all("(all) => all.map((e) => e.ariaLabel)")
    assert len(solutions) == len(set(solutions)) > 3 and all(name.startswith("Solution to") for name in solutions)
    assert page.get_by_text("Show the check of this exercise").count() >= 3
    assert page.locator("summary[aria-label]").count() == 0


def test_a_switch_shows_all_code_the_lessons_or_none(open_page):
    page, trouble = open_page("book/4_beta")
    lines = """() => [...document.querySelectorAll(".cell_input pre")].filter((pre) => !pre.closest(".solution")
        && pre.checkVisibility()).reduce((sum, pre) => sum + pre.textContent.trimEnd().split("\\n").length, 0)"""
    lesson = page.evaluate(lines)
    assert 5 < lesson <= 60
    check = page.locator(".tag_check summary").first
    assert re.fullmatch(r"checked ✓ [A-Z].+\.", check.inner_text())
    check.click()
    assert page.evaluate(lines) > lesson
    check.click()
    page.get_by_label("all", exact=True).check()
    assert page.evaluate(lines) > 150
    page.wait_for_load_state("networkidle")
    page.reload()
    page.wait_for_function(f"({lines})() > 150")  # it is kept
    page.get_by_label("none", exact=True).check()
    assert page.evaluate(lines) == 0 and not check.is_visible()
    page.get_by_label("the lesson’s").check()
    assert page.evaluate(lines) == lesson
    assert trouble == []


def test_a_link_into_a_box_opens_it(open_address, site):
    page, trouble = open_address((site / "book/4_beta.html").as_uri() + "#fig-4-warm")
    figure = page.locator("#fig-4-warm img:visible")
    expect(figure).to_be_visible()
    assert page.locator("details.exact[open]").count() == 1 < page.locator("details.exact").count()
    page, more = open_address((site / "book/4_beta.html").as_uri() + "#sec-4-warm-up")
    expect(page.locator("#fig-4-warm img:visible")).to_be_visible()
    assert trouble + more == []


def test_the_contents_mark_the_section_that_one_reads(open_page):
    """However one gets there: down or up, step by step or at one go, and with a box open or not."""
    page, trouble = open_page("book/3_vae")
    marked = page.locator(".page-toc a.active")
    names = page.locator(".page-toc a").evaluate_all("(links) => links.map((link) => link.hash.slice(1))")
    assert len(names) > 10
    for name in [*names[::4], *names[::-2]]:
        # A little below its heading, which for the last of them is further than the page goes.
        page.evaluate(
            """(name) => {
            const head = document.getElementById(name).querySelector("h2, h3");
            scrollBy(0, head.getBoundingClientRect().top - 80);
        }""",
            name,
        )
        if page.evaluate("scrollY + innerHeight < document.documentElement.scrollHeight - 2"):
            expect(marked).to_have_attribute("href", f"#{name}", timeout=3000)
            expect(marked).to_be_in_viewport(ratio=1)  # a list that is longer than the screen scrolls by itself
    expect(marked).to_have_attribute("aria-current", "true")
    assert trouble == []


def test_an_address_or_a_choice_that_means_nothing_stops_nothing(open_address, site):
    """Another page of the host may have kept something by the same name; a link may be cut off within a letter."""
    page, trouble = open_address(
        (site / "book/4_beta.html").as_uri() + "#%E0%A4%A", before="localStorage.setItem('vae-book-code', 'x')"
    )
    expect(page.get_by_label("the lesson’s")).to_be_checked()
    page.get_by_label("none", exact=True).check()
    expect(page.locator(".tag_check").first).to_be_hidden()
    assert trouble == []


def test_paper_has_the_claims_the_boxes_and_the_solutions_at_the_end(open_page):
    page, trouble = open_page("book/4_beta")
    box, check = page.locator("details.exact > p").first, page.locator(".tag_check summary").first
    folded = page.locator(".solution.toggle-hidden")
    expect(folded).to_have_count(page.locator(".solution").count())  # the theme's script has been here
    order = """[...document.querySelectorAll(".bd-article :is(.exercise, .solution, h2)")]
        .map((one) => [one.innerText, one.parentElement.id, one.previousElementSibling?.className])"""
    before = page.evaluate(order)
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    expect(check).to_be_visible()
    expect(box).to_be_visible()
    assert page.locator(".bd-article > section > section").last.evaluate("""(end) => {
        const solutions = [...document.querySelectorAll(".solution")];
        const names = solutions.map((solution) => solution.innerText.match(/Exercise [\\d.]+/)[0]);
        return end.firstChild.textContent === "Solutions" && solutions.every((one) => one.parentElement === end)
            && names.length > 2 && names.join() === [...names].sort().join();
    }""")
    expect(page.locator(".solution p").last).to_be_visible()
    page.emulate_media(media="screen")
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    expect(box).to_be_hidden()
    assert page.evaluate(order) == before
    assert trouble == []


@pytest.mark.parametrize("how", ["button", "keys", "address"])
def test_a_page_is_drawn_before_it_is_printed(open_page, how):
    page, trouble = open_page(
        "book/1_marginal_likelihood",
        "?print" if how == "address" else "",
        before="""
        globalThis.print = () => (globalThis.undrawn = document.querySelectorAll(".widget[aria-busy]").length);
        // Nothing is ready for as long as this says so.
        const add = Element.prototype.removeAttribute;
        const waiting = [];
        Element.prototype.removeAttribute = function (name) {
            if (name === "aria-busy" && !globalThis.go) waiting.push([this, name]);
            else add.call(this, name);
        };
        globalThis.letGo = () => {
            globalThis.go = true;
            for (const [element, name] of waiting) add.call(element, name);
        };
    """,
        wait_until="domcontentloaded",
    )
    page.wait_for_load_state()
    if how == "button":
        page.evaluate("document.querySelector('.btn-download-pdf-button').click()")
    elif how == "keys":
        page.keyboard.press("Control+p")
    page.wait_for_timeout(300)
    assert page.evaluate("globalThis.undrawn") is None
    page.evaluate("letGo()")
    page.wait_for_function("globalThis.undrawn === 0")
    assert trouble == []


def test_the_index_tells_the_minutes_that_the_chapters_state(site):
    index = parsed(site / "book/index.html")
    rows = [row.find_all("td") for row in index.find("table").find_all("tr")[1:]]
    told = {row[1].a["href"]: int(row[3].get_text()) for row in rows}
    assert len(told) == sum(name.split("/")[-1][0].isdigit() for name in PAGES)
    for address, minutes in told.items():
        chapter = parsed(site / "book" / address)
        assert int(chapter.select_one(".reading-time")["data-minutes"]) == minutes


def test_a_solution_opens_anywhere_on_its_bar(open_page):
    page, trouble = open_page("book/1_marginal_likelihood")
    solution = page.locator(".solution").first
    bar = solution.locator(".admonition-title")
    bar.scroll_into_view_if_needed()
    box = bar.bounding_box()
    for share in (0.02, 0.2, 0.5, 0.9, 0.965, 0.975, 0.985):
        folded = "toggle-hidden" in solution.get_attribute("class")
        page.mouse.click(box["x"] + share * box["width"], box["y"] + box["height"] / 2)
        assert ("toggle-hidden" in solution.get_attribute("class")) != folded, f"at {share:.1%}"
    assert trouble == []


def test_the_start_page_leads_to_the_book(open_address, site):
    page, trouble = open_address((site / "index.html").as_uri(), wait_until="commit")
    page.wait_for_url("**/book/index.html")
    assert trouble == []
    start = parsed(site / "index.html")
    assert start.html["lang"] == "en" and start.title.text and start.a["href"] == "book/index.html"


@pytest.mark.parametrize("name", PAGES)
def test_numbers_have_a_minus_sign_and_formulas_their_punctuation(site, name):
    page = parsed((site / name).with_suffix(".html")).article
    for formula in page.select("span.math"):
        after = formula.next_sibling
        if isinstance(after, str) and after[:1] in set(".,;:"):
            assert "unbroken" in formula.parent.get("class", [])

    def is_set_apart(tag):
        return tag.name in {"pre", "code", "script", "style"} or "math" in tag.get("class", [])

    found = [text for text in page.strings if re.search(r"(?<![\w/-])-\d", text)]
    assert [text for text in found if not text.find_parent(is_set_apart)] == []


@pytest.mark.parametrize("name", PAGES)
def test_no_page_tells_where_it_was_built(site, name):
    page = (site / name).with_suffix(".html").read_text(encoding="utf-8")
    assert str(ROOT) not in page and str(site.parents[1]) not in page


def test_a_side_remark_lies_beside_its_paragraph(browser, site):
    page, seen = browser.new_page(viewport={"width": 1440, "height": 900}, java_script_enabled=False), 0
    for file in sorted(site.glob("book/[1-8]_*.html")):
        page.goto(file.as_uri())
        found = page.evaluate(
            """() => {
                for (const box of document.querySelectorAll("details.exact")) box.open = true;
                const contents = document.querySelector(".bd-sidebar-secondary").getBoundingClientRect();
                return [...document.querySelectorAll(".remark")].map((remark) => {
                    const [own, text] = [remark, remark.previousElementSibling].map((e) => e.getBoundingClientRect());
                    const beside = text.right <= own.left && own.right <= contents.left;
                    return [remark.textContent, beside, own.bottom - text.bottom, text.top - own.top];
                });
            }"""
        )
        for text, beside, lower, higher in found:  # it may reach into the room above the paragraph
            assert beside and abs(lower) < 2 and higher < 45, text
        seen += len(found)
    page.close()
    assert seen > 10


@pytest.mark.parametrize("name", PAGES)
def test_figures_are_described(site, name):
    page = parsed((site / name).with_suffix(".html")).article
    for image in page.find_all("img"):
        # Without alt text of its own Sphinx writes the path of the file there.
        alt = image.get("alt", "")
        assert len(alt.split()) >= 3 and "/" not in alt.split()[0], f"{image['src']} has the alt text {alt!r}"
    for figure in page.find_all("figure"):
        assert figure.figcaption and figure.figcaption.find(class_="caption-text"), f"{figure.get('id')} has no caption"


@pytest.mark.parametrize("name", PAGES)
def test_tables_are_set_as_tables(site, name):
    page = parsed((site / name).with_suffix(".html")).article
    assert [text[:80] for p in page.find_all("p") if (text := p.get_text().strip()).startswith("|")] == []


# Widgets in solutions are there to be used as well.
UNFOLD = "document.querySelectorAll('button.toggle-button-hidden').forEach((button) => button.click())"


@pytest.mark.parametrize("name", PAGES)
def test_a_line_stands_for_a_widget_where_scripts_do_not_run(site, name):
    page = parsed((site / name).with_suffix(".html"))
    for script in page.find_all("script", type="application/vnd.jupyter.widget-view+json"):
        assert "needs JavaScript" in script.find_next_sibling(class_="widget").find("noscript").text


@pytest.mark.parametrize("name", ["book/index", "book/3_vae"])
def test_paper_is_white_in_the_dark_theme(open_page, name):
    page, _ = open_page(name, theme="dark")
    page.emulate_media(media="print")
    assert (
        page.evaluate("""() => {
        const style = (e) => getComputedStyle(e), bad = [];
        const say = (what, e) => bad.push(`${what} ${e.outerHTML.slice(0, 80)}`);
        const light = (color) => {
            const [r, g, b] = color.match(/[0-9.]+/g);
            return 0.2126 * r + 0.7152 * g + 0.0722 * b;
        };
        if (light(style(document.body).backgroundColor) < 250) say("dark page", document.body);
        const text = "p, h1, h2, li, code, pre, pre span, .vw, label, td";
        for (const e of document.querySelectorAll(`.bd-article :is(${text})`))
            if (light(style(e).color) > 140) say("pale", e);
        for (const e of document.querySelectorAll(".bd-article :is(img, .vw canvas, .vw svg, .swatch)"))
            if (style(e).filter !== "none") say("turned", e);
        for (const e of document.querySelectorAll(".bd-article pre")) {
            if (style(e).whiteSpace !== "pre-wrap") say("cut off", e);
            let ground = e;
            while (style(ground).backgroundColor === "rgba(0, 0, 0, 0)") ground = ground.parentElement;
            if (light(style(ground).backgroundColor) < 220) say("dark code", e);
        }
        for (const e of document.querySelectorAll(".bd-article :is(.vw-foot, .copybtn)"))
            if (style(e).display !== "none") say("to be pressed", e);
        return [...new Set(bad)].slice(0, 8);
    }""")
        == []
    )


@pytest.mark.parametrize("width", [1280, 390])
def test_code_has_room_and_what_is_wider_scrolls(open_page, width):
    page, _ = open_page("book/3_vae", width=width)
    page.evaluate(UNFOLD)
    columns, cut_off = page.evaluate("""() => {
        const ruler = Object.assign(document.createElement("span"), { textContent: "x".repeat(100) });
        const columns = [], cutOff = [];
        for (const pre of document.querySelectorAll(".bd-article .cell_input pre")) {
            const { paddingLeft, paddingRight, overflowX, whiteSpace } = getComputedStyle(pre);
            pre.append(ruler);
            const room = pre.clientWidth - parseFloat(paddingLeft) - parseFloat(paddingRight);
            const fit = Math.floor((100 * room) / ruler.getBoundingClientRect().width);
            if (!pre.closest(".admonition")) columns.push(fit);
            ruler.remove();
            const { left, right } = pre.getBoundingClientRect();
            const scrolls = whiteSpace === "pre" && overflowX === "auto";
            if (!scrolls || left < 0 || right > innerWidth) cutOff.push(pre.textContent);
        }
        return [columns, cutOff];
    }""")
    assert min(columns) >= (88 if width == 1280 else 36)
    assert cut_off == []


@pytest.mark.parametrize("name", ["book/results", "book/7_ssvae"])
def test_a_number_in_a_table_keeps_its_spread_beside_it(open_page, name):
    page, _ = open_page(name, width=390)
    lines = page.evaluate("""() => [...document.querySelectorAll("article td > p")].map((text) => {
        const all = document.createRange();
        all.selectNodeContents(text);
        return [text.textContent, new Set([...all.getClientRects()].map(({ top }) => Math.round(top))).size];
    }).filter(([text]) => /^[\\d.%]+ ± [\\d.%]+$/.test(text))""")
    assert len(lines) > 3 and {count for _, count in lines} == {1}


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_figure_is_drawn_for_its_theme(open_page, site, theme):
    """Of the two drawings that a page has of each, the other is not even fetched; no filter is upon them."""
    page, _ = open_page("book/1_marginal_likelihood", theme=theme)
    figures = page.locator("figure:has(img[src$='.svg'])")
    assert figures.count() >= 4
    for figure in figures.all():
        if not figure.is_visible():
            continue
        figure.scroll_into_view_if_needed()
        (shown,) = figure.locator("img:visible").all()
        assert (shown.get_attribute("src").endswith("-dark.svg")) == (theme == "dark")
        assert shown.evaluate("(image) => getComputedStyle(image).filter") == "none"
    fetched = page.evaluate("performance.getEntriesByType('resource').map(({ name }) => name)")
    assert not [name for name in fetched if ("-dark.svg" in name) != (theme == "dark") and "_images/" in name]


def test_a_tidy_drawing_looks_the_same(browser, tmp_path):
    with plt.rc_context({"mathtext.fontset": "cm"}):  # as the book's figures have it
        figure, axis = plt.subplots(figsize=(5, 3))
    places = np.random.default_rng(0).normal(size=(2, 200))
    axis.scatter(*places[:, :150], s=8, color="#2266aa")
    axis.scatter(*places[:, 150:], s=8, c=np.arange(50))
    axis.plot([-2, 2], [-2, 2], clip_on=True)
    axis.imshow(np.eye(8), extent=(-3, -1, 1, 3), cmap="gray")
    axis.set(title=r"The codes $z_2$ of 1,000 digits", xlabel=r"$\log w \sim -\log p$, in three fonts")
    figure.savefig(tmp_path / "drawn.svg")
    plt.close(figure)
    drawn = (tmp_path / "drawn.svg").read_text(encoding="utf-8")
    (tmp_path / "tidy.svg").write_text(tidy(drawn), encoding="utf-8")
    page, seen = browser.new_page(device_scale_factor=2), []
    for name in ("drawn", "tidy"):
        page.goto((tmp_path / f"{name}.svg").as_uri())
        seen.append(np.asarray(Image.open(io.BytesIO(page.screenshot())).convert("L")).astype(float))
    page.close()
    assert (seen[0] < 128).sum() > 5000 and np.abs(seen[0] - seen[1]).mean() < 0.1
    assert len(tidy(drawn)) < 0.7 * len(drawn)
    names = [re.findall(r' id="([^"]*)"', svg) for svg in (drawn, tidy(drawn))]
    assert len(set(names[1])) == len(names[1]) > 20  # a letter of one font is none of another


def test_a_drawing_for_the_dark_has_its_colours_and_no_negative_of_a_photograph(site):
    document = parsed(site / "book/1_marginal_likelihood.html")

    def drawings(figure):
        files = [site / "book" / image["src"] for image in document.select(f"#{figure} img")]
        return [file.read_text(encoding="utf-8") for file in files]

    def pictures(svg):
        return re.findall(r"data:image/webp;base64,([\w+/=]+)", svg)

    light, dark = drawings("fig-1-photo")
    assert len(pictures(light)) > 2 and pictures(light) == pictures(dark)
    assert "#1a1a1a" in light and "#1a1a1a" not in dark and "#e5e5e5" in dark
    light, dark = drawings("fig-1-story")
    assert len(pictures(light)) == len(pictures(dark)) and not set(pictures(light)) & set(pictures(dark))


def test_the_work_of_others_is_named(site):
    """Every file that the book did not bring itself stands in THIRD_PARTY.txt, and nothing stands there in vain."""
    text = (site / "THIRD_PARTY.txt").read_text(encoding="utf-8")
    patterns = [pattern for line in re.findall("files: (.*)", text) for pattern in line.split()]
    assets = ROOT / "book/assets"
    own = {file.relative_to(assets).as_posix() for file in assets.rglob("*")}
    own |= {"colours.css", "lessons.js", "search_index.js"}
    own |= {f.name for f in site.glob("_static/inline-*.js")}
    found = {file.relative_to(site / "_static").as_posix() for file in (site / "_static").rglob("*") if file.is_file()}
    assert {file for file in found - own if not any(fnmatch(file, pattern) for pattern in patterns)} == set()
    assert [pattern for pattern in patterns if not any(fnmatch(file, pattern) for file in found)] == []
    for name in PAGES:
        page = parsed((site / name).with_suffix(".html"))
        assert page.select_one("footer a[href$='THIRD_PARTY.txt']")


def test_links_resolve(site):
    paths = [path for path in site.rglob("*.html") if "_static" not in path.parts]  # there lie the theme's templates
    documents = {path: parsed(path) for path in paths}
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
