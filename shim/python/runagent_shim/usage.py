"""What models have counted for a call: tokens in, tokens out.

Adapters report here what a framework says of each answer of a model. Several
layers may report the same answer, a client and the framework above it: each
has a ledger of its own, and the fullest one counts.
"""

import json

from .calls import CURRENT

# By hand: to make the JSON encoder's way warm takes longer than all else of a count.
_METADATA = b'{"usage": {"input_tokens": %d, "output_tokens": %d, "total_tokens": %d, "model": %b}}'
_NAMES = {}  # a model's name -> its JSON
_MOST_NAMES = 1000  # names that are made up for each call must not be held for ever
_NOTHING = ("", 0, 0, 0)


def add(source, model, input_tokens, output_tokens, total_tokens=None, key=None):
    """Count one answer of a model for the call that the calling code belongs to.

    source names the layer that reports. key names the answer, for those that
    report it more than once: the last report stands for the others. What is
    no count is taken as 0.
    """
    call = CURRENT.get()
    if call is None:
        return
    # In line: right after a framework's run each function that is called anew costs a microsecond.
    into = input_tokens if type(input_tokens) is int and input_tokens > 0 else 0
    out = output_tokens if type(output_tokens) is int and output_tokens > 0 else 0
    total = total_tokens if type(total_tokens) is int and total_tokens > 0 else into + out
    ledgers = call.usage
    if ledgers is None:
        ledgers = call.usage = {}
    ledger = ledgers.get(source)
    if ledger is None:
        ledger = ledgers.setdefault(source, {})
    ledger[len(ledger) if key is None else key] = (model or "", into, out, total)


def summary(ledgers):
    """Return {"input_tokens", "output_tokens", "total_tokens", "model"} of a call's ledgers.

    model is the one that took the most tokens, "" where none was named.
    """
    model, into, out, total = _fullest(ledgers)
    return {"input_tokens": into, "output_tokens": out, "total_tokens": total, "model": model}


def metadata(ledgers):
    """Return the JSON of RESULT's metadata."""
    model, into, out, total = _fullest(ledgers)
    named = _NAMES.get(model) if type(model) is str else None
    if named is None:
        named = json.dumps(model).encode()
        if type(model) is str and len(_NAMES) < _MOST_NAMES:
            _NAMES[model] = named
    return _METADATA % (into, out, total, named)


def _fullest(ledgers):
    """Return (model, input tokens, output tokens, total) of the ledger that has the most."""
    best = _NOTHING
    for ledger in list(ledgers.values()):
        answers = list(ledger.values())
        found = answers[0] if len(answers) == 1 else _sum(answers)
        if found[3] > best[3]:
            best = found
    return best


def _sum(answers):
    models = {}
    for model, _, _, total in answers:
        models[model] = models.get(model, 0) + total
    named = [model for model in models if model]
    return (
        max(named, key=models.get) if named else "",
        sum(answer[1] for answer in answers),
        sum(answer[2] for answer in answers),
        sum(answer[3] for answer in answers),
    )
