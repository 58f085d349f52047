"""A LangGraph agent with a tool, whose ChatOpenAI is made at import."""

from langchain_core.messages import AIMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition

SAVE = 0


@tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


model = ChatOpenAI(model="none", api_key="none", base_url="http://127.0.0.1:9/v1").bind_tools([add])


def think(state: MessagesState) -> dict:
    """Answer without the model: there is none."""
    return {"messages": [AIMessage(state["messages"][-1].content)]}


graph = StateGraph(MessagesState)
graph.add_node("think", think)
graph.add_node("tools", ToolNode([add]))
graph.add_edge(START, "think")
graph.add_conditional_edges("think", tools_condition)
graph.add_edge("tools", "think")
app = graph.compile()


def main(message: str = "hi") -> dict:
    """Say which save answers."""
    return {"save": SAVE, "answer": app.invoke({"messages": [("user", message)]})["messages"][-1].content}
