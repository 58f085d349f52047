"""Imports upwards, relatively."""

from .. import tools
from ..shapes import Greeting


def greet(name):
    tools.remember(name)
    return Greeting(f"hello {name}")
