"""The widgets' scripts, joined: every import and export is understood, and what widgets share is the same text."""

import re

import pytest
from widget_examples import WIDGETS

import vae_widgets as w
from vae_widgets.modules import FOLDER, PIECES, in_order, joined, module, without_comments


@pytest.mark.parametrize("name", [file.stem for file in FOLDER.glob("*.js")])
def test_every_form_is_known(name):
    """What is imported is exported there, and no import or export is left in the text."""
    source = (FOLDER / f"{name}.js").read_text(encoding="utf-8")
    assert re.findall(r"^(?:import|export)\b.*", module(name).text, re.M) == []
    for some, other in re.findall(r'^(?:import|export) \{([^}]*)\} from "\./(\w+)\.js";$', source, re.M):
        wanted = {part.split(" as ")[0].strip() for part in some.split(",") if part.strip()}
        assert wanted <= set(module(other).exports), other
    for all_of, other in re.findall(r'^import \* as (\w+) from "\./(\w+)\.js";$', source, re.M):
        assert set(re.findall(rf"(?<![.\w]){all_of}\.(?!js\b)(\w+)", module(name).text)) <= set(
            module(other).exports
        ), other
    assert in_order(name).count(name) == 1 and in_order(name)[-1] == name


def test_what_widgets_share_is_one():
    """A page has the engine's piece once, the trainer's and the ui's, whatever widgets there are on it."""
    found = [getattr(w, name)._esm.split(PIECES) for name in WIDGETS]
    assert {pieces[0] for pieces in found} == {joined("engine.js").split(PIECES)[0]}
    assert len({pieces[-3] for pieces in found}) == 1
    assert [len(pieces) for pieces in found].count(5) == 1  # TrainVAE alone trains


def test_comments_are_left_out_and_texts_are_not():
    """What may be in a text is kept: that costs bytes, and the other way the script."""
    script = (
        '// a\nlet a; // b\n  /** @type {T} */\n  const b = f("; // d"); // the "e"\nf((/** @type {T} */ x) => x);\n'
    )
    assert without_comments(script) == 'let a;\n  const b = f("; // d"); // the "e"\nf((x) => x);\n'


def test_the_pages_own_scripts_come_without_comments(site):
    scripts = [site / "_static" / source.name for source in (FOLDER.parent / "book/assets").glob("*.js")]
    assert len(scripts) > 5
    for script in scripts:
        text = script.read_text(encoding="utf-8")
        assert without_comments(text) == text
