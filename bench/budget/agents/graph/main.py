"""A compiled LangGraph graph of two nodes."""

from typing import TypedDict

from langgraph.graph import END, START, StateGraph

SAVE = 0


class State(TypedDict):
    """What the nodes share."""

    question: str
    answer: str


def think(state: State) -> dict:
    """Answer."""
    return {"answer": state["question"].upper()}


def check(state: State) -> dict:
    """Look at the answer again."""
    return {"answer": state["answer"] + "!"}


graph = StateGraph(State)
graph.add_node("think", think)
graph.add_node("check", check)
graph.add_edge(START, "think")
graph.add_edge("think", "check")
graph.add_edge("check", END)
app = graph.compile()


def main(message: str = "hi") -> dict:
    """Say which save answers."""
    return {"save": SAVE, "answer": app.invoke({"question": message})["answer"]}
