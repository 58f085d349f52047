"""LlamaIndex: agents and workflows, query engines and chat engines."""

import asyncio
import copy
import sys

from .. import usage
from ..validate import Mismatch, escape
from .adapter import Adapted, Adapter, Binding
from .prompts import PromptBinding, serving
from .turns import turn_of

_GRACE = 2.0  # seconds that a canceled workflow may take to end

# Events that only repeat what the agent was told or has said.
_ECHOES = frozenset(("AgentInput", "AgentSetup", "AgentOutput", "WorkflowFailedEvent", "WorkflowCancelledEvent"))


class LlamaIndex(Adapter):
    """Knows what of LlamaIndex runs, and its answers and events."""

    NAMES = "a LlamaIndex agent, workflow, query engine or chat engine, or a method such as agent.run or engine.query"

    def adapt(self, value, wanted):
        """Serve a workflow on the event loop, an engine by the method that fits."""
        owner, method = _owner(value)
        if isinstance(owner, _kind("workflows.workflow", "Workflow")):
            return _workflow(owner, wanted, method) if method in (None, "run") else None
        if isinstance(owner, _kind("llama_index.core.base.base_query_engine", "BaseQueryEngine")):
            return _query_engine(owner, method, wanted)
        if isinstance(owner, _kind("llama_index.core.chat_engine.types", "BaseChatEngine")):
            return _chat_engine(owner, method, wanted)
        return None

    def handler(self, kind):
        """Make objects of answers, messages, nodes and events, and text of an agent's deltas."""
        for module, name, found in _HANDLERS:
            if issubclass(kind, _kind(module, name)):
                return found
        return None

    def items(self, value):
        """Return the text of a streamed answer, or what a run that was begun says."""
        if isinstance(value, _kind("workflows.handler", "WorkflowHandler")):
            return _said(value, isinstance(getattr(value, "_workflow", None), _agents()))
        for module, name, found in _STREAMS:
            if isinstance(value, _kind(module, name)):
                return found(value)
        return None

    def watch(self):
        """Listen to the ends of calls of models."""
        from llama_index.core.instrumentation import get_dispatcher
        from llama_index.core.instrumentation.event_handlers.base import BaseEventHandler

        from llama_index.core.instrumentation.events.llm import LLMChatEndEvent

        class Counter(BaseEventHandler):
            def handle(self, event, **_):
                if type(event) is LLMChatEndEvent:
                    _count(event.response)

        if "llama_index.core" in sys.modules:
            get_dispatcher().add_event_handler(Counter())


ADAPTER = LlamaIndex()


def _kind(module, name):
    """Return a class of LlamaIndex, or () where its module is not loaded."""
    return getattr(sys.modules.get(module), name, ())


def _owner(value):
    """Return (object, None), or (object, name) of its bound method."""
    owner = getattr(value, "__self__", None)
    name = getattr(value, "__name__", None)
    if owner is not None and isinstance(name, str) and callable(getattr(type(owner), name, None)):
        return owner, name
    return value, None


def _adapted(fn, *bound, method, name, binding, doc=None):
    fn = serving(fn, *bound, name=method or name, binding=binding, doc=doc)
    return Adapted(fn, binding, chosen=True)


def _workflow(workflow, wanted, method):
    is_agent = isinstance(workflow, _agents())
    binding = _AGENT_INPUT if is_agent else WorkflowBinding(workflow)
    doc = getattr(workflow, "description", None) if is_agent else type(workflow).__doc__
    fn = _events if wanted.streams else _run
    return _adapted(fn, workflow, method=method, name="run", binding=binding, doc=doc)


def _agents():
    base = _kind("llama_index.core.agent.workflow.base_agent", "BaseWorkflowAgent")
    many = _kind("llama_index.core.agent.workflow.multi_agent_workflow", "AgentWorkflow")
    return tuple(kind for kind in (base, many) if kind)


def _of_messages(found):
    """The last message is the prompt if the user said it, all before it are history."""
    if found[-1]["role"] != "user":
        return None, {"chat_history": found}
    return found[-1]["content"], {"chat_history": found[:-1]}


_AGENT_INPUT = PromptBinding(
    ("user_msg",), {"chat_history": "array", "max_iterations": "integer", "early_stopping_method": "string"}, _of_messages
)


class WorkflowBinding(Binding):
    """Makes the start event of a workflow from keywords."""

    def __init__(self, workflow):
        self._event = workflow.start_event_class

    def bind(self, args, kwargs):
        """Return ((), {"start_event"}), raising Mismatch."""
        if args:
            raise Mismatch("", "a workflow takes keywords, the fields of its start event, and no positions")
        from pydantic import ValidationError

        try:
            return (), {"start_event": self._event(**kwargs)}
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            pointer = "".join("/" + escape(step) for step in first["loc"])
            raise Mismatch(pointer, first["msg"][:1].lower() + first["msg"][1:]) from error

    def input_schema(self):
        """Return the schema of a start event of the author's own."""
        if self._event.__name__ == "StartEvent":
            return None
        return self._event.model_json_schema()


