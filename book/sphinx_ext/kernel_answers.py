"""A small Sphinx extension: no answer of a kernel is missed while nbclient tells it what an Output widget shows.

nbclient (its issue 312) sends that past the asynchronous socket on which it awaits the answer to the cell. Sending
takes the sign that something has arrived; if the answer came just then, nobody looks for it again, and the build stands
still. That befell about one in thirty cells that show an Output, as one with `interact` does.
"""

import zmq
from nbclient.output_widget import OutputWidget

send = OutputWidget.send


def send_and_look(widget, *arguments, **keywords):
    send(widget, *arguments, **keywords)
    widget.kernel_client.shell_channel.socket.get(zmq.EVENTS)  # which wakes whoever awaits what is there


def look_after_sending():
    OutputWidget.send = send_and_look


def setup(app):
    look_after_sending()
    return {"parallel_read_safe": True, "parallel_write_safe": True}
