"""What `make mutants` says of a change, and its list of those that are equivalent."""

import re
import tomllib

import core_mutants
import mutants
from conftest import ROOT

LISTED = tomllib.loads((ROOT / "tests/equivalent_mutants.toml").read_text(encoding="utf-8"))["equivalent"]


def test_a_change_is_shown_in_its_line():
    assert mutants.shown("    x = a + 1\n", "    x = a - 1\n") == "x = a ⟦+ → -⟧ 1"
    assert mutants.shown("f(a,\n  b)", "f(a,\n  None)") == "f(a, ⟦b → None⟧)"
    assert mutants.shown("return x", "return x.T") == "return x⟦ → .T⟧"


def test_decorators_become_calls():
    source = (
        "class A:\n    @first\n    @second(1)\n    def f(self):\n        return 1\n\n"
        "    @staticmethod\n    def g():\n        pass\n"
    )
    assert core_mutants.without_decorators(source) == source.replace("    @first\n    @second(1)\n", "").replace(
        "return 1\n", "return 1\n    f = first(second(1)(f))\n"
    )


def test_what_is_listed_as_equivalent_stands_in_the_code_once_and_has_a_reason():
    names = [*core_mutants.MODULES, *(file.relative_to(ROOT) for file in (ROOT / "vae_widgets").glob("*.js"))]
    code = re.sub(r"\s+", " ", " ".join((ROOT / name).read_text(encoding="utf-8") for name in names))
    changes = [change for group in LISTED for change in group["changes"].strip().splitlines()]
    lines = [re.sub(r"⟦(.*) → .*⟧", r"\1", change.partition(": ")[2]) for change in changes]
    assert [line for line in lines if line not in code] == []
    assert len(changes) == len(set(changes)) and all(len(group["because"]) > 20 for group in LISTED)
