"""A plain Python agent: any function can be an entrypoint."""

from typing import Iterator


def main(prompt: str, excited: bool = False) -> dict:
    """Answer a prompt. Parameters are the fields of a call's input."""
    answer = f"You said: {prompt}"
    return {"answer": answer.upper() + "!" if excited else answer, "words": len(prompt.split())}


def main_stream(prompt: str) -> Iterator[str]:
    """Answer word by word: each item that is yielded reaches the caller at once."""
    for word in f"You said: {prompt}".split():
        yield word + " "
