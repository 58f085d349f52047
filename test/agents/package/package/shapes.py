"""A type whose identity matters."""

from dataclasses import dataclass


@dataclass
class Greeting:
    """What the package says."""

    text: str
