"""Processes that user code makes: what a forked child must not do, and where orphans go."""

import ctypes
import os
import sys

from . import faults

# Looked up here, so that the zygote has done it for all.
_prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None
_PR_SET_CHILD_SUBREAPER = 36

# Whether this process is a child that user code forked. One look costs little
# enough to be had after every call.
forked = False


def guard(sock, writer, logs):
    """Keep children of this process away from its socket."""

    def in_child():
        global forked
        forked = True
        sock.close()
        writer.pending.clear()
        logs.release()

    os.register_at_fork(after_in_child=in_child)


def leave():
    """End a child that has come back from user code into the shim."""
    status, error = 0, sys.exc_info()[1]
    try:
        if isinstance(error, SystemExit):
            if error.code is not None and not isinstance(error.code, int):
                print(error.code, file=sys.stderr)
            status = error.code if isinstance(error.code, int) else int(error.code is not None)
        elif error is not None:
            sys.stderr.write(faults.text(error))
            status = 1
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(status & 0xFF)


def adopt_orphans():
    """Become the parent of orphaned descendants, so that they end with the instance."""
    if _prctl is not None:
        _prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
