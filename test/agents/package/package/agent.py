"""An entrypoint inside the package, with relative imports."""

from . import tools
from .deep.words import greet
from .shapes import Greeting


def inside(name: str) -> dict:
    """Greet by relative imports, and lazily by an absolute one."""
    greeting = greet(name)
    import package.shapes

    return {
        "text": greeting.text,
        "same_type": type(greeting) is Greeting is package.shapes.Greeting,
        "calls": len(tools.calls),
    }
