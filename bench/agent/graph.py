"""A compiled LangGraph agent whose model needs no network: it asks for a tool, then answers with what the tool said."""

from typing import Annotated, Any, List, Optional

from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.prebuilt import ToolNode, tools_condition
from typing_extensions import TypedDict


class Offline(BaseChatModel):
    """Asks for the length of the question once, and tells it."""

    @property
    def _llm_type(self) -> str:
        return "offline"

    def _generate(self, messages: List[BaseMessage], stop: Optional[List[str]] = None, run_manager: Any = None, **_: Any):
        last = messages[-1]
        if isinstance(last, ToolMessage):
            answer = AIMessage(f"The answer is {last.content}.")
        else:
            answer = AIMessage("", tool_calls=[{"name": "length", "args": {"text": last.content}, "id": "1"}])
        return ChatResult(generations=[ChatGeneration(message=answer)])


def length(text: str) -> int:
    """Count the letters of a text."""
    return len(text)


class Question(TypedDict):
    question: str


class Answer(TypedDict):
    answer: str


class State(Question, Answer):
    messages: Annotated[list, add_messages]


MODEL = Offline()


def ask(state: Question) -> dict:
    return {"messages": [HumanMessage(state["question"])]}


def think(state: State) -> dict:
    message = MODEL.invoke(state["messages"])
    return {"messages": [message], "answer": message.content}


def build():
    """Return the graph: ask, think, use the tool, think again."""
    builder = StateGraph(State, input_schema=Question, output_schema=Answer)
    builder.add_node("ask", ask)
    builder.add_node("think", think)
    builder.add_node("tools", ToolNode([length]))
    builder.add_edge(START, "ask")
    builder.add_edge("ask", "think")
    builder.add_conditional_edges("think", tools_condition, {"tools": "tools", END: END})
    builder.add_edge("tools", "think")
    return builder.compile()


GRAPH = build()


def run(question: str) -> dict:
    """Ask the graph."""
    return GRAPH.invoke({"question": question})
