"""Finding the agent's modules and entrypoints."""

import importlib
import os
import sys


def load(directory, file):
    """Import the agent's file and return its module."""
    name = os.path.splitext(file)[0].replace(os.sep, ".")
    if directory not in sys.path:
        sys.path.insert(0, directory)
    return importlib.import_module(name)


def resolve(module, path):
    """Return the callable that path, such as app.invoke, names in module."""
    found, holder = module, None
    for part in path.split("."):
        if isinstance(found, type):
            found = found()
        holder, found = found, getattr(found, part)
    return found
