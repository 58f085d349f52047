"""Greets: the smallest agent there is."""


def greet(name: str) -> str:
    print("greeting", name)
    return f"Hello {name}"
