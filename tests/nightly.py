"""What takes too long for every change: two thousand moves of sliders and five hundred clicks, on a slow machine; and
the book's widgets in Firefox.

`make nightly`; SEED=7 make nightly makes other moves, and a night that failed names its seed. Each widget has its share
of both, in a page as narrow as a screen of 1280 pixels is at 200 %, on a processor that is slowed down to a sixth.
Nothing may throw, leave the disk, show a number that is none, or be kept when it is over. In Firefox, where it is
installed, every control of every page does something.
"""

import os
import random
import re

import pytest
from test_site import PAGES, UNFOLD
from widget_examples import EXAMPLES
from widget_pages import CONTROLS, EMPTY, LOOK, PATIENCE, settled_look, wait_for_frame

SEED = int(os.environ.get("SEED", 0))
MOVES, CLICKS = -(-2000 // len(EXAMPLES)), -(-500 // len(EXAMPLES))
KEYS = ["ArrowLeft", "ArrowRight", "PageUp", "PageDown", "Home", "End"]
NO_NUMBER = re.compile(r"NaN|Infinity|undefined|\[object")
KEPT = 12e6  # bytes of the heap: pictures and networks that are there for good


def heap(session):
    session.send("HeapProfiler.collectGarbage")
    return session.send("Runtime.getHeapUsage")["usedSize"]


@pytest.mark.parametrize("seed", [SEED])
@pytest.mark.parametrize("name", EXAMPLES)
def test_a_widget_holds_out(show_widgets, name, seed):
    chance = random.Random(f"{name} {seed}")
    page, trouble = show_widgets([EXAMPLES[name]()], width=640, before="globalThis.open = () => null;")
    session, place = page.context.new_cdp_session(page), page.locator(".vw")
    session.send("Emulation.setCPUThrottlingRate", {"rate": 6})
    settled_look(place)
    before = heap(session)
    hands = ["move"] * MOVES + ["click"] * CLICKS
    chance.shuffle(hands)
    said = ""
    for hand in hands:
        if hand == "move":
            sliders = place.locator("input[type=range]:enabled:visible").all()
            if sliders:
                chance.choice(sliders).press(chance.choice(KEYS))
        else:
            buttons = place.locator(
                ":is(button, input:is([type=checkbox], [type=radio]), summary):enabled:visible"
            ).all()
            chance.choice(buttons).dispatch_event("click")
        wait_for_frame(page)
        said = place.inner_text()
        assert not NO_NUMBER.search(said), f"after a {hand}: {said}"
    settled_look(place)
    assert heap(session) - before < KEPT
    assert trouble == []


@pytest.mark.parametrize("name", PAGES)
def test_widgets_in_firefox(firefox, site, name):
    firefox.open((site / name).with_suffix(".html").as_uri() + "?machine.play=false")
    firefox.evaluate(f"""(async () => {{
        window.places = () => [...document.querySelectorAll(".vw")];
        window.look = {LOOK};
        window.until = async (test) => {{
            const end = performance.now() + {PATIENCE};
            while (!test()) {{
                if (performance.now() > end) throw new Error("waited in vain");
                await new Promise((done) => setTimeout(done, 50));
            }}
        }};
        await until(() => !document.querySelector(".widget[aria-busy]"));
        {UNFOLD};
    }})()""")
    assert firefox.evaluate("[...document.querySelectorAll('.widget-notice.failed')].map((e) => e.textContent)") == []
    for n in range(firefox.evaluate("places().length")):
        firefox.evaluate(f"places()[{n}].scrollIntoView()")
        firefox.evaluate(f"until(() => !({EMPTY})(places()[{n}]).length && places()[{n}].ariaBusy !== 'true')")
        for i, key in firefox.evaluate(f"({CONTROLS})(places()[{n}])"):
            firefox.evaluate(f"""(async () => {{
                const place = places()[{n}];
                place.querySelectorAll("input, select")[{i}].focus();
                window.before = look(place);
            }})()""")
            firefox.press(key)
            firefox.evaluate(f"until(() => look(places()[{n}]) !== before)")
    assert firefox.trouble == []