async def _run(workflow, *args, **keywords):
    """Run to the end, on a running loop as LlamaIndex wants it."""
    handler = _started(workflow, args, keywords)
    try:
        # To be canceled while awaiting the handler itself would leave its steps running.
        return await asyncio.shield(handler)
    finally:
        await _ended(handler)


async def _events(workflow, *args, **keywords):
    async for item in _said(_started(workflow, args, keywords), isinstance(workflow, _agents())):
        yield item


async def _said(handler, is_agent):
    """Yield an agent's words and the events of its tools, or a workflow's events."""
    words = False
    try:
        async for event in handler.stream_events():
            name = type(event).__name__
            if name == "AgentStream":
                if event.delta:
                    words = True
                    yield event.delta
            elif name not in _ECHOES and not (is_agent and hasattr(event, "result")):
                yield event
        result = await handler
        if is_agent and not words:  # a model that does not stream
            yield str(result)
    finally:
        await _ended(handler)


async def _ended(handler):
    if not handler.is_done():
        await handler.cancel_run(timeout=_GRACE)


def _started(workflow, args, keywords):
    if keywords.get("chat_history"):
        keywords["chat_history"] = _history(keywords["chat_history"])
    if args:
        keywords["user_msg"] = args[0]
    return workflow.run(**keywords)


def _query_engine(engine, method, wanted):
    if method not in (None, "query", "aquery"):
        return None
    binding = PromptBinding(("query", "str_or_query_bundle"))
    on_loop = method == "aquery" or (method is None and wanted.kind == "async")
    if wanted.streams:
        fn = _aquery_items if on_loop else _query_items
    else:
        fn = _aquery if on_loop else _query
    return _adapted(fn, engine, method=method, name="query", binding=binding)


def _query(engine, query):
    answer = engine.query(query)
    return answer.get_response() if hasattr(answer, "response_gen") else answer


async def _aquery(engine, query):
    answer = await engine.aquery(query)
    return await answer.get_response() if hasattr(answer, "response_gen") else answer


def _query_items(engine, query):
    answer = engine.query(query)
    if hasattr(answer, "response_gen"):
        yield from filter(None, answer.response_gen)
    else:
        yield str(answer)
    if answer.source_nodes:
        yield {"type": "sources", "source_nodes": answer.source_nodes}


async def _aquery_items(engine, query):
    answer = await engine.aquery(query)
    if hasattr(answer, "response_gen"):
        async for text in answer.response_gen:
            if text:
                yield text
    else:
        yield str(answer)
    if answer.source_nodes:
        yield {"type": "sources", "source_nodes": answer.source_nodes}


def _chat_engine(engine, method, wanted):
    """Each call starts from the memory that the engine had at the start."""
    if method not in (None, "chat", "achat", "stream_chat", "astream_chat"):
        return None
    binding = PromptBinding(("message",), {"chat_history": "array"}, _of_messages)
    try:
        _fresh(engine)
        turn, copied = NoTurn(), _fresh
    except Exception:  # a memory that can't be copied, such as one in a database
        turn, copied = turn_of(engine), lambda engine: engine
    fn = _achat if method in ("achat", "astream_chat") or wanted.kind == "async" else _chat
    if wanted.streams:
        fn = _chat_items
    return _adapted(fn, engine, copied, turn, method=method, name="chat", binding=binding)


class NoTurn:
    """What stands for a Turn where nobody has to wait."""

    def __enter__(self):
        pass

    def __exit__(self, *_):
        pass

    async def __aenter__(self):
        pass

    async def __aexit__(self, *_):
        pass


def _fresh(engine):
    mine = copy.copy(engine)
    mine._memory = copy.deepcopy(engine._memory)
    return mine


def _chat(engine, copied, turn, message, chat_history=None):
    with turn:
        return copied(engine).chat(message, chat_history=_history(chat_history))


async def _achat(engine, copied, turn, message, chat_history=None):
    async with turn:
        return await copied(engine).achat(message, chat_history=_history(chat_history))


async def _chat_items(engine, copied, turn, message, chat_history=None):
    async with turn:
        answer = await copied(engine).astream_chat(message, chat_history=_history(chat_history))
        async for text in answer.async_response_gen():
            if text:
                yield text
        if answer.source_nodes:
            yield {"type": "sources", "source_nodes": answer.source_nodes}


def _history(found):
    """Make messages of {"role", "content"}; None leaves the engine's own."""
    if found is None:
        return None
    message = _kind("llama_index.core.base.llms.types", "ChatMessage")
    return [message(role=one["role"], content=one["content"]) for one in found]


def _count(answer):
    """Report what a model's answer says of its tokens, if it does."""
    raw = getattr(answer, "raw", None)
    found = _get(raw, "usage") or _get(raw, "usage_metadata") or getattr(answer, "additional_kwargs", None)
    into = _first(found, "input_tokens", "prompt_tokens", "prompt_token_count")
    out = _first(found, "output_tokens", "completion_tokens", "candidates_token_count")
    if into or out:
        usage.add("llamaindex", _get(raw, "model"), into, out, _first(found, "total_tokens", "total_token_count"))


