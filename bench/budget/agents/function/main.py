"""One function: the least that an agent can be."""

SAVE = 0


def main(message: str = "hi") -> dict:
    """Say which save answers."""
    return {"save": SAVE, "message": message}
