"""Human approval: a LangGraph graph stops before it pays, and goes on when somebody has said yes or no."""

import os
import sqlite3
from pathlib import Path
from typing import TypedDict

from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import interrupt

LIMIT = 100


class Payment(TypedDict, total=False):
    """What is to be paid, and what became of it."""

    payee: str
    amount: float
    status: str


def check(state: Payment) -> Payment:
    """Ask a person about large payments: the run stops here until it is resumed."""
    if state["amount"] <= LIMIT:
        return {"status": "approved"}
    said = interrupt({"question": f"Pay {state['amount']:g} to {state['payee']}?", "answers": ["yes", "no"]})
    return {"status": "approved" if said == "yes" else "rejected"}


def pay(state: Payment) -> Payment:
    """Pay. This one only says so."""
    return {"status": "paid"}


builder = StateGraph(Payment)
builder.add_node("check", check)
builder.add_node("pay", pay)
builder.add_edge(START, "check")
builder.add_conditional_edges("check", lambda state: "pay" if state["status"] == "approved" else END)
builder.add_edge("pay", END)

# Runs that wait are in a file: they outlive saves, restarts and crashes.
file = Path(os.environ.get("RUNAGENT_DATA_DIR", ".")) / "approvals.sqlite"
graph = builder.compile(checkpointer=SqliteSaver(sqlite3.connect(file, check_same_thread=False)))
