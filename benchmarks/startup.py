"""How long the reader waits before anything happens: make bench

What `import vae_core` and `load_trained`, of a plain model and of one with a mixture, take beside torch's own import,
each in a fresh process; and, with --cells, the slowest cells of the book, run chapter by chapter.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path

BOOK = Path(__file__).resolve().parents[1] / "book"

SCRIPT = """
import time, torch
start = time.perf_counter()
import vae_core
imported = time.perf_counter()
vae_core.load_trained("vae")
plain = time.perf_counter()
vae_core.load_trained("gmvae")
print(imported - start, plain - imported, time.perf_counter() - plain)
"""


def startup(rounds):
    runs = []
    for _ in range(rounds):
        done = subprocess.run([sys.executable, "-c", SCRIPT], check=True, capture_output=True, encoding="utf-8")
        runs.append([float(word) * 1000 for word in done.stdout.split()])
    imported, plain, mixture = (min(column) for column in zip(*runs, strict=True))
    print(
        f"`import vae_core`, beside torch: {imported:.0f} ms; `load_trained`: {plain:.0f} ms, then a mixture "
        f"{mixture:.0f} ms (best of {rounds})"
    )


def slowest_cells(count):
    import nbformat
    from nbclient import NotebookClient

    cells = []
    for file in sorted(BOOK.glob("*.ipynb")):
        notebook = nbformat.read(file, as_version=4)
        client = NotebookClient(notebook, timeout=600, resources={"metadata": {"path": BOOK}})
        with client.setup_kernel():
            for index, cell in enumerate(notebook.cells):
                start = time.perf_counter()
                client.execute_cell(cell, index)
                if cell.cell_type == "code":
                    cells.append((time.perf_counter() - start, file.stem, cell.source.splitlines()[:1]))
    print(f"\nAll code cells: {sum(seconds for seconds, *_ in cells):.0f} s. The slowest:\n")
    print("| s | chapter | begins with |\n|---|---|---|")
    for seconds, chapter, lines in sorted(cells, reverse=True)[:count]:
        print(f"| {seconds:.1f} | {chapter} | `{''.join(lines)}` |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="processes (default: 5)")
    parser.add_argument("--cells", type=int, default=0, metavar="N", help="print the N slowest cells of the book")
    arguments = parser.parse_args()
    startup(arguments.rounds)
    if arguments.cells:
        slowest_cells(arguments.cells)


if __name__ == "__main__":
    main()
