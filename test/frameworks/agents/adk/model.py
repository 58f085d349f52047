"""A model of OpenAI's kind for Google ADK."""

import json

from google.adk.models.base_llm import BaseLlm
from google.adk.models.llm_response import LlmResponse
from google.genai import types

from openai import AsyncOpenAI


class OpenAILlm(BaseLlm):
    """Asks the model behind OPENAI_BASE_URL."""

    async def generate_content_async(self, request, stream=False):
        """Yield pieces of an answer if they are wanted, and the whole of it."""
        client = AsyncOpenAI(max_retries=0)
        tools = [{"type": "function", "function": {"name": name}} for name in request.tools_dict]
        asked = {"model": self.model, "messages": _messages(request.contents), "tools": tools or None}
        if stream:
            text, usage = "", None
            async with await client.chat.completions.create(
                **asked, stream=True, stream_options={"include_usage": True}
            ) as chunks:
                async for chunk in chunks:
                    usage = chunk.usage or usage
                    piece = chunk.choices[0].delta.content if chunk.choices else None
                    if piece:
                        text += piece
                        yield _response([types.Part(text=piece)], partial=True)
            yield _response([types.Part(text=text)], usage=usage, model_version=self.model)
            return
        answer = await client.chat.completions.create(**asked)
        said = answer.choices[0].message
        parts = [types.Part(text=said.content)] if said.content else []
        for call in said.tool_calls or ():
            args = json.loads(call.function.arguments)
            parts.append(
                types.Part(function_call=types.FunctionCall(id=call.id, name=call.function.name, args=args))
            )
        yield _response(parts, usage=answer.usage, model_version=self.model)


def _response(parts, usage=None, **more):
    if usage is not None:
        more["usage_metadata"] = types.GenerateContentResponseUsageMetadata(
            prompt_token_count=usage.prompt_tokens,
            candidates_token_count=usage.completion_tokens,
            total_token_count=usage.total_tokens,
        )
    return LlmResponse(content=types.Content(role="model", parts=parts), **more)


def _messages(contents):
    out = []
    for content in contents:
        for part in content.parts:
            if part.text:
                out.append({"role": "assistant" if content.role == "model" else "user", "content": part.text})
            elif part.function_call:
                call = part.function_call
                function = {"name": call.name, "arguments": json.dumps(call.args)}
                calls = [{"id": call.id, "type": "function", "function": function}]
                out.append({"role": "assistant", "content": None, "tool_calls": calls})
            elif part.function_response:
                result = part.function_response
                out.append({"role": "tool", "tool_call_id": result.id, "content": json.dumps(result.response)})
    return out
