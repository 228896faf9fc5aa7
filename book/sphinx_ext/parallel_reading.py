"""A small Sphinx extension: run the notebooks side by side, a process and a thread for each core."""

import os
from pathlib import Path

import sphinx.builders


def allow(app):
    """Count this one as safe: it only numbers the sections when all pages have been read."""
    if "sphinx_multitoc_numbering" in app.extensions:  # which the newer sphinx_external_toc loads
        app.extensions["sphinx_multitoc_numbering"].parallel_read_safe = True


def longest_first(app, env, names):
    """So that nobody waits at the end for a long page that was begun late. Sphinx takes the list from its end."""
    names.sort(key=lambda name: Path(env.doc2path(name)).stat().st_size)


def page_by_page(names, _processes):
    """Sphinx would give each process a stretch of the list, of which one may take twice as long as another."""
    return [[name] for name in names]


def setup(app):
    app.parallel = min(4, os.cpu_count())  # Jupyter Book has no option for it; more would not end sooner
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # of each kernel: more threads than cores hinder one another
    sphinx.builders.make_chunks = page_by_page
    app.connect("builder-inited", allow)
    app.connect("env-before-read-docs", longest_first)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
