"""The page of public names: all of them, each with its chapter, tied to the sections and back."""

import re
from html.parser import HTMLParser
from pathlib import Path

import api_page
import pytest

import vae_core as vc
import vae_parts

PAGE = (Path(__file__).resolve().parents[1] / "book" / "api.md").read_text(encoding="utf-8")
LISTED = [name for block in re.findall(r"```\{public\}\n(.*?)```", PAGE, re.DOTALL) for name in api_page.listed(block)]
CALLABLE = [name for name in vc.__all__ if callable(getattr(vc, name))]


class Links(HTMLParser):
    """The addresses in a page, and the ids."""

    def __init__(self, text):
        super().__init__()
        self.links, self.ids = [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.ids.append(attributes.get("id"))
        if tag == "a":
            self.links.append(attributes.get("href", ""))


def test_the_page_has_every_public_name_once():
    assert sorted(LISTED) == sorted(CALLABLE)
    constants = set(vc.__all__) - set(CALLABLE)
    assert constants and all(f"`{name}`" in PAGE for name in constants)


def test_a_part_is_had_from_the_core():
    parts = {
        name: part
        for name, part in vars(vae_parts).items()
        if getattr(part, "__module__", "") == "vae_parts" and not name.startswith("_")
    }
    assert len(parts) > 20 and parts.items() <= {name: getattr(vc, name) for name in vc.__all__}.items()


def test_a_class_is_followed_by_those_made_from_it_as_they_stand_in_the_source():
    assert list(api_page.listed("Prior kl_cat")) == [
        "Prior", "StandardNormal", "Mixture", "GaussianMixture", "NamedMixture", "kl_cat"
    ]  # fmt: skip


@pytest.mark.parametrize("name", CALLABLE)
def test_a_public_name_says_what_it_is_and_in_which_chapter(name):
    documented = getattr(vc, name).__doc__
    named = api_page.chapters_of(documented)
    assert named and named <= set(api_page.CHAPTERS), documented


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("log_normal", "log_normal"),
        ("vc.log_normal(z, m, v)", "log_normal"),
        ("VAE.log_weight", "VAE.log_weight"),
        ("VAE(z_dim=...)", "VAE"),
        ("log_abnormal", None),
        ("log_normal of", None),
        ("vc", None),
    ],
)
def test_code_in_the_text_is_known_by_its_name(text, name):
    assert api_page.entry_of(text) == name


def test_entries_and_sections_lead_to_each_other(site):
    book = site / "book"
    api = Links((book / "api.html").read_text(encoding="utf-8"))
    assert {f"vae_core.{name}" for name in CALLABLE} <= set(api.ids)
    pages = {file.name: Links(file.read_text(encoding="utf-8")) for file in book.glob("*.html")}
    there = [link.split("#") for link in api.links if re.match(r"\d_.*#", link)]
    assert len(there) > 100 and all(anchor in pages[page].ids for page, anchor in there)
    back = [link for page in pages.values() for link in page.links if link.startswith("api.html#")]
    assert len(back) > 100 and all(link.partition("#")[2] in api.ids for link in back)
    entries = (book / "api.html").read_text(encoding="utf-8").split('<dt class="sig sig-object py" id="vae_core.')[1:]
    silent = {
        name for name in CALLABLE for entry in entries if entry.startswith(f'{name}"') and "In the book:" not in entry
    }
    assert not silent & {"log_normal", "kl_normal", "VAE", "GMVAE", "SSVAE", "log_likelihood", "fit", "binarize"}
