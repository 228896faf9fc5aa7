"""The corrections: each entry stands once, under the verdict that the table at the top gives it."""

import re

from conftest import ROOT

VERDICTS = {
    "Errors": "error",
    "Slips of notation": "slip",
    "Loose statements, made exact": "loose",
    "What looks wrong and is right": "right",
}
PAGE = (ROOT / "book/corrections.md").read_text(encoding="utf-8")


def test_every_entry_stands_under_its_verdict():
    told = re.findall(r"^\| \{ref\}`(E\d+) <corrections-(e\d+)>` \|.*\| (\w+) \|$", PAGE, re.M)
    assert [name for name, *_ in told] == [f"E{n}" for n in range(1, 20)]
    assert all(target == name.lower() for name, target, _ in told)
    found = {}
    for section in PAGE.split("\n## ")[1:]:
        title, _, text = section.partition("\n")
        entries = re.findall(r"^\((corrections-e\d+)\)=\n### (E\d+) · §", text, re.M)
        assert len(entries) == len(re.findall(r"^### E", text, re.M)), "an entry without its target"
        for target, name in entries:
            assert target == f"corrections-{name.lower()}" and name not in found
            found[name] = VERDICTS[title]
    assert found == {name: verdict for name, _, verdict in told}


def test_every_check_has_a_claim():
    cells = re.findall(r"^```\{code-cell\} ipython3\n(.*?)^```$", PAGE, re.M | re.S)
    for cell in cells[1:]:
        tags, _, claim, *code = cell.splitlines()
        assert tags == ":tags: [check]" and claim.startswith("# ") and claim.endswith("."), claim
        assert any("assert " in line for line in code), claim
    assert len(cells) > 20
