"""`make mutants`: do tests guard the arithmetic? Small changes are made, one at a time, and the tests have to notice.

Of vae_core and of what computes in vae_machinery, mutmut makes the changes and runs for each the fast tests that reach
it; of the engine, engine_mutants.py. What no test notices is shown, but for what tests/equivalent_mutants.toml lists,
with reasons: it changes nothing that anybody could see. What errors say is left alone. It ends with an error where less
than 95 % of the other changes are noticed.

A change that was noticed is not tried again until its function is another, so a run goes on where it was interrupted.
`make clean` begins anew.
"""

import ast
import collections
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "_build/mutants"
MODULES = [
    *(name for name in ("vae_core.py", "vae_parts.py") if (ROOT / name).exists()),
    *(
        f"vae_machinery/{name}.py"
        for name in ("batches", "checks", "few_labels", "fast", "fitting", "muon", "precision")
    ),
]
TESTS = ["densities", "bounds", "parts", "label_bounds", "fit", "training", "data"]
SLOW = (  # a second or more each; and one that is not itself when it runs a second time
    "two_processes compiled archive digits each_images_bound named_mixture_is_both flipped_bit less_noise exact_mean "
    "learned_variance own_log_prior flow_moves one_sample_is_the_elbo well_below derivatives_of_a_network"
)
NEEDED = 0.95
LINE = "\n    "
SETTINGS = f"""\
[mutmut]
source_paths =
    {LINE.join(name for name in MODULES if "/" not in name)}
    vae_machinery
only_mutate =
    {LINE.join(MODULES)}
also_copy =
    book
do_not_mutate_patterns =
    ^\\s*raise\\b
pytest_add_cli_args_test_selection =
    {LINE.join(f"tests/test_{name}.py" for name in TESTS)}
    -k
    not ({" or ".join(SLOW.split())})
timeout_multiplier = 4.0
use_git_change_detection = false

[tool:pytest]
addopts = -p no:cacheprovider -p no:xdist -p no:nbval -p no:playwright -p no:cov -p no:anyio
"""
# What errors say: the name of an argument, and the values that were given.
WORDS = re.compile(r'check_(count|number|tensor)\([^()]*, (⟦"|"⟦|"\w*⟦)|(values|stands) = ')


def without_decorators(source):
    """The same, with `f = decorator(f)` below f: mutmut leaves functions that are decorated alone."""
    lines = source.splitlines()
    found = [f for f in ast.walk(ast.parse(source)) if isinstance(f, ast.FunctionDef) and f.decorator_list]
    for f in sorted(found, key=lambda f: -f.lineno):
        calls = [ast.unparse(call) for call in f.decorator_list]
        if calls == ["staticmethod"] or f.col_offset > 4:  # which it takes as it is; and what is within a function
            continue
        lines.insert(f.end_lineno, " " * f.col_offset + f"{f.name} = {'('.join(calls)}({f.name}{')' * len(calls)}")
        del lines[f.decorator_list[0].lineno - 1 : f.lineno - 1]
    return "\n".join(lines) + "\n"


def write(file, text):
    """Whether there was something else: mutmut goes by the time of change."""
    if file.exists() and file.read_text(encoding="utf-8") == text:
        return False
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return True


def lay_out():
    """The folder that mutmut works in: the modules, the tests that it runs, and what these need."""
    write(FOLDER / "setup.cfg", SETTINGS)
    for file in [*ROOT.glob("vae_*.py"), *(ROOT / "vae_machinery").glob("*.py")]:
        name, text = str(file.relative_to(ROOT)), file.read_text(encoding="utf-8")
        write(FOLDER / name, without_decorators(text) if name in MODULES else text)
    texts = {
        name: (ROOT / f"tests/{name}.py").read_text(encoding="utf-8")
        for name in ["exact_models", "tiny_training", *(f"test_{name}" for name in TESTS)]
    }
    if any([write(FOLDER / f"tests/{name}.py", text) for name, text in texts.items()]):
        (FOLDER / "mutants/mutmut-stats.json").unlink(missing_ok=True)  # which test reaches what
    shutil.copytree(ROOT / "book/data", FOLDER / "book/data", dirs_exist_ok=True)


