"""A small Sphinx extension: run the notebooks side by side, a process and a thread for each core."""

import os
from pathlib import Path


def allow(app):
    """Count this one as safe: it only numbers the sections when all pages have been read."""
    if "sphinx_multitoc_numbering" in app.extensions:  # which the newer sphinx_external_toc loads
        app.extensions["sphinx_multitoc_numbering"].parallel_read_safe = True


def deal(app, env, names):
    """Sphinx gives each process a stretch of this list; the longest pages go to one each, then the next."""
    names.sort(key=lambda name: Path(env.doc2path(name)).stat().st_size, reverse=True)
    names[:] = [name for first in range(app.parallel) for name in names[first :: app.parallel]]


def setup(app):
    app.parallel = min(4, os.cpu_count())  # Jupyter Book has no option for it; more would not end sooner
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # of each kernel: more threads than cores hinder one another
    app.connect("builder-inited", allow)
    app.connect("env-before-read-docs", deal)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
