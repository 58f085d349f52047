"""An entrypoint beside the package that reaches one file by two names."""

import os
import sys

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "package"))

import tools

import package.tools
from package.deep.words import greet


def outside(name: str) -> dict:
    """Greet, and say whether both names mean one module."""
    before = len(tools.calls)
    greeting = greet(name)
    return {
        "text": greeting.text,
        "one_module": tools is package.tools,
        "seen_by_tools": len(tools.calls) - before,
        "file": os.path.basename(package.tools.__file__),
    }


class Greeter:
    """Instantiated once, without arguments."""

    made = 0

    def __init__(self):
        Greeter.made += 1

    def greet(self, name: str) -> dict:
        return {"text": greet(name).text, "made": Greeter.made}


greeter = Greeter()
