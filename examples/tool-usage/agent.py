"""Tool usage: a pydantic-ai agent looks orders up and cancels them."""

import os

from pydantic_ai import Agent, ModelRetry
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

ORDERS = {17: "shipped yesterday", 18: "waiting for its payment"}


def make_provider() -> OpenAIProvider:
    """Return OpenAI, or an offline model in its place when there is no key."""
    if os.environ.get("OPENAI_API_KEY"):
        return OpenAIProvider()
    from offline_model import ASYNC_CLIENT

    return OpenAIProvider(api_key="offline", http_client=ASYNC_CLIENT)


model = OpenAIChatModel(os.environ.get("OPENAI_MODEL") or "gpt-4o-mini", provider=make_provider())
agent = Agent(model, instructions="You help the customers of a shop. Use the tools; never guess about orders.")


@agent.tool_plain
def find_order(number: int) -> str:
    """Find an order by its number."""
    if number not in ORDERS:
        raise ModelRetry(f"There is no order {number}; there are {', '.join(map(str, ORDERS))}.")
    return f"Order {number} is {ORDERS[number]}"


@agent.tool_plain
def cancel_order(number: int) -> str:
    """Cancel an order that has not been shipped."""
    if "shipped" in ORDERS.get(number, ""):
        return f"Order {number} has been shipped and can't be canceled"
    return f"Order {number} would be canceled now"
