"""A model that needs no network and no key, to try the agent with.

It is no language model. It calls each tool whose name is in the task (for
count_words, both words) with the task's numbers and quoted texts as the
arguments, and answers with what the tools returned. So it works with tools
of your own, too. With OPENAI_API_KEY set nothing of this is used.
"""

import re
import sys
from typing import List

from smolagents.models import ChatMessage, ChatMessageToolCall, ChatMessageToolCallFunction, MessageRole, Model

print("OPENAI_API_KEY is not set: a small offline model answers (offline_model.py).", file=sys.stderr)


class OfflineModel(Model):
    """Calls tools by their names."""

    def generate(self, messages: List[ChatMessage], tools_to_call_from=(), **kwargs) -> ChatMessage:
        """Return the tool calls that come next; the last one gives the final answer."""
        asked = max(i for i, message in enumerate(messages) if message.role == MessageRole.USER)
        task = _text(messages[asked])
        results = [_text(message) for message in messages[asked + 1 :] if message.role == MessageRole.TOOL_RESPONSE]
        tools = [tool for tool in tools_to_call_from if tool.name != "final_answer"]
        calls = {tool.name: _arguments(tool, task) for tool in tools if _named(tool, task)}
        if results or not calls:
            names = " or ".join(tool.name.replace("_", " ") for tool in tools)
            answer = " ".join(re.sub("Observations?:", "", result).strip() for result in results)
            hint = f"I am a small offline model. Ask me to {names}, or set OPENAI_API_KEY."
            calls = {"final_answer": {"answer": answer or hint}}
        functions = [ChatMessageToolCallFunction(arguments, name) for name, arguments in calls.items()]
        return ChatMessage(
            role=MessageRole.ASSISTANT,
            tool_calls=[ChatMessageToolCall(one, f"call_{len(messages)}_{one.name}", "function") for one in functions],
        )


def _named(tool, task: str) -> bool:
    return all(re.search(rf"\b{word}", task, re.IGNORECASE) for word in tool.name.split("_"))


def _arguments(tool, task: str) -> dict:
    """Return arguments for a tool: numbers and quoted texts in the task's order."""
    quoted = r"\"(.+?)\"|'(.+?)'"
    texts = [a or b for a, b in re.findall(quoted, task)]
    numbers = re.findall(r"-?\d+(?:\.\d+)?", re.sub(quoted, "", task))
    arguments = {}
    for name, kind in tool.inputs.items():
        if kind["type"] in ("number", "integer") and numbers:
            arguments[name] = float(numbers.pop(0))
        elif kind["type"] == "string":
            arguments[name] = texts.pop(0) if texts else task.split()[-1].strip("?!.")
    return arguments


def _text(message: ChatMessage) -> str:
    content = message.content or ""
    return content if isinstance(content, str) else " ".join(part.get("text", "") for part in content)
