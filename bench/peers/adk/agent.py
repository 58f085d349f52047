"""Google ADK: an agent of one's own (a BaseAgent) that calls the function that BENCH_FUNCTION names.

The call comes as the text of a message, the answer goes as the text of an
event; a stream is an event for each item.
"""

import asyncio
import inspect
import json
import os

from google.adk.agents import BaseAgent
from google.adk.events import Event
from google.genai import types

NAME = os.environ["BENCH_FUNCTION"]
if NAME == "graph":
    from . import graph

    FUNCTION = graph.run
else:
    from . import work

    FUNCTION = work.FUNCTIONS[NAME]
BLOCKS = NAME in ("sleep", "maybe")


def says(value, partial=None) -> Event:
    text = json.dumps(value, separators=(",", ":"))
    return Event(author="bench", partial=partial, content=types.Content(role="model", parts=[types.Part(text=text)]))


class Bench(BaseAgent):
    async def _run_async_impl(self, ctx):
        kwargs = json.loads(ctx.user_content.parts[0].text)
        if inspect.isgeneratorfunction(FUNCTION):
            items = FUNCTION(**kwargs)
            step = lambda: next(items, None)
            while (item := await asyncio.to_thread(step) if NAME != "stream" else step()) is not None:
                yield says(item, partial=True)
        elif inspect.iscoroutinefunction(FUNCTION):
            yield says(await FUNCTION(**kwargs))
        elif BLOCKS:
            yield says(await asyncio.to_thread(FUNCTION, **kwargs))
        else:
            yield says(FUNCTION(**kwargs))


root_agent = Bench(name="bench", description="The functions of the benchmark.")
