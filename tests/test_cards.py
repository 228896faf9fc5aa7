"""The pictures of the chapters' cards are those that the models give."""

import importlib.util

import numpy as np
import pytest
from conftest import ROOT
from PIL import Image

FOLDER = ROOT / "book/cards"
spec = importlib.util.spec_from_file_location("draw", FOLDER / "draw.py")
cards = importlib.util.module_from_spec(spec)
spec.loader.exec_module(cards)


def test_each_chapter_has_a_card_that_its_models_draw():
    chapters = sorted(path.stem for path in (ROOT / "book").glob("[1-9]_*.ipynb"))
    assert sorted(cards.CARDS) == chapters == sorted(path.stem for path in FOLDER.glob("*.png"))


@pytest.mark.parametrize("name", cards.CARDS)
def test_a_card_is_drawn_by_the_models(name, tmp_path):
    drawn, kept = (
        np.array(Image.open(file).convert("RGBA"), float)[..., 3] / 255
        for file in (cards.draw(name, tmp_path), FOLDER / f"{name}.png")
    )
    assert drawn.shape == kept.shape == (240, 480)
    assert kept.max() > 0.8 and np.abs(drawn - kept).mean() < 0.01  # fonts and rounding aside
    assert (FOLDER / f"{name}.png").stat().st_size < 20_000