def alike(a, b):
    """How many parts two lists have in common at their beginning."""
    return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], zip(a, b, strict=False)))


def shown(was, now):
    """A line with what was changed in it: `a = b ⟦+ → -⟧ c`."""
    was, now = (re.findall(r"\w+|\s+|[*/<>=!-]+=?|.", re.sub(r"\s+", " ", text).strip()) for text in (was, now))
    start = alike(was, now)
    end = alike(was[start:][::-1], now[start:][::-1])
    parts = was[:start], was[start : len(was) - end], now[start : len(now) - end], was[len(was) - end :]
    return "{}⟦{} → {}⟧{}".format(*("".join(part) for part in parts))


def of_the_core(equivalent):
    """Of each change by mutmut: (module, what was changed, whether it was noticed)."""
    from mutmut.mutation.diff_apply import get_diff_for_mutant  # which has settings of the folder that it runs in
    from mutmut.stats import status_by_exit_code

    def codes(module):
        file = FOLDER / f"mutants/{module}.meta"
        return json.loads(file.read_text(encoding="utf-8"))["exit_code_by_key"] if file.exists() else {}

    def noticed(code):
        return status_by_exit_code[code] not in ("survived", "no tests", "not checked")

    def change(module, name):
        lines = get_diff_for_mutant(name, path=module).splitlines()[3:]
        was, now = ("\n".join(line[1:] for line in lines if line[0] == sign) for sign in "-+")
        return f"{re.sub('^x_?|__mutmut.*', '', name.split('.')[-1]).strip('ǁ').replace('ǁ', '.')}: {shown(was, now)}"

    lay_out()
    os.chdir(FOLDER)
    program = [Path(sys.executable).with_name("mutmut"), "run", "--max-children", str(len(os.sched_getaffinity(0)))]
    again = [
        name
        for module in MODULES
        for name, code in codes(module).items()
        if not noticed(code) and code is not None and change(module, name) not in equivalent
    ]
    subprocess.run(program, check=True)
    if again:
        subprocess.run([*program, *again], check=True)
    for module in MODULES:
        for name, code in codes(module).items():
            yield module, "" if noticed(code) else change(module, name), noticed(code)


def of_the_engine(equivalent):
    """The same of each change by StrykerJS."""
    import engine_mutants

    for name, text, start, end, replacement in engine_mutants.changes():
        first, last = text.rfind("\n", 0, start) + 1, text.find("\n", end)
        now = text[first:start] + replacement + text[end:last]
        change = f"{name}: {shown(text[first:last], now)}"
        noticed = change not in equivalent and engine_mutants.noticed(name, text[:start] + replacement + text[end:])
        yield f"{name}.js", change, noticed


def main(parts):
    listed = tomllib.loads((ROOT / "tests/equivalent_mutants.toml").read_text(encoding="utf-8"))["equivalent"]
    equivalent = {change for group in listed for change in group["changes"].strip().splitlines()}
    counts: dict[str, collections.Counter] = collections.defaultdict(collections.Counter)
    alive = []
    for part in parts:
        for module, change, noticed in part(equivalent):
            if not noticed and WORDS.search(change):
                continue
            kind = "noticed" if noticed else "equivalent" if change in equivalent else "alive"
            counts[module][kind] += 1
            counts["in all"][kind] += 1
            if kind == "alive":
                alive.append(change)
    print("\n".join(["", "Alive:", *alive, "", f"{'':32}noticed  equivalent  alive"]))
    for module in [*(counts.keys() - {"in all"}), "in all"]:
        print(f"{module:32}{counts[module]['noticed']:7}{counts[module]['equivalent']:12}{counts[module]['alive']:7}")
    share = counts["in all"]["noticed"] / (counts["in all"]["noticed"] + counts["in all"]["alive"])
    print(f"{share:.1%} of those that are not equivalent were noticed")
    return share < NEEDED


if __name__ == "__main__":
    kinds = {"core": of_the_core, "engine": of_the_engine}
    sys.exit(main([kinds[name] for name in sys.argv[1:] or kinds]))
