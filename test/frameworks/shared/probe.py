"""What the tests of every framework ask of an instance."""

import os
import random
import secrets
import sys
import uuid

try:
    from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
except ImportError:  # not among the framework's requirements
    RandomIdGenerator = None


def identity():
    """Return values that no two instances may have in common, and which process this is."""
    found = {
        "pid": os.getpid(),
        "uuid4": str(uuid.uuid4()),
        "random": random.random(),
        "secrets": secrets.token_hex(8),
    }
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        found["numpy"] = float(numpy.random.random())
    if RandomIdGenerator is not None:
        found["trace_id"] = "%032x" % RandomIdGenerator().generate_trace_id()
    return found
