"""The search, from disk: what a reader types leads to the section that answers, whichever word and spelling it is."""

import json
import re

import pytest
from conftest import ROOT, opening
from plain_tex import plain
from playwright.sync_api import expect

# What stands first, by the sections' own sense and not by what the search makes of them.
FIRST = {
    "3_vae#a-gradient-through-a-random-draw": [
        "reparameterization trick",
        "reparametrisation trick",
        "reparam trick",
        "pathwise gradient",
    ],
    "3_vae#to-be-exact-the-score-function": ["REINFORCE", "score function", "baseline", "variance reduction"],
    "3_vae#to-be-exact-from-logits-to-log-probabilities": ["BCE", "binary cross entropy"],
    "3_vae#autoencoder-or-vae": ["autoencoder vs VAE", "auto-encoder or VAE"],
    "3_vae#the-loss-line-by-line": ["which loss"],
    "3_vae#to-be-exact-vc-fit-muon-and-a-longer-run": ["Muon"],
    "3_vae#what-the-latents-do": ["interpolation", "latent traversal"],
    "4_beta#posterior-collapse-seen": ["posterior collapse", "KL vanishing", "active units", "dead units"],
    "4_beta#seven-models-one-knob": ["beta-VAE", "β-VAE", "beta VAE"],
    "4_beta#to-be-exact-does-disentangle": ["disentanglement"],
    "4_beta#to-be-exact-nothing-to-say-or-no-time-to-say-it": ["warm-up", "KL annealing"],
    "4_beta#rate-and-distortion": ["rate distortion"],
    "4_beta#latent-size-how-many-are-enough": ["how many latents"],
    "6_iwae#why-it-is-a-bound": ["importance sampling"],
    "6_iwae#the-iwae-a-tighter-bound": ["IWAE", "importance weighted autoencoder"],
    "6_iwae#what-a-tighter-bound-does-to-the-encoder": ["doubly reparameterized", "DReG"],
    "6_iwae#to-be-exact-how-many-of-the-draws-count": ["effective sample size", "ESS"],
    "5_gmvae#the-density-of-a-mixture": ["Gaussian mixture", "GMM", "MoG"],
    "5_gmvae#the-gmvae-a-mixture-for-a-prior": ["GMVAE"],
    "5_gmvae#a-hole-in-the-prior": ["aggregated posterior", "hole in the prior"],
    "5_gmvae#meet-the-components": ["responsibilities"],
    "5_gmvae#to-be-exact-log-mean-exp": ["log-sum-exp", "logsumexp", "log mean exp"],
    "7_ssvae#the-ssvae-learning-from-few-labels": ["semi-supervised", "semisupervised learning", "SSL"],
    "7_ssvae#to-be-exact-what-the-neighbours-know": ["label propagation"],
    "2_jensen_elbo#jensen-and-the-elbo": ["ELBO", "evidence lower bound", "negative free energy"],
    "2_jensen_elbo#an-identity": ["KL divergence", "relative entropy", "Kullback Leibler"],
    "2_jensen_elbo#one-fact-about-the-logarithm": ["Jensen's inequality", "Jensen’s inequality"],
    "2_jensen_elbo#two-ways-to-fall-short": ["amortization gap"],
    "2_jensen_elbo#to-be-exact-the-kl-term-and-overfitting": ["overfitting"],
    "1_marginal_likelihood#marginal-likelihood": ["marginal likelihood", "model evidence"],
    "1_marginal_likelihood#the-exact-log-p-x-of-a-real-digit": ["quadrature"],
    "1_marginal_likelihood#what-is-a-nat-worth": ["what is a nat"],
    "8_your_own#change-4-a-prior-of-your-own": ["VampPrior"],
    "8_your_own#change-5-a-q-that-bends": ["normalizing flow"],
    "8_your_own#change-2-grey-pixels": ["continuous Bernoulli"],
    "questions#dynamic-or-fixed-binarisation": ["binarization"],
    "questions#why-bernoulli-and-not-gaussian-pixels": ["Bernoulli likelihood"],
    "questions#why-are-my-samples-blurry": ["blurry samples", "why are my samples blurry"],
    "questions#my-kl-is-zero": ["free bits"],
    "questions#do-i-sum-or-average": ["sum or average"],
    "notation#the-colours": ["color"],
    "api#vae_core.log_mean_exp": ["log_mean_exp", "vc.log_mean_exp(x)"],
    "api#vae_core.VAE.log_weight": ["VAE.log_weight", "log_weight"],
    # Not typed to the end, or with a slip.
    "3_vae#a-gradient-through-a-random-draw ": ["reparam", "reparameteris", "reparamaterization trick"],
    "4_beta#posterior-collapse-seen ": ["posterior coll", "posterior colapse", "postreior collapse"],
}
SAME = [
    ("reparameterisation", "reparameterization", "reparametrization"),
    ("normalise", "normalize"),
    ("colour", "color"),
    ("labelled", "labeled"),
    ("modelling", "modeling"),
    ("β", "beta"),
    ("log p(x)", "log pθ(x)", "log p_theta(x)"),
    ("q(z|x)", "q_φ(z ∣ x)", "q_phi(z | x)"),
    ("posterior collapse", "vanishing KL"),
    ("grey", "gray"),
]


