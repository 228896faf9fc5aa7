"""What the checks of the exercises share: they say yes or no, and why."""

import functools
from collections.abc import Callable
from typing import Any

import torch


def yes_or_no(check: Callable[..., str]) -> Callable[..., bool]:
    """Make a check of an exercise print "Yes" or "No", and why; it returns whether the answer is right.

    check: takes the answer, or the parts of it. It asserts what a right one satisfies, each assertion with the reason
    that a wrong one is told, and returns the sentence for a right one. None is an answer that nobody has given yet; an
    answer whose code stops with an error is wrong, and is told the error. The check draws the same random numbers each
    time, and those of the notebook go on as if there had been none.
    """

    @functools.wraps(check)
    def ask(*answer: Any) -> bool:
        if any(part is None for part in answer):
            print("Not yet: put your answer in the place of None, and run the cell again.")
            return False
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            try:
                print(f"Yes. {check(*answer)}")
            except AssertionError as reason:
                print(f"No. {reason}")
            except Exception as error:
                print(f"No. It stops with {type(error).__name__}: {error}")
            else:
                return True
        return False

    return ask
