"""Batch: a LangChain chain takes a list at once. Single calls that arrive together become one list."""

import os
from typing import List, TypedDict

from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import Runnable, RunnableLambda
from langchain_openai import ChatOpenAI


class Review(TypedDict):
    """What somebody wrote of a product."""

    text: str


def make_model() -> Runnable:
    """Return OpenAI's model, or a rule of thumb when there is no key."""
    if os.environ.get("OPENAI_API_KEY"):
        return ChatOpenAI(model=os.environ.get("OPENAI_MODEL") or "gpt-4o-mini", temperature=0)
    return RunnableLambda(guess)


def guess(prompt) -> str:
    text = prompt.to_messages()[-1].text.lower()
    score = sum(word in text for word in ("love", "great", "good")) - sum(word in text for word in ("broke", "bad", "awful"))
    return "positive" if score > 0 else "negative" if score < 0 else "neutral"


prompt = ChatPromptTemplate.from_messages(
    [("system", "Say of a review whether it is positive, negative or neutral, in one word."), ("user", "{text}")]
)
chain = prompt | make_model() | StrOutputParser()


def judge(reviews: List[Review]) -> List[dict]:
    """Judge reviews: one result for each, in their order; an exception fails its own review only."""
    moods = chain.batch(list(reviews), return_exceptions=True)
    return [mood if isinstance(mood, Exception) else {"mood": mood, "batch": len(reviews)} for mood in moods]