@pytest.fixture(scope="module")
def ask(browser, site):
    """A function that types a question into the page of results and returns what it finds, as page#anchor."""
    with opening(browser) as open_address:
        page, trouble = open_address((site / "search.html").as_uri())
        expect(page.locator("#search-results [role=status]")).to_be_attached()

        def ask(query):
            page.locator(".bd-search-container input").fill(query)
            links = page.locator(".found li > a").evaluate_all("(links) => links.map((link) => link.href)")
            return [re.sub(r".*/book/(.*)\.html", r"\1", link) for link in links]

        ask.page, ask.trouble = page, trouble
        yield ask


@pytest.fixture(scope="module")
def index(site):
    text = (site / "_static/search_index.js").read_text(encoding="utf-8")
    return json.loads(re.search(r"= (.*);", text)[1])


@pytest.mark.parametrize("section", FIRST)
def test_the_section_that_answers_stands_first(ask, section):
    firsts = {query: next(iter(ask(query)), None) for query in FIRST[section]}
    assert firsts == dict.fromkeys(FIRST[section], section.strip())
    assert ask.trouble == []


@pytest.mark.parametrize("spellings", SAME, ids="".join)
def test_spellings_and_synonyms_find_the_same(ask, spellings):
    first, *others = (ask(f"{query} ")[:3] for query in spellings)
    assert first and all(other == first for other in others)


def test_each_line_of_synonyms_finds_something(ask, index):
    assert [group for group in index["synonyms"] if not ask(f"{group[-1]} ")] == []


def test_a_word_that_the_book_lacks_finds_nothing(ask):
    assert ask("zebra") == []
    expect(ask.page.get_by_role("status")).to_have_text("No sections")


def test_a_result_shows_where_it_stands_and_its_words_marked(ask):
    found = ask("evidence lower bound")
    first = ask.page.locator(".found li").first
    expect(first.locator("a")).to_have_text("2. Jensen and the ELBO")
    expect(first.locator(".found-text mark").first).to_have_text("evidence lower bound")
    expect(ask.page.get_by_role("status")).to_have_text(re.compile(rf"^\d+ sections, the first {len(found)}$"))
    ask("effective sample size")
    expect(first.locator(".found-in")).to_have_text("6. The IWAE: a tighter bound › Slide m")


def test_formulas_are_plain_text(ask, index):
    text = " ".join(section[5] for section in index["sections"])
    assert "log pθ(x) ≥ L(x; θ, φ)" in text
    assert re.findall(r".{9}(?:\\|\$|mjx).{9}", text) == []
    ask("divergence from the posterior")
    snippets = " ".join(ask.page.locator(".found-text").all_inner_texts())
    assert "pθ(z|x)" in snippets and "\\" not in snippets and "$" not in snippets


