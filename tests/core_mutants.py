"""The core's part of `make mutants`: mutmut makes the changes of vae_core and of what computes in vae_machinery."""

import ast
import json
import os
import re
import shutil
import sys

import mutants

ROOT, FOLDER = mutants.ROOT, mutants.FOLDER / "core"
MACHINERY = ["batches", "checks", "few_labels", "fast", "fitting", "muon", "precision"]
MODULES = ["vae_parts.py", "vae_core.py", *(f"vae_machinery/{name}.py" for name in MACHINERY)]
TESTS = ["densities", "bounds", "parts", "label_bounds", "fit", "training", "data"]
SLOW = (  # a second or more each
    "two_processes compiled archive digits flipped_bit less_noise exact_mean learned_variance own_log_prior flow_moves "
    "one_sample_is_the_elbo well_below derivatives_of_a_network"
)
OPTIONS = ["-c", "setup.cfg", "-k", f"not ({' or '.join(SLOW.split())})", *(f"tests/test_{name}.py" for name in TESTS)]
# What errors say is left alone.
SETTINGS = "[mutmut]\nsource_paths = .\ndo_not_mutate_patterns = ^\\s*raise\\b\n"

seconds: dict[str, float] = {}  # that a test takes
reached: dict[str, set[str]] = {}  # by a test, of the functions


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


def changes():
    """Lays out a folder with modules that hold every change, each by a name, and the tests."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    shutil.copytree(ROOT / "vae_machinery", FOLDER / "vae_machinery")
    shutil.copytree(ROOT / "book/data", FOLDER / "book/data")
    for name in ["tests/exact_models", "tests/tiny_training", *(f"tests/test_{name}" for name in TESTS)]:
        (FOLDER / "tests").mkdir(exist_ok=True)
        shutil.copy(ROOT / f"{name}.py", FOLDER / f"{name}.py")
    (FOLDER / "setup.cfg").write_text(SETTINGS, encoding="utf-8")
    os.chdir(FOLDER)
    sys.path.insert(0, str(FOLDER))
    from mutmut.mutation.file_mutation import mutate_file_contents

    for module in MODULES:
        made = mutate_file_contents(module, without_decorators((ROOT / module).read_text(encoding="utf-8")))
        (FOLDER / module).write_text(made.code, encoding="utf-8")
        lines, spans = made.code.splitlines(), made.line_span_by_function_name
        for name in made.mutant_names:
            function = name.partition("__mutmut")[0]
            both = [(each, spans[each]) for each in (f"{function}__mutmut_orig", name)]
            was, now = ("\n".join(lines[at.start - 1 : at.end]).replace(each, function) for each, at in both)
            place = re.sub("^x_?", "", function).strip("ǁ").replace("ǁ", ".")
            path = module.removesuffix(".py").replace("/", ".")
            named = (each.replace(f"def {function}(", f"def {place.split('.')[-1]}(", 1) for each in (was, now))
            text = f"{place}: {shown_lines(*(each.splitlines() for each in named))}"
            yield mutants.Change(module, text, mutants.key(was, now), (f"{path}.{name}",))


def shown_lines(was, now):
    start = mutants.alike(was, now)
    end = mutants.alike(was[start:][::-1], now[start:][::-1])
    return mutants.shown("\n".join(was[start : len(was) - end]), "\n".join(now[start : len(now) - end]))


def prepare(session, run):
    """Runs the tests without a change, to see what each reaches, and how long it takes."""
    from mutmut.mutation.trampoline import set_mutant_under_test
    from mutmut.state import state

    class Watch:
        def pytest_runtest_logreport(self, report):
            seconds[report.nodeid] = seconds.get(report.nodeid, 0) + report.duration
            reached.setdefault(report.nodeid, set()).update(state()._stats)
            state()._stats.clear()

    set_mutant_under_test("stats")
    file = FOLDER / "reached.json"
    process = os.fork()
    if not process:
        session.config.pluginmanager.register(Watch())
        failed = run(session.items)
        told = [seconds, {test: sorted(functions) for test, functions in reached.items()}]
        file.write_text(json.dumps(told), encoding="utf-8")
        os._exit(bool(failed))
    _, status = os.waitpid(process, 0)
    assert status == 0, "a test fails without any change"
    seconds.update(json.loads(file.read_text(encoding="utf-8"))[0])
    reached.update(json.loads(file.read_text(encoding="utf-8"))[1])


def make(name):
    from mutmut.mutation.trampoline import set_mutant_under_test

    set_mutant_under_test(name)


def tests(items, name):
    """Those that reach the function, the quickest first."""
    function = name.partition("__mutmut")[0]
    return sorted((i for i in items if function in reached[i.nodeid]), key=lambda item: seconds[item.nodeid])
