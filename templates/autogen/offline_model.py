"""Answers in OpenAI's place, so that the agent can be tried without a key.

It is no language model. It calls each tool whose name is in the prompt (for
count_words, both words) with the prompt's numbers and quoted texts as the
arguments, and answers with what the tools returned. So it works with tools
of your own, too. With OPENAI_API_KEY set nothing of this is used.
"""

import json
import re
import sys
from typing import List, Tuple

try:
    import httpx
except ImportError:
    import httpx2 as httpx  # what the openai package has instead since version 3


def _complete(request: httpx.Request) -> httpx.Response:
    """Answer a request for a chat completion."""
    asked = json.loads(request.content)
    text, calls = _think(asked["messages"], [tool["function"] for tool in asked.get("tools") or []])
    reason = "tool_calls" if calls else "stop"
    usage = {"prompt_tokens": len(request.content) // 4, "completion_tokens": len(text) // 4 + 1}
    usage["total_tokens"] = sum(usage.values())
    head = {"id": "offline", "created": 0, "model": asked["model"]}
    if not asked.get("stream"):
        message = {"role": "assistant", "content": text, **({"tool_calls": calls} if calls else {})}
        choices = [{"index": 0, "message": message, "finish_reason": reason}]
        return httpx.Response(200, json={**head, "object": "chat.completion", "choices": choices, "usage": usage})
    deltas = [{"role": "assistant", "content": word} for word in re.findall(r"\s*\S+", text)]
    deltas += [{"role": "assistant", "tool_calls": [{"index": i, **call}]} for i, call in enumerate(calls)]
    chunks = [{"choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    chunks += [{"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}, {"choices": [], "usage": usage}]
    events = [json.dumps({**head, "object": "chat.completion.chunk", **chunk}) for chunk in chunks]
    body = "".join(f"data: {event}\n\n" for event in [*events, "[DONE]"])
    return httpx.Response(200, headers={"Content-Type": "text/event-stream"}, text=body)


def _think(messages: List[dict], tools: List[dict]) -> Tuple[str, List[dict]]:
    """Return what to say and which tools to call."""
    asked = max(i for i, message in enumerate(messages) if message["role"] == "user")
    results = [_text(message) for message in messages[asked + 1 :] if message["role"] == "tool"]
    if results:
        return " ".join(result.rstrip(".") + "." for result in results), []
    prompt = _text(messages[asked])
    calls = []
    for tool in tools:
        if all(re.search(rf"\b{word}", prompt, re.IGNORECASE) for word in tool["name"].split("_")):
            function = {"name": tool["name"], "arguments": _fill(tool, prompt)}
            calls.append({"id": f"call_{asked}_{len(calls)}", "type": "function", "function": function})
    if calls:
        return "", calls
    names = " or ".join(tool["name"].replace("_", " ") for tool in tools)
    return f"I am a small offline model. {f'Ask me to {names}, or set' if tools else 'Set'} OPENAI_API_KEY.", []


def _fill(tool: dict, prompt: str) -> str:
    """Return arguments for a tool: numbers and quoted texts in the prompt's order."""
    quoted = r"\"(.+?)\"|'(.+?)'"
    texts = [a or b for a, b in re.findall(quoted, prompt)]
    numbers = re.findall(r"-?\d+(?:\.\d+)?", re.sub(quoted, "", prompt))
    arguments = {}
    for name, schema in tool["parameters"]["properties"].items():
        if schema.get("type") in ("number", "integer") and numbers:
            arguments[name] = json.loads(numbers.pop(0))
        elif schema.get("type") == "string":
            arguments[name] = texts.pop(0) if texts else prompt.split()[-1].strip("?!.")
    return json.dumps(arguments)


def _text(message: dict) -> str:
    content = message.get("content") or ""
    return content if isinstance(content, str) else " ".join(part.get("text", "") for part in content)


# Clients for the openai package, whose requests come here instead of to the network.
CLIENT = httpx.Client(transport=httpx.MockTransport(_complete))
ASYNC_CLIENT = httpx.AsyncClient(transport=httpx.MockTransport(_complete))

print("OPENAI_API_KEY is not set: a small offline model answers (offline_model.py).", file=sys.stderr)
