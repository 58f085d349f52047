"""A conversable agent with a tool, a chat of two and a run as people write them."""

from autogen import ConversableAgent, LLMConfig

from probe import identity

CONFIG = {"api_type": "openai", "model": "fake-small", "api_key": "any", "max_retries": 0}
config = LLMConfig({**CONFIG, "stream": False})


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


agent = ConversableAgent("adder", llm_config=config, human_input_mode="NEVER", functions=[add])

talker = ConversableAgent("talker", llm_config=LLMConfig({**CONFIG, "stream": True}), human_input_mode="NEVER")


def main(prompt: str) -> dict:
    """Answer with the model, and say which instance it was."""
    helper = ConversableAgent("helper", llm_config=config, human_input_mode="NEVER")
    asker = ConversableAgent("asker", llm_config=False, human_input_mode="NEVER")
    result = asker.initiate_chat(helper, message=prompt, max_turns=1, silent=True)
    return dict(identity(), answer=result.summary)


def chat(prompt: str):
    """Return the result of a chat as it is."""
    asker = ConversableAgent("asker", llm_config=False, human_input_mode="NEVER")
    return asker.initiate_chat(agent, message=prompt, max_turns=1, silent=True)


def plain_stream(prompt: str):
    """What the adapter streams, by hand."""
    for event in talker.run(message=prompt, max_turns=1).events:
        if event.type == "stream":
            yield event.content.content
