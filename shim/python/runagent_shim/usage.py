"""What models have counted for a call: tokens in, tokens out.

Adapters report here what a framework says of each answer of a model. Several
layers may report the same answer, a client and the framework above it: each
has a ledger of its own, and the fullest one counts.
"""

import json
import re

from .calls import CURRENT

# By hand: to make the JSON encoder's way warm takes longer than all else of a count.
_METADATA = '{"usage": {"input_tokens": %d, "output_tokens": %d, "total_tokens": %d, "model": %s}}'
_SIMPLE = re.compile(r"[A-Za-z0-9._:/@-]*\Z").match  # a model's name that JSON writes as it is


def add(source, model, input_tokens, output_tokens, total_tokens=None, key=None):
    """Count one answer of a model for the call that the calling code belongs to.

    source names the layer that reports. key names the answer, for those that
    report it more than once: the last report stands for the others. What is
    no count is taken as 0.
    """
    call = CURRENT.get()
    if call is None:
        return
    if call.usage is None:
        call.usage = {}
    ledger = call.usage.setdefault(source, {})
    into, out = _count(input_tokens), _count(output_tokens)
    if key is None:
        key = len(ledger)
    ledger[key] = (model or "", into, out, _count(total_tokens) or into + out)


def summary(ledgers):
    """Return {"input_tokens", "output_tokens", "total_tokens", "model"} of a call's ledgers.

    model is the one that took the most tokens, "" where none was named.
    """
    best = {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0, "model": ""}
    for ledger in list(ledgers.values()):
        found = _sum(list(ledger.values()))
        if found["total_tokens"] > best["total_tokens"]:
            best = found
    return best


def metadata(ledgers):
    """Return the JSON of RESULT's metadata."""
    found = summary(ledgers)
    model, counts = found["model"], (found["input_tokens"], found["output_tokens"], found["total_tokens"])
    named = '"%s"' % model if type(model) is str and _SIMPLE(model) else json.dumps(model)
    return (_METADATA % (*counts, named)).encode()


def _sum(answers):
    if len(answers) == 1:
        model, into, out, total = answers[0]
        return {"input_tokens": into, "output_tokens": out, "total_tokens": total, "model": model}
    models = {}
    for model, _, _, total in answers:
        models[model] = models.get(model, 0) + total
    named = [model for model in models if model]
    return {
        "input_tokens": sum(answer[1] for answer in answers),
        "output_tokens": sum(answer[2] for answer in answers),
        "total_tokens": sum(answer[3] for answer in answers),
        "model": max(named, key=models.get) if named else "",
    }


def _count(value):
    return value if type(value) is int and value > 0 else 0
