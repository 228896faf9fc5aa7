"""A small Sphinx extension: a build does not wait for an answer of a kernel that has come.

nbclient sends what an Output widget shows past the asynchronous socket on which it awaits the answer to the cell (its
issue 312). Sending takes the sign that something has arrived; if the answer came just then, nobody looks for it, and
the build stands still until the time for a cell is over. It did at many cells with `interact`, on some machines at
nearly all. Here whoever awaits something looks for it once a second, whether there was a sign or not.
"""

import math
import time
from contextlib import suppress
from queue import Empty

from jupyter_client.channels import AsyncZMQSocketChannel

get_msg = AsyncZMQSocketChannel.get_msg


async def look_each_second(channel, timeout=None):
    end = math.inf if timeout is None else time.monotonic() + timeout
    while end - time.monotonic() > 1:
        with suppress(Empty):
            return await get_msg(channel, 1)
    return await get_msg(channel, max(0, end - time.monotonic()))


def miss_nothing():
    AsyncZMQSocketChannel.get_msg = look_each_second


def setup(app):
    miss_nothing()
    return {"parallel_read_safe": True, "parallel_write_safe": True}
