"""What do the shipped models reach on the problem set's own images? python benchmarks/problem_set.py UTILS

UTILS is the skeleton's src/submission/utils.py, where the 100 test images are listed; the list stays there. The images
are binarised once, and the bounds averaged over repeated draws, as the skeleton does it. The figures go to
book/problem_set.json, where the page on the problem set finds them. It shows those of a model that is shipped still.
"""

import argparse
import ast
import json
from pathlib import Path

import numpy as np
import torch

import vae_core as vc

FIGURES = vc.BOOK / "problem_set.json"


def its_images(utils, data):
    """Ten binary images of each class, by their places among the test images of that class."""
    tree = ast.parse(Path(utils).read_text(encoding="utf-8"))
    places = next(
        ast.literal_eval(node.value.args[0])
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "test_idx"
    )
    chosen = [data.test_images[data.test_labels == digit][row] for digit, row in enumerate(places)]
    grey = torch.cat(chosen).float() / 255
    return torch.from_numpy(np.random.RandomState(0).binomial(1, grey.numpy())).float()


@torch.no_grad()
def measured(model, x):
    torch.manual_seed(0)
    parts = torch.tensor([model.negative_elbo_bound(x) for _ in range(100)]).mean(0).tolist()
    niwae = {
        m: sum(model.negative_iwae_bound(x, m)[0].item() for _ in range(n)) / n
        for m in (1, 10, 100, 1000)
        for n in [max(100 // m, 1)]
    }
    return dict(zip(("nelbo", "kl", "rec"), parts, strict=True)) | {"niwae": niwae}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("utils", help="the skeleton's utils.py")
    x = its_images(parser.parse_args().utils, vc.load_mnist())
    figures = {
        name: {"of": vc.trained_models()[name]["results"]["test"]} | measured(vc.load_trained(name), x)
        for name in ("vae", "gmvae")
    }
    print(json.dumps(figures, indent=1))
    FIGURES.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