def _get(value, name):
    return value.get(name) if isinstance(value, dict) else getattr(value, name, None)


def _first(found, *names):
    # To ask a pydantic model for what it has not takes it long.
    fields = found if isinstance(found, dict) else getattr(found, "__dict__", _NONE)
    for name in names:
        count = fields.get(name)
        if count:
            return count
    for name in () if fields is found else names:
        count = getattr(found, name, None)
        if count:
            return count
    return None


_NONE = {}


def _message(walk, value, path):
    """A chat message: {"type", "content"}, and what else it holds."""
    out = {"type": walk.plain(value.role, path), "content": value.content or ""}
    more = [block for block in value.blocks if getattr(block, "block_type", "text") not in ("text", "tool_call")]
    if more:
        out["blocks"] = walk.plain(more, ("blocks", path))
    calls = [block for block in value.blocks if getattr(block, "block_type", "") == "tool_call"]
    if calls:
        out["tool_calls"] = [
            {"id": call.tool_call_id, "name": call.tool_name, "args": walk.plain(call.tool_kwargs, ("tool_calls", path))}
            for call in calls
        ]
    return out


def _output(walk, value, path):
    """What an agent's run ends with."""
    out = {
        "type": "AgentOutput",
        "content": value.response.content or "",
        "agent": value.current_agent_name,
        "tool_calls": [walk.plain(_tool(call), ("tool_calls", path)) for call in value.tool_calls],
    }
    if value.structured_response is not None:
        out["structured_response"] = walk.plain(value.structured_response, ("structured_response", path))
    return out


def _tool(call):
    """One call of a tool, with its result if there is one yet."""
    out = {"id": call.tool_id, "name": call.tool_name, "args": call.tool_kwargs}
    if hasattr(call, "tool_output"):
        out.update(content=call.tool_output.content, is_error=call.tool_output.is_error)
    return out


def _tool_call(walk, value, path):
    return {"type": "tool_call", **walk.plain(_tool(value), path)}


def _tool_result(walk, value, path):
    return {"type": "tool_result", **walk.plain(_tool(value), path)}


def _delta(walk, value, path):
    return value.delta


def _event(walk, value, path):
    """Any other event: its class's name and its fields."""
    fields = {name: getattr(value, name) for name in type(value).model_fields}
    fields.update(value.items() if hasattr(value, "items") else ())
    return {"type": type(value).__name__, **walk.plain(fields, path)}


def _stop(walk, value, path):
    """The end of a workflow; one of the author's own class is like any other event."""
    if type(value).__name__ != "StopEvent":
        return _event(walk, value, path)
    return {"type": "StopEvent", "result": walk.plain(value.result, ("result", path))}


def _node(walk, value, path):
    node = value.node
    return {
        "id": node.node_id,
        "text": node.get_content(),
        "score": walk.plain(value.score, ("score", path)),
        "metadata": walk.plain(node.metadata, ("metadata", path)),
    }


def _response(walk, value, path):
    """A query engine's answer."""
    answer = value.response
    return {
        "type": type(value).__name__,
        "content": walk.plain(answer, ("content", path)),
        "source_nodes": walk.plain(value.source_nodes, ("source_nodes", path)),
        "metadata": walk.plain(value.metadata, ("metadata", path)),
    }


def _chat_response(walk, value, path):
    """A chat engine's answer."""
    return {
        "type": type(value).__name__,
        "content": value.response,
        "sources": [{"name": tool.tool_name, "content": tool.content} for tool in value.sources],
        "source_nodes": walk.plain(value.source_nodes, ("source_nodes", path)),
    }


_EVENTS = "llama_index.core.agent.workflow.workflow_events"
_SCHEMA = "llama_index.core.base.response.schema"
_CHAT = "llama_index.core.chat_engine.types"

_HANDLERS = (
    (_EVENTS, "AgentStream", _delta),
    (_EVENTS, "AgentOutput", _output),
    (_EVENTS, "ToolCallResult", _tool_result),
    (_EVENTS, "ToolCall", _tool_call),
    ("workflows.events", "StopEvent", _stop),
    ("workflows.events", "Event", _event),
    ("llama_index.core.base.llms.types", "ChatMessage", _message),
    ("llama_index.core.schema", "NodeWithScore", _node),
    (_SCHEMA, "Response", _response),
    (_SCHEMA, "PydanticResponse", _response),
    (_CHAT, "AgentChatResponse", _chat_response),
)

_STREAMS = (
    (_SCHEMA, "StreamingResponse", lambda answer: filter(None, answer.response_gen)),
    (_SCHEMA, "AsyncStreamingResponse", lambda answer: answer.response_gen),
    (
        _CHAT,
        "StreamingAgentChatResponse",
        lambda answer: answer.async_response_gen() if answer.achat_stream is not None else answer.response_gen,
    ),
)
