"""An agent with a tool, a query engine, a chat engine and a workflow."""

from llama_index.core import Document, SummaryIndex
from llama_index.core.agent.workflow import AgentStream, FunctionAgent
from llama_index.core.memory import ChatMemoryBuffer
from llama_index.core.workflow import Context, Event, StartEvent, StopEvent, Workflow, step
from llama_index.llms.openai_like import OpenAILike

from probe import identity

model = OpenAILike(
    model="fake-small",
    is_chat_model=True,
    is_function_calling_model=True,
    max_retries=0,
    additional_kwargs={"stream_options": {"include_usage": True}},
)
plain = OpenAILike(model="fake-small", is_chat_model=True, is_function_calling_model=True, max_retries=0)


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


agent = FunctionAgent(name="adder", tools=[add], llm=model, system_prompt="Be brief.")

index = SummaryIndex.from_documents([Document(text="RunAgent serves agents.")])
query_engine = index.as_query_engine(llm=plain)
chat_engine = index.as_chat_engine(chat_mode="simple", llm=plain)


class Counted(Event):
    number: int


class Count(Workflow):
    """Counts to n."""

    @step
    async def count(self, ctx: Context, ev: StartEvent) -> StopEvent:
        for number in range(ev.n):
            ctx.write_event_to_stream(Counted(number=number))
        return StopEvent(result={"counted": ev.n})


workflow = Count(timeout=10)


async def main(prompt: str) -> dict:
    """Answer with the model, and say which instance it was."""
    return dict(identity(), answer=str(await agent.run(user_msg=prompt)))


async def plain_stream(prompt: str):
    """What the adapter streams, by hand."""
    run = agent.run(user_msg=prompt)
    async for event in run.stream_events():
        if isinstance(event, AgentStream) and event.delta:
            yield event.delta
    await run


memories = {}


async def remembering(prompt: str, thread: str) -> list:
    """Answer with what the user has said in this thread."""
    memory = memories.setdefault(thread, ChatMemoryBuffer.from_defaults(llm=model))
    await agent.run(user_msg=prompt, memory=memory)
    return [message.content for message in memory.get_all() if message.role == "user"]
