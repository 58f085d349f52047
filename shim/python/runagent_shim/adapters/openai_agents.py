"""The OpenAI Agents SDK: agents, and the results and streams of its Runner."""

import sys

from .adapter import Adapted, Adapter
from .bridge import bridged
from .closing import Closing
from .prompts import PromptBinding

_DELTA = "response.output_text.delta"


class OpenAIAgents(Adapter):
    """Knows agents, run results and their events. Tokens are counted by the OpenAI SDK."""

    NAMES = "an OpenAI Agents agent"

    def adapt(self, value, wanted):
        """Serve an agent by Runner.run, or its text as it comes."""
        if not isinstance(value, _sdk().Agent):
            return None
        runner = _sdk().Runner

        async def run(prompt, **options):
            return await runner.run(value, prompt, **options)

        async def stream(prompt, **options):
            async with Closing(_events(runner.run_streamed(value, prompt, **options))) as events:
                async for event in events:
                    text = _text(event)
                    if text:
                        yield text

        return Adapted(stream if wanted.streams else run, _BINDING, chosen=True)

    def handler(self, kind):
        """Make objects of results, events and agents."""
        sdk = _sdk()
        for names, found in _TABLE:
            for name in names:
                base = getattr(sdk, name, None)
                if isinstance(base, type) and issubclass(kind, base):
                    return found
        return None

    def items(self, value):
        """Give the events of a streamed run."""
        return _events(value) if isinstance(value, _sdk().RunResultStreaming) else None

    def watch(self):
        """Have run_sync work on all threads."""
        runner = _sdk().Runner
        runner.run_sync = staticmethod(bridged(runner.run_sync, runner.run))


ADAPTER = OpenAIAgents()
_OPTIONS = {"context": None, "max_turns": "integer", "previous_response_id": "string", "conversation_id": "string"}
_BINDING = PromptBinding(("input", "query", "question"), _OPTIONS, lambda given: (given, {}), takes=None)


def _sdk():
    return sys.modules["agents"]


async def _events(result):
    """Yield the events of a streamed run; who stops listening stops the run."""
    try:
        async for event in result.stream_events():
            yield event
    finally:
        if not result.is_complete:
            result.cancel()


def _text(event):
    data = getattr(event, "data", None)
    return data.delta if getattr(data, "type", None) == _DELTA else None


def _result(walk, value, path):
    fields = {
        "final_output": value.final_output,
        "agent": value.last_agent.name,
        "new_items": value.new_items,
        "response_id": value.last_response_id,
    }
    return walk.plain(fields, path)


def _item(walk, value, path):
    fields = {"type": value.type, "agent": value.agent.name, "raw_item": value.raw_item}
    if hasattr(value, "output"):
        fields["output"] = value.output
    return walk.plain(fields, path)


def _raw_event(walk, value, path):
    return walk.plain({"type": value.type, "data": value.data}, path)


def _item_event(walk, value, path):
    return walk.plain({"type": value.type, "name": value.name, "item": value.item}, path)


def _agent_event(walk, value, path):
    return {"type": value.type, "agent": value.new_agent.name}


def _agent(walk, value, path):
    return {"agent": value.name}


_TABLE = (
    (("RunResult", "RunResultStreaming"), _result),
    (("RawResponsesStreamEvent",), _raw_event),
    (("RunItemStreamEvent",), _item_event),
    (("AgentUpdatedStreamEvent",), _agent_event),
    (
        (
            "MessageOutputItem",
            "ToolCallItem",
            "ToolCallOutputItem",
            "HandoffCallItem",
            "HandoffOutputItem",
            "ReasoningItem",
        ),
        _item,
    ),
    (("Agent",), _agent),
)
