"""What does a step of `fit` cost, beside the loop that a good engineer writes by hand?

That loop is torch alone, over images that lie in memory, with fused Adam, and checks, reports and schedules nothing.
It and `fit` take turns, on one core and on all, for batches of 100 and 256: what else the machine does hits both.
"""

import argparse
import statistics
from functools import partial

import torch
from clock import seconds_of
from plain import ByHand, epoch_by_hand

import vae_core as vc


def compare_steps(images, rounds, steps=60):
    """Print milliseconds a step; a ratio is the median of those of the turns, each of which has all three."""
    cores = torch.get_num_threads()
    print(
        "\n| threads | batch | by hand, ms a step | `fit`, float32 | `fit`, auto | float32 / by hand | auto / float32 |"
    )
    print("|---|---|---|---|---|---|---|")
    for threads in sorted({1, cores}):
        torch.set_num_threads(threads)
        for size in (100, 256):
            some, grey = images[: steps * size], images[: steps * size].float() / 255
            model, by_hand, turns = vc.VAE(), ByHand(), []
            settings = dict(epochs=1, batch_size=size, progress=False, device="cpu")
            for _ in range(rounds + 1):
                actions = (
                    partial(epoch_by_hand, by_hand, grey, size),
                    partial(vc.fit, model, some, precision="float32", **settings),
                    partial(vc.fit, model, some, precision="auto", **settings),
                )
                turns.append([seconds_of(action) / steps * 1000 for action in actions])
            hand, exact, auto = zip(*turns[1:], strict=True)  # the first turn warms up
            row = [
                statistics.median(each)
                for each in (
                    hand,
                    exact,
                    auto,
                    [f / h for f, h in zip(exact, hand, strict=True)],
                    [a / f for a, f in zip(auto, exact, strict=True)],
                )
            ]
            print(f"| {threads} | {size} | {' | '.join(f'{x:.2f}' for x in row)} |", flush=True)
    torch.set_num_threads(cores)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15, help="turns of each (default: 15)")
    parser.add_argument("--steps", type=int, default=60, help="steps in a turn (default: 60)")
    arguments = parser.parse_args()
    compare_steps(vc.load_mnist().train_images, arguments.rounds, arguments.steps)


if __name__ == "__main__":
    main()
