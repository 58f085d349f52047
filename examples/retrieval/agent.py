"""Retrieval: LlamaIndex finds the passages of a handbook that answer a question."""

import os
import re
from pathlib import Path
from typing import List

from llama_index.core import Document, QueryBundle
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.response_synthesizers import get_response_synthesizer
from llama_index.core.retrievers import BaseRetriever
from llama_index.core.schema import NodeWithScore
from llama_index.llms.openai_like import OpenAILike

FOLDER = Path(__file__).parent / "handbook"
COMMON = {"a", "an", "and", "are", "can", "do", "for", "how", "i", "if", "in", "is", "it", "of", "or", "the", "to", "we", "when", "you"}


def words(text: str) -> set:
    return {word.rstrip("s") for word in re.findall(r"[a-z]+", text.lower())} - COMMON


class WordRetriever(BaseRetriever):
    """Scores passages by the words they share with the question: no embeddings, so no key."""

    def __init__(self, folder: Path, top: int = 2) -> None:
        documents = [Document(text=file.read_text(), metadata={"file": file.name}) for file in sorted(folder.glob("*.md"))]
        self._nodes = SentenceSplitter(chunk_size=120, chunk_overlap=0).get_nodes_from_documents(documents)
        self._top = top
        super().__init__()

    def _retrieve(self, query: QueryBundle) -> List[NodeWithScore]:
        asked = words(query.query_str)
        scored = [NodeWithScore(node=node, score=len(asked & words(node.text)) / len(asked or {1})) for node in self._nodes]
        return sorted((one for one in scored if one.score > 0), key=lambda one: -one.score)[: self._top]


retriever = WordRetriever(FOLDER)


def ask(question: str) -> dict:
    """Answer from the handbook and name the passages. Without a key the best passage itself is the answer."""
    found = retriever.retrieve(question)
    sources = [{"file": one.metadata["file"], "score": round(one.score, 2), "text": one.text} for one in found]
    if not found:
        return {"answer": "The handbook says nothing about that.", "sources": []}
    if not os.environ.get("OPENAI_API_KEY"):
        return {"answer": found[0].text, "sources": sources}
    llm = OpenAILike(
        model=os.environ.get("OPENAI_MODEL") or "gpt-4o-mini",
        api_base=os.environ.get("OPENAI_BASE_URL") or "https://api.openai.com/v1",
        is_chat_model=True,
    )
    return {"answer": str(get_response_synthesizer(llm=llm).synthesize(question, found)), "sources": sources}
