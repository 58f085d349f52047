"""Answers in the place of Letta's server, so that the agent can be tried without one.

Its agents are no language models. They call each tool whose name is in the
prompt (for count_words, both words) with the prompt's numbers and quoted
texts as the arguments, and answer with what the tools returned; they remember
nothing. With LETTA_API_KEY or LETTA_BASE_URL set nothing of this is used.
"""

import inspect
import json
import re
import sys
from typing import Any, Callable, List, Tuple

import httpx

_tools = {}  # ID → function
_agents = {}  # ID → IDs of its tools


def _answer(request: httpx.Request) -> httpx.Response:
    """Answer a request for a tool, an agent or a message."""
    asked = json.loads(request.content)
    path = request.url.path.strip("/").split("/")[1:]
    if path == ["tools"]:
        scope = {}
        exec(asked["source_code"], scope)  # your own tool, as Letta's server would run it
        name = re.search(r"def (\w+)", asked["source_code"])[1]
        _tools[f"tool-{name}"] = scope[name]
        return httpx.Response(200, json={"id": f"tool-{name}", "name": name})
    if path == ["agents"]:
        agent_id = f"agent-{len(_agents)}"
        _agents[agent_id] = asked.get("tool_ids", [])
        return httpx.Response(200, json={"id": agent_id, "name": agent_id})
    if path[1] not in _agents:
        return httpx.Response(404, json={"detail": f"Agent {path[1]} not found"})
    calls, answer = _think(asked["input"], [_tools[tool] for tool in _agents[path[1]]])
    messages = [_message("tool_call_message", tool_call=call) for call in calls]
    if path[-1] != "stream":
        messages.append(_message("assistant_message", content=answer))
        return httpx.Response(200, json={"messages": messages, "stop_reason": {"stop_reason": "end_turn"}, "usage": {}})
    messages += [_message("assistant_message", content=word) for word in re.findall(r"\s*\S+", answer)]
    body = "".join(f"data: {event}\n\n" for event in [*map(json.dumps, messages), "[DONE]"])
    return httpx.Response(200, headers={"Content-Type": "text/event-stream"}, text=body)


def _message(kind: str, **fields: Any) -> dict:
    return {"message_type": kind, "id": "message-offline", "date": "2026-01-01T00:00:00Z", **fields}


def _think(prompt: str, tools: List[Callable]) -> Tuple[List[dict], str]:
    """Return the calls of tools and the answer."""
    calls, results = [], []
    for tool in tools:
        if all(re.search(rf"\b{word}", prompt, re.IGNORECASE) for word in tool.__name__.split("_")):
            arguments = _fill(tool, prompt)
            results.append(str(tool(**arguments)).rstrip(".") + ".")
            call = {"name": tool.__name__, "arguments": json.dumps(arguments), "tool_call_id": f"call_{len(calls)}"}
            calls.append(call)
    names = " or ".join(tool.__name__.replace("_", " ") for tool in tools)
    return calls, " ".join(results) or f"I am a small offline model. Ask me to {names}, or set LETTA_API_KEY."


def _fill(tool: Callable, prompt: str) -> dict:
    """Return arguments for a tool: numbers and quoted texts in the prompt's order."""
    quoted = r"\"(.+?)\"|'(.+?)'"
    texts = [a or b for a, b in re.findall(quoted, prompt)]
    numbers = re.findall(r"-?\d+(?:\.\d+)?", re.sub(quoted, "", prompt))
    arguments = {}
    for name, parameter in inspect.signature(tool).parameters.items():
        if parameter.annotation in (int, float) and numbers:
            arguments[name] = parameter.annotation(numbers.pop(0))
        elif parameter.annotation is str:
            arguments[name] = texts.pop(0) if texts else prompt.split()[-1].strip("?!.")
    return arguments


CLIENT = httpx.Client(transport=httpx.MockTransport(_answer))

print("LETTA_API_KEY is not set: a small offline server answers (offline_letta.py).", file=sys.stderr)
