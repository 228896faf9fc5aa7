"""Takes the pictures of the gallery, book/assets/gallery/, from the widgets of the built book: make gallery.

The list is that of lecturers.html, so that a widget of the package has a picture as soon as it stands in a page. Each
picture is the upper part of its widget as a reader finds it; a training is given some steps first.
"""

import io
import sys
from pathlib import Path

from bs4 import BeautifulSoup
from PIL import Image
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))
from chrome import HELP, find_chrome  # noqa: E402

SITE, PICTURES = ROOT / "_build/html/book", ROOT / "book/assets/gallery"
SIZE = (480, 360)
WIDTH = 760  # of a widget, as on a page
STEPS = 600  # that a training takes


def places():
    """Each widget's name, page and address, as the gallery links to it."""
    page = BeautifulSoup((SITE / "lecturers.html").read_text(encoding="utf-8"), "html.parser")
    for link in page.select(".gallery-picture[data-widget]"):
        name, _, address = link["href"].partition("?present#")
        yield link["data-widget"], name, address


def take(page, address):
    """A widget's picture, as PNG."""
    place = page.locator(f"#{address}")
    for box in page.locator(f"details:has(#{address})").all():
        box.evaluate("(box) => { box.open = true; }")
    page.wait_for_function("(id) => !document.getElementById(id).hasAttribute('aria-busy')", arg=address)
    place.evaluate(f"(place) => {{ place.style.width = '{WIDTH}px'; }}")
    if place.locator(".vw-train-steps").count():
        place.get_by_role("button", name="Play").click()
        page.wait_for_function(
            "([id, n]) => +document.querySelector(`#${id} .vw-train-steps output`).value.replace(',', '') >= n",
            arg=[address, STEPS],
        )
        place.get_by_role("button", name="Pause").click()
    page.wait_for_timeout(1500)  # long arithmetic goes on for a while
    return place.locator(".vw").screenshot()


def main():
    chrome = find_chrome()
    if chrome is None:
        sys.exit(HELP)
    PICTURES.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chrome)
        context = browser.new_context(viewport={"width": 1400, "height": 1100}, color_scheme="light")
        for name, file, address in places():
            page = context.new_page()
            page.goto(f"{(SITE / file).as_uri()}#{address}")
            with Image.open(io.BytesIO(take(page, address))) as picture:
                picture = picture.convert("RGB")
            height = round(picture.width * SIZE[1] / SIZE[0])
            sheet = Image.new("RGB", (picture.width, height), "#fffefc")
            sheet.paste(picture, (0, max(0, (height - picture.height) // 2)))
            sheet.resize(SIZE, Image.Resampling.LANCZOS).save(PICTURES / f"{name}.webp", quality=60, method=6)
            page.close()
            print(name, (PICTURES / f"{name}.webp").stat().st_size)
        browser.close()


if __name__ == "__main__":
    main()
