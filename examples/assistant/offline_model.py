"""A chat model that needs no network and no key.

It answers by rules: a prompt that matches a rule becomes a call of that
rule's tool, and what the tools return becomes the answer. The same prompt
always gets the same answer, which is good for trying things out and for
tests. With OPENAI_API_KEY set the agent uses a real model instead.
"""

import json
import re
from typing import Any, Callable, Iterator, List, NamedTuple, Optional, Sequence

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult


class Rule(NamedTuple):
    """Says which words of a prompt ask for which tool."""

    pattern: str  # a regular expression, looked for in the prompt
    tool: str  # the tool's name
    arguments: Callable[[re.Match], Optional[dict]]  # None: not this match after all


class OfflineModel(BaseChatModel):
    """Calls tools by rules and streams its answers word by word."""

    rules: Sequence[Any] = ()
    fallback: str = "I have no rule for that."
    tool_names: Sequence[str] = ()

    @property
    def _llm_type(self) -> str:
        return "offline"

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> "OfflineModel":
        return self.model_copy(update={"tool_names": [tool.name for tool in tools]})

    def _generate(
        self,
        messages: List[BaseMessage],
        stop: Optional[List[str]] = None,
        run_manager: Optional[CallbackManagerForLLMRun] = None,
        **kwargs: Any,
    ) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=self._reply(messages))])

    def _stream(
        self,
        messages: List[BaseMessage],
        stop: Optional[List[str]] = None,
        run_manager: Optional[CallbackManagerForLLMRun] = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        reply = self._reply(messages)
        parts = [AIMessageChunk(content=word) for word in re.findall(r"\s*\S+", reply.content)]
        for index, call in enumerate(reply.tool_calls):
            piece = {"name": call["name"], "args": json.dumps(call["args"]), "id": call["id"], "index": index}
            parts.append(AIMessageChunk(content="", tool_call_chunks=[piece]))
        for part in parts:
            chunk = ChatGenerationChunk(message=part)
            if run_manager:
                run_manager.on_llm_new_token(part.content, chunk=chunk)
            yield chunk

    def _reply(self, messages: List[BaseMessage]) -> AIMessage:
        """Return what comes after the last question and the tools' results since then."""
        asked = max((i for i, m in enumerate(messages) if isinstance(m, HumanMessage)), default=-1)
        results = [str(m.content) for m in messages[asked + 1 :] if isinstance(m, ToolMessage)]
        if results:
            return AIMessage(content=" ".join(_sentence(result) for result in results))
        calls = self._calls(str(messages[asked].content)) if asked >= 0 else []
        if calls:
            return AIMessage(content="", tool_calls=calls)
        return AIMessage(content=self.fallback)

    def _calls(self, prompt: str) -> List[dict]:
        calls = []
        for rule in self.rules:
            if rule.tool not in self.tool_names:
                continue
            for match in re.finditer(rule.pattern, prompt, re.IGNORECASE):
                arguments = rule.arguments(match)
                if arguments is not None:
                    calls.append({"name": rule.tool, "args": arguments, "id": f"call_{len(calls) + 1}"})
        return calls


def _sentence(text: str) -> str:
    text = text.strip()
    return text if text.endswith((".", "!", "?")) else text + "."
