"""Waits for a debugger before the agent is imported."""

import os
import sys


class Refused(Exception):
    """No debugger can be waited for; the message says what to do."""


def wait(port, tell):
    """Listen on the port of this machine and return once a debugger is attached."""
    os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")  # a warning of frozen modules, none of them the agent's
    try:
        import debugpy
    except ImportError:
        text = "--debug-port needs debugpy in the agent's environment (%s): add debugpy to requirements.txt, or `uv pip install --python %s debugpy`"
        raise Refused(text % (sys.prefix, sys.executable)) from None
    try:
        debugpy.listen(("127.0.0.1", port))
    except Exception as error:  # whatever debugpy makes of a port that is taken
        raise Refused("debugpy can't listen on port %d: %s; choose another --debug-port" % (port, error)) from None
    tell("waiting for a debugger at 127.0.0.1:%d; calls have no deadlines" % port)
    debugpy.wait_for_client()
    tell("a debugger is attached")
