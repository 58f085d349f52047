"""Reads the descriptions that Google, NumPy and reST docstrings give."""

import inspect
import re

_GOOGLE_SECTION = re.compile(r"(Args|Arguments|Parameters|Params|Keyword Args|Keyword Arguments|Other Parameters):\s*$")
_ANY_SECTION = re.compile(r"[A-Z][A-Za-z ]+:\s*$")
_GOOGLE_ITEM = re.compile(r"\*{0,2}(\w+)\s*(?:\([^)]*\))?\s*:\s*(.*)$")
_REST_ITEM = re.compile(r":param(?:eter)?\s+(?:[^:]*\s)?\*{0,2}(\w+)\s*:\s*(.*)$")
_REST_FIELD = re.compile(r":\w+[^:]*:")
_NUMPY_ITEM = re.compile(r"(\*{0,2}\w+(?:\s*,\s*\*{0,2}\w+)*)\s*(?::.*)?$")
_RULE = re.compile(r"-{3,}\s*$")


class Docstring:
    """A docstring's first paragraph and what it says of each parameter."""

    def __init__(self, summary, parameters):
        self.summary = summary
        self.parameters = parameters


def parse(text):
    """Return the Docstring of raw docstring text, which may be None."""
    if not text or not isinstance(text, str):
        return Docstring("", {})
    lines = inspect.cleandoc(text).splitlines()
    parameters = {}
    for read in (_numpy, _google, _rest):
        for name, description in read(lines):
            if description:
                parameters.setdefault(name, description)
    return Docstring(_summary(lines), parameters)


def _summary(lines):
    paragraph = []
    for at, line in enumerate(lines):
        heading = at + 1 < len(lines) and _RULE.match(lines[at + 1])
        if not line.strip() or _REST_FIELD.match(line) or _ANY_SECTION.match(line) or heading:
            break
        paragraph.append(line.strip())
    return " ".join(paragraph)


def _indent(line):
    return len(line) - len(line.lstrip())


def _google(lines):
    """Yield (name, description) from an ``Args:`` section."""
    at = 0
    while at < len(lines):
        if _GOOGLE_SECTION.match(lines[at]):
            block = _block(lines[at + 1 :])
            yield from _items(block, _GOOGLE_ITEM)
            at += len(block)
        at += 1


def _block(lines):
    """Return the indented lines at the start of lines."""
    block = []
    for line in lines:
        if line.strip() and not _indent(line):
            break
        block.append(line)
    return block


def _items(block, pattern):
    margin = min((_indent(line) for line in block if line.strip()), default=0)
    name, words = None, []
    for line in block:
        match = pattern.match(line.strip()) if _indent(line) == margin else None
        if match:
            if name:
                yield name, " ".join(words)
            name, words = match.group(1), [match.group(2).strip()] if match.group(2) else []
        elif line.strip() and _indent(line) > margin:
            words.append(line.strip())
    if name:
        yield name, " ".join(words)


def _numpy(lines):
    """Yield (name, description) from a ``Parameters`` section underlined by dashes."""
    for at in range(len(lines) - 1):
        if lines[at].strip() not in ("Parameters", "Other Parameters") or not _RULE.match(lines[at + 1]):
            continue
        names, words = [], []
        for index in range(at + 2, len(lines)):
            line = lines[index]
            if index + 1 < len(lines) and _RULE.match(lines[index + 1]):
                break
            if line.strip() and not _indent(line):
                yield from ((name, " ".join(words)) for name in names)
                match = _NUMPY_ITEM.match(line)
                names = re.findall(r"\w+", match.group(1)) if match else []
                words = []
            elif line.strip():
                words.append(line.strip())
        yield from ((name, " ".join(words)) for name in names)


def _rest(lines):
    """Yield (name, description) from ``:param name:`` fields."""
    name, words = None, []
    for line in lines:
        match = _REST_ITEM.match(line)
        if match or _REST_FIELD.match(line) or not line.strip():
            if name:
                yield name, " ".join(words)
            name, words = (match.group(1), [match.group(2).strip()]) if match else (None, [])
        elif name:
            words.append(line.strip())
    if name:
        yield name, " ".join(words)
