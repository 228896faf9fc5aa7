"""Takes pictures of the built book's widgets, for the gallery, book/assets/gallery/, and for README: make gallery.

The list is that of lecturers.html, so that a widget of the package has a picture as soon as it stands in a page. Each
picture is the upper part of its widget as a reader finds it; a training is given some steps first. README has a film,
book/machine.webp: the machine of the first page takes one digit through the model.
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
FILM = ROOT / "book/machine.webp"
FRAME, SHOWN = 60, 40  # ms of the machine's own time from a frame to the next, and ms that the film takes for it
REST, END = 900, 2500  # ms that a picture stands at most, and the last one


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


def film(page):
    """Write the film; return its bytes. The page's clock is moved by hand, so that each frame is of its moment."""
    page.clock.install()
    page.goto(f"{(SITE / 'index.html').as_uri()}?machine.step=0&machine.play=false")
    machine = page.locator("#machine")
    machine.locator(".vw-machine-sheet.lit").wait_for()
    says, flow = (machine.locator(part).bounding_box() for part in (".vw-machine-says", ".vw-machine"))
    top, bottom = says["y"] - 12, flow["y"] + flow["height"] + 4
    clip = {"x": says["x"] - 16, "y": top, "width": says["width"] + 32, "height": bottom - top}
    page.clock.pause_at(page.evaluate("Date.now()") + 1000)
    machine.get_by_role("button", name="Play").evaluate("(button) => button.click()")
    frames, times, step = [], [], 0
    while step <= (step := int(machine.locator('[data-trait="step"]').input_value())):  # until another digit begins
        with Image.open(io.BytesIO(page.screenshot(clip=clip))) as frame:
            frame = frame.convert("RGB")
        if frames and frame.tobytes() == frames[-1].tobytes():
            times[-1] = min(times[-1] + SHOWN, REST)
        else:
            frames.append(frame)
            times.append(SHOWN)
        page.clock.run_for(FRAME)
    times[-1] = END
    options = {"append_images": frames[1:], "duration": times, "loop": 0, "quality": 70, "method": 4}
    frames[0].save(FILM, save_all=True, minimize_size=True, **options)
    return FILM.stat().st_size


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
        fine = browser.new_context(viewport={"width": 1280, "height": 900}, color_scheme="light", device_scale_factor=2)
        print(FILM.name, film(fine.new_page()))
        browser.close()


if __name__ == "__main__":
    main()
