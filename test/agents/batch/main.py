"""A list goes in, a list of the same length comes out."""


def squares(items: list) -> list:
    """Square each item's `n`; an item without a number fails alone."""
    return [square(item, len(items)) for item in items]


def square(item, together):
    try:
        return {"square": item["n"] ** 2, "together": together}
    except (KeyError, TypeError) as error:
        return ValueError(f"no number in {item!r}: {error}")


def too_short(items: list) -> list:
    """Break the rule: return one result too few."""
    return items[1:]


def picky(items: list) -> list:
    """Raise for the whole list when one item is bad."""
    if any(item.get("bad") for item in items):
        raise ValueError("a bad item")
    return items


async def later(items: list) -> list:
    """The same as a coroutine."""
    return [{"later": item} for item in items]
