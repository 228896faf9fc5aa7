"""A small Sphinx extension: cells run in the environment that builds the book, whatever the caller's variables say.

The tests begin so too, and `python own_environment.py PROGRAM ARGUMENTS` starts a program of the environment so.
"""

import os
import sys
import tempfile
from pathlib import Path

FOREIGN = ["MPLBACKEND", "MATPLOTLIBRC", "JUPYTER_PATH", "JUPYTER_CONFIG_PATH"]
# What is kept in the reader's home otherwise: settings and kernels from there, or no place to write on.
FOLDERS = ["IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "MPLCONFIGDIR"]


def enter():
    """Make the variables of this process, and of those that it starts, the environment's own."""
    for name in FOREIGN:
        os.environ.pop(name, None)
    home = Path(sys.prefix if os.access(sys.prefix, os.W_OK) else tempfile.mkdtemp(), "home")
    for name in FOLDERS:
        folder = home / name.lower()
        folder.mkdir(parents=True, exist_ok=True)
        os.environ[name] = str(folder)


def setup(app):
    enter()
    return {"parallel_read_safe": True, "parallel_write_safe": True}


if __name__ == "__main__":
    enter()
    program = str(Path(sys.executable).with_name(sys.argv[1]))
    os.execv(program, [program, *sys.argv[2:]])
