"""Request and response: a function with typed parameters, on no framework at all."""

from dataclasses import dataclass, field
from typing import List, Literal


@dataclass
class Ticket:
    """What a customer wrote."""

    subject: str
    body: str
    plan: Literal["free", "team", "enterprise"] = "free"
    tags: List[str] = field(default_factory=list)


TEAMS = {"billing": ("invoice", "refund", "payment"), "access": ("password", "login", "locked")}
HOURS = {"free": 72, "team": 24, "enterprise": 4}


def triage(ticket: Ticket) -> dict:
    """Say which team answers a ticket, and how soon.

    Args:
        ticket: What the customer wrote.
    """
    text = f"{ticket.subject} {ticket.body} {' '.join(ticket.tags)}".lower()
    team = next((team for team, words in TEAMS.items() if any(word in text for word in words)), "support")
    return {"team": team, "answer_within_hours": HOURS[ticket.plan], "urgent": "urgent" in text}