@pytest.mark.parametrize(
    ("tex", "text"),
    [
        (r"$\log p_\theta(x) \ge \mathbb{E}[\log w]$", "log pθ(x) ≥ E[log w]"),
        (r"$D_{\mathrm{KL}}(q_\phi(z \mid x) \,\|\, p(z))$", "KL(qφ(z|x) ‖ p(z))"),
        (r"\begin{aligned} a &= \frac{x + 1}{2v} \\ &\le \tfrac12 z_i^2 \end{aligned}", "a = (x + 1)/2v ≤ 1/2 zᵢ²"),
        (r"\textcolor{gap}{\underbrace{\hat p_m}_{\text{an estimate}}} \to \infty", "p̂ₘ → ∞"),
    ],
)
def test_tex_as_plain_text(tex, text):
    assert plain(tex) == text


def test_each_section_has_its_place(site, index):
    pages = [(site / name).read_text(encoding="utf-8") for name, _ in index["pages"]]
    assert len(index["sections"]) > 400
    assert [anchor for page, anchor, *_ in index["sections"] if f'id="{anchor}"' not in pages[page]] == []
    assert not any("Solution" in title for _, _, title, *_ in index["sections"])


def test_nothing_is_fetched_before_a_reader_searches(open_page):
    page, trouble = open_page("book/4_beta")
    fetched = page.locator("script[src$='/search_index.js'], script[src$='/search.js'], link[href$='/search.css']")
    expect(fetched).to_have_count(0)
    page.keyboard.press("Control+k")
    expect(fetched).to_have_count(3)
    assert trouble == []


def test_the_keyboard_leads_from_the_field_to_a_folded_box(open_page):
    page, trouble = open_page("book/4_beta")
    page.keyboard.press("Control+k")
    page.keyboard.type("disentanglement")
    dialog = page.locator("#pst-search-dialog")
    expect(dialog.get_by_role("status")).to_have_text(re.compile(r"^\d+ section"))
    page.keyboard.press("ArrowDown")
    expect(dialog.locator(".found a").first).to_be_focused()
    page.keyboard.press("ArrowUp")
    expect(dialog.locator("input")).to_be_focused()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(dialog).not_to_be_visible()
    expect(page.locator("#to-be-exact-does-disentangle > details")).to_have_attribute("open", "")
    expect(page.locator("#to-be-exact-does-disentangle h3")).to_be_in_viewport()
    assert trouble == []


def test_enter_leads_to_the_page_of_all_results(open_page):
    page, trouble = open_page("book/index", width=390, theme="dark")
    page.keyboard.press("Control+k")
    page.keyboard.type("importance weights")
    results = page.locator("#pst-search-dialog .found li")
    expect(results).to_have_count(8)
    box = page.locator("#pst-search-dialog").bounding_box()
    assert box["x"] >= 0 and box["x"] + box["width"] <= 390
    page.keyboard.press("Enter")
    page.wait_for_url("**/search.html?q=importance+weights")
    expect(page.locator("#search-results .found li").nth(8)).to_be_visible()
    assert trouble == []
    page.locator(".bd-search-container input").fill("free bits")
    page.locator("#search-results .found a").first.click()
    page.wait_for_url("**/questions.html#my-kl-is-zero")
    page.go_back()
    expect(page.locator("#search-results .found a").first).to_have_text("My KL is zero")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_sphinxs_own_search_is_gone(site):
    for name in ("searchindex.js", "_static/searchtools.js", "_static/language_data.js", "_static/sphinx_highlight.js"):
        assert not (site / name).exists()
        assert name.rpartition("/")[2] not in (site / "search.html").read_text(encoding="utf-8")


def test_synonyms_are_one_table():
    lines = (ROOT / "book/sphinx_ext/synonyms.txt").read_text(encoding="utf-8").splitlines()
    words = [word.casefold() for line in lines if not line.startswith("#") for word in line.split(" = ")]
    assert len(words) > 60 and len(words) == len(set(words)), "a word in two lines"


def test_the_search_works_in_firefox_from_disk(firefox, site):
    firefox.open(f"{(site / 'search.html').as_uri()}?q=VampPrior")
    first = """new Promise((done) => { const look = () => {
        const link = document.querySelector(".found a");
        link ? done(link.href) : setTimeout(look, 50);
    }; look(); })"""
    assert firefox.evaluate(first).endswith("8_your_own.html#change-4-a-prior-of-your-own")
    assert firefox.trouble == []
