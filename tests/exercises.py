"""The exercises of the chapters: each check is asked with the right answer and with wrong ones.

In a chapter an exercise is its text with a label, a folded cell that defines the check, a cell for the reader that ends
by asking it, and the solution, whose first cell has the right answer. One that is answered by a Try alone ends in that,
and has no check: its reasons are in the widget, and its cell asserts what they say.
"""

import ast
import contextlib
import functools
import io
import itertools
import re
import symtable
from typing import NamedTuple

import nbformat
import torch
from conftest import ROOT


class Edit(NamedTuple):
    """A wrong answer: the right one with something in it changed."""

    old: str
    new: str


class Exercise(NamedTuple):
    """What stands in the chapter. before: the sources of the cells that the exercise needs; given: those of the
    exercise itself, without the question to the check; ask: that question; answer: the right one."""

    before: list[str]
    given: list[str]
    ask: str
    answer: str


@functools.cache
def cells_of(chapter):
    return nbformat.read(ROOT / f"book/{chapter}.ipynb", as_version=4).cells


def labels_of(chapter: str) -> list[str]:
    """The labels of a chapter's exercises, less those that are answered by a Try alone; a chapter is called as its
    file, such as "1_marginal_likelihood"."""
    labels = re.findall(r"\{exercise\}.*\n:label: (\S+)", "\n".join(cell.source for cell in cells_of(chapter)))
    return [label for label in labels if not is_tried(chapter, label)]


def is_tried(chapter: str, label: str) -> bool:
    """Whether an exercise is answered by a Try, with nothing for the reader to write: it has no solution in code."""
    cells = cells_of(chapter)
    start = next(i for i, cell in enumerate(cells) if f":label: {label}\n" in cell.source)
    if "{solution}" in cells[start].source.split(f":label: {label}\n")[1]:
        return False  # a proof
    own = [cell.source for cell in itertools.takewhile(lambda cell: cell.cell_type == "code", cells[start + 1 :])]
    return any(re.search(r"^Try\(", source, re.M) for source in own) and not any("\ncheck_" in source for source in own)


def bounds(chapter: str, label: str) -> tuple[int, int]:
    """The numbers of the cells with an exercise's text and with its solution in code."""
    sources = [cell.source for cell in cells_of(chapter)]
    marks = f":label: {label}\n", f"{{solution-start}} {label}\n"
    return tuple(next(i for i, source in enumerate(sources) if mark in source) for mark in marks)


@functools.cache
def exercise(chapter: str, label: str) -> Exercise:
    cells = cells_of(chapter)
    sources = [cell.source if cell.cell_type == "code" else "" for cell in cells]
    start, end = bounds(chapter, label)
    given = [i for i in range(start, end) if sources[i]]
    answer = next(i for i in range(end, len(cells)) if sources[i])
    *stub, ask = ast.parse(sources[given[-1]]).body
    return Exercise(
        before=[sources[i] for i in needed(sources, [*given, answer]) if i not in (*given, answer)],
        given=[*(sources[i] for i in given[:-1]), unparse(stub)],
        ask=unparse([ask]),
        answer=unparse(s for s in ast.parse(sources[answer]).body if not asks(s, ask)),
    )


def unparse(statements):
    return "\n".join(ast.unparse(statement) for statement in statements)


def asks(statement, ask):
    """Whether a statement puts a question to the check that `ask` puts one to, or asserts."""
    return isinstance(statement, ast.Assert) or ast.unparse(ask.value.func) in ast.unparse(statement)


def names(source):
    """(bound, wanted): the global names that code binds, and those that it looks up before it binds them."""
    bound, wanted = set(), set()
    for statement in one_by_one(ast.parse(source).body):
        top = symtable.symtable(ast.unparse(statement), "cell", "exec")
        looked_up = {s.get_name() for s in top.get_symbols() if s.is_referenced()}
        inner = list(top.get_children())
        while inner:
            table = inner.pop()
            inner += table.get_children()
            looked_up |= {s.get_name() for s in table.get_symbols() if s.is_global() and s.is_referenced()}
        wanted |= looked_up - bound
        bound |= {s.get_name() for s in top.get_symbols() if s.is_assigned() or s.is_imported()}
    return bound, wanted


def one_by_one(statements):
    """The statements, with those in the body of a `with` or `for` in its place, after what it binds."""
    for it in statements:
        if isinstance(it, ast.With):
            yield from (ast.Assign([i.optional_vars or ast.Name("_")], i.context_expr, lineno=0) for i in it.items)
            yield from one_by_one(it.body)
        elif isinstance(it, ast.For):
            yield ast.Assign([it.target], it.iter, lineno=0)
            yield from one_by_one([*it.body, *it.orelse])
        else:
            yield it


def needed(sources, last):
    """The numbers of the cells `last` and of those before them that bind what they look up."""
    wanted, chosen = set(), []
    for i in reversed(range(max(last) + 1)):
        bound, looked_up = names(sources[i])
        if i in last or (i < min(last) and bound & wanted):
            chosen.insert(0, i)
            wanted = (wanted - bound) | looked_up
    return chosen


@functools.cache
def world(chapter, label):
    """The names that there are when the exercise is reached, and whether gradients are on."""
    it, space = exercise(chapter, label), {}
    with torch.enable_grad():
        for source in (*it.before, *it.given):
            run(source, space)
        return space, torch.is_grad_enabled()


def run(source, space):
    """Run code as a cell, and return what it printed."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(source, "cell", "exec"), space)
    return printed.getvalue()


def reply(chapter, label, answer=""):
    """What the check says of an answer, given as code; without one, of what the reader finds in the cell."""
    space, gradients = world(chapter, label)
    space = dict(space)
    with torch.set_grad_enabled(gradients):
        run(answer, space)
        return run(exercise(chapter, label).ask, space)


def assert_tells(chapter, label, wrong):
    """The check says yes to the solution; no to what the reader finds, and to each wrong answer for its own reason.

    wrong: a dict from some words of the reason to the answer, which is code or an Edit of the solution.
    """
    right = exercise(chapter, label).answer
    assert re.match(r"Yes\. \w.*", reply(chapter, label, right))
    assert re.match(r"No\. |Not yet", reply(chapter, label))
    said = {}
    for reason, answer in wrong.items():
        if isinstance(answer, Edit):
            assert right.count(answer.old) == 1, f"{answer.old!r} is {right.count(answer.old)} times in the solution"
            answer = right.replace(*answer)
        said[reason] = reply(chapter, label, answer)
        assert said[reason].startswith("No. ") and reason in said[reason], f"wanted {reason!r}, got {said[reason]!r}"
    assert len(set(said.values())) == len(wrong) >= 3
