"""`make mutants`: do tests guard the arithmetic? Small changes are made, one at a time, and the tests have to notice.

Of vae_core and of what computes in vae_machinery mutmut makes the changes (core_mutants.py), of the engine StrykerJS
(engine_mutants.py); what errors say is left alone. The fast tests run for each. A change that none of them notices is
alive, and is shown, but for those that equivalent_mutants.toml lists with a reason: they change nothing that anybody
could see. It ends with an error where less than 95 % of the others are noticed.

What was noticed is not tried again, so that a run goes on where it was interrupted; `make clean` begins anew.
`python tests/mutants.py engine 10` tries a tenth, spread evenly.
"""

import collections
import contextlib
import hashlib
import importlib
import itertools
import json
import os
import re
import resource
import sys
import tomllib
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "_build/mutants"
NEEDED = 0.95
PATIENCE = 60  # seconds of a processor for the tests of one change, which take a third of that
# What errors say: the name of an argument, and the values that were given.
WORDS = re.compile(
    r'check_(count|number|tensor)\([^()]*, (⟦"|"⟦|"\w*⟦)|check_count\(n, ⟦| in \(\(z_dim, "|(values|stands) = '
)


class Change(NamedTuple):
    module: str
    shown: str
    key: str  # of what was and what is
    how: tuple  # what its maker needs to make it


def shown(was, now):
    """A line with what was changed in it: `a = b ⟦+ → -⟧ c`."""
    was, now = (re.findall(r"\w+|\s+|[*/<>=!-]+=?|.", re.sub(r"\s+", " ", text).strip()) for text in (was, now))
    start = alike(was, now)
    end = alike(was[start:][::-1], now[start:][::-1])
    parts = was[:start], was[start : len(was) - end], now[start : len(now) - end], was[len(was) - end :]
    return "{}⟦{} → {}⟧{}".format(*("".join(part) for part in parts))


def alike(a, b):
    """How many parts two lists have in common at their beginning."""
    return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], zip(a, b, strict=False)))


def key(was, now):
    return hashlib.sha256(f"{was}\n{now}".encode()).hexdigest()[:20]


class Trial:
    """A plugin of pytest: its tests are collected once, and run in a process of its own for each change."""

    def __init__(self, maker, changes, equivalent):
        self.maker, self.changes, self.equivalent = maker, changes, equivalent
        self.file = FOLDER / f"{maker.__name__}.json"
        self.noticed = json.loads(self.file.read_text(encoding="utf-8")) if self.file.exists() else {}

    def pytest_runtestloop(self, session):
        import _pytest.main  # its loop is the plain one

        def run(items):
            resource.setrlimit(resource.RLIMIT_CPU, (PATIENCE, PATIENCE + 1))
            session.items[:] = items
            with contextlib.suppress(session.Failed):  # as soon as one has
                _pytest.main.pytest_runtestloop(session)
            return session.testsfailed

        self.maker.prepare(session, run)
        running = {}
        for change in self.changes:
            if self.noticed.get(change.key) or change.shown in self.equivalent:
                continue
            if len(running) == len(os.sched_getaffinity(0)):
                self.take(running)
            process = os.fork()
            if not process:
                failed = True
                os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
                try:
                    self.maker.make(*change.how)
                    failed = run(self.maker.tests(session.items, *change.how))
                finally:
                    os._exit(bool(failed))
            running[process] = change
        while running:
            self.take(running)
        return True

    def take(self, running):
        process, status = os.wait()
        self.noticed[running.pop(process).key] = status != 0
        whole = self.file.with_suffix(".new")  # an interruption leaves the old one or the new
        whole.write_text(json.dumps(self.noticed), encoding="utf-8")
        whole.replace(self.file)


def main(name, every=1):
    import pytest

    listed = tomllib.loads((ROOT / "tests/equivalent_mutants.toml").read_text(encoding="utf-8"))["equivalent"]
    equivalent = {change for group in listed for change in group["changes"].strip().splitlines()}
    FOLDER.mkdir(parents=True, exist_ok=True)
    maker = importlib.import_module(f"{name}_mutants")
    changes = [change for change in maker.changes() if not WORDS.search(change.shown)][:: int(every)]
    trial = Trial(maker, changes, equivalent)
    options = ["-q", "-x", "--tb=no", "--noconftest", "-n", "0", "-p", "no:cacheprovider", "-p", "no:playwright"]
    code = pytest.main([*options, *maker.OPTIONS], plugins=[trial, maker])
    if code != pytest.ExitCode.OK:
        return code
    counts: dict[str, collections.Counter] = collections.defaultdict(collections.Counter)
    print("\nAlive:")
    for change in changes:
        kind = "equivalent" if change.shown in equivalent else "noticed" if trial.noticed[change.key] else "alive"
        counts[change.module][kind] += 1
        if kind == "alive":
            print(change.shown)
    counts["in all"] = sum(counts.values(), collections.Counter())
    print(f"\n{'':32}changes  noticed  equivalent  alive")
    for module, count in counts.items():
        print(f"{module:32}{count.total():7}{count['noticed']:9}{count['equivalent']:12}{count['alive']:7}")
    share = counts["in all"]["noticed"] / (counts["in all"]["noticed"] + counts["in all"]["alive"])
    print(f"{share:.1%} of those that are not equivalent were noticed.")
    return share < NEEDED


if __name__ == "__main__":
    sys.modules["mutants"] = sys.modules["__main__"]
    sys.exit(main(*sys.argv[1:]))
