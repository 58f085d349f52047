"""A model that needs no network and no key, to try the agent with.

It is no language model. It calls each tool whose name is in the prompt (for
count_words, both words) with the prompt's numbers and quoted texts as the
arguments, and answers with what the tools returned. So it works with tools
of your own, too. With GOOGLE_API_KEY set nothing of this is used.
"""

import re
import sys
from typing import AsyncIterator, List

from google.adk.models import BaseLlm, LlmRequest, LlmResponse
from google.genai import types

print("GOOGLE_API_KEY is not set: a small offline model answers (offline_model.py).", file=sys.stderr)


class OfflineModel(BaseLlm):
    """Calls tools by their names and streams its answers word by word."""

    async def generate_content_async(self, llm_request: LlmRequest, stream: bool = False) -> AsyncIterator[LlmResponse]:
        """Yield the words of an answer if they are wanted, and the whole of it."""
        parts = _think(llm_request)
        if stream and parts[0].text:
            for word in re.findall(r"\s*\S+", parts[0].text):
                yield LlmResponse(content=types.ModelContent(word), partial=True)
        usage = types.GenerateContentResponseUsageMetadata(prompt_token_count=len(str(llm_request.contents)) // 4)
        yield LlmResponse(content=types.ModelContent(parts), usage_metadata=usage)


def _think(request: LlmRequest) -> List[types.Part]:
    """Return what to say, or the calls of tools that come first."""
    latest = request.contents[-1].parts
    results = [part.function_response.response["result"] for part in latest if part.function_response]
    if results:
        return [types.Part(text=" ".join(result.rstrip(".") + "." for result in results))]
    prompt = "".join(part.text or "" for part in latest)
    tools = [declared for tool in request.config.tools or () for declared in tool.function_declarations]
    named = [tool for tool in tools if _named(tool, prompt)]
    calls = [types.Part.from_function_call(name=tool.name, args=_fill(tool, prompt)) for tool in named]
    names = " or ".join(tool.name.replace("_", " ") for tool in tools)
    return calls or [types.Part(text=f"I am a small offline model. Ask me to {names}, or set GOOGLE_API_KEY.")]


def _named(tool: types.FunctionDeclaration, prompt: str) -> bool:
    return all(re.search(rf"\b{word}", prompt, re.IGNORECASE) for word in tool.name.split("_"))


def _fill(tool: types.FunctionDeclaration, prompt: str) -> dict:
    """Return arguments for a tool: numbers and quoted texts in the prompt's order."""
    quoted = r"\"(.+?)\"|'(.+?)'"
    texts = [a or b for a, b in re.findall(quoted, prompt)]
    numbers = re.findall(r"-?\d+(?:\.\d+)?", re.sub(quoted, "", prompt))
    arguments = {}
    for name, schema in tool.parameters_json_schema["properties"].items():
        if schema.get("type") in ("number", "integer") and numbers:
            arguments[name] = float(numbers.pop(0))
        elif schema.get("type") == "string":
            arguments[name] = texts.pop(0) if texts else prompt.split()[-1].strip("?!.")
    return arguments
