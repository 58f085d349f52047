"""Drives the fake with the real OpenAI and LangChain clients. argv[1] is its URL."""

import sys

import openai
from langchain_core.messages import HumanMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from pydantic import BaseModel

URL = sys.argv[1]
client = openai.OpenAI(base_url=URL, api_key="good", max_retries=0)
ADD = {
    "type": "function",
    "function": {
        "name": "add",
        "parameters": {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}}},
    },
}
PROMPT = 'please use add {"a":1,"b":2} now'


def user(text):
    return [{"role": "user", "content": text}]


def raises(kind, call):
    try:
        call()
    except kind as error:
        return error
    raise AssertionError(f"no {kind.__name__}")


def check_chat():
    done = client.chat.completions.create(model="fake", messages=user("hi there"))
    assert done.choices[0].message.content == "You said: hi there", done
    assert done.choices[0].finish_reason == "stop"
    assert (done.usage.prompt_tokens, done.usage.completion_tokens, done.usage.total_tokens) == (2, 4, 6)
    again = client.chat.completions.create(model="fake", messages=user("hi there"))
    assert again == done, "not deterministic"
    parts = [{"type": "text", "text": "hi "}, {"type": "text", "text": "parts"}]
    done = client.chat.completions.create(model="fake", messages=user(parts))
    assert done.choices[0].message.content == "You said: hi parts"
    done = client.chat.completions.create(model="fake", messages=user("x"), response_format={"type": "json_object"})
    assert done.choices[0].message.content == '{"answer":"You said: x"}'


def check_chat_stream():
    stream = client.chat.completions.create(
        model="fake", messages=user("hi there"), stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    text = [c.choices[0].delta.content for c in chunks if c.choices and c.choices[0].delta.content]
    assert text == ["You ", "said: ", "hi ", "there"], text
    assert chunks[-1].choices == [] and chunks[-1].usage.total_tokens == 6
    assert chunks[-2].choices[0].finish_reason == "stop"
    without = list(client.chat.completions.create(model="fake", messages=user("hi"), stream=True))
    assert all(c.usage is None and c.choices for c in without)


def check_tools():
    messages = user(PROMPT)
    done = client.chat.completions.create(model="fake", messages=messages, tools=[ADD])
    call = done.choices[0].message.tool_calls[0]
    assert (call.function.name, call.function.arguments) == ("add", '{"a":1,"b":2}'), call
    assert done.choices[0].finish_reason == "tool_calls"
    messages += [done.choices[0].message, {"role": "tool", "tool_call_id": call.id, "content": "3"}]
    done = client.chat.completions.create(model="fake", messages=messages, tools=[ADD])
    assert done.choices[0].message.content == "3"
    with client.chat.completions.stream(model="fake", messages=user(PROMPT), tools=[ADD]) as stream:
        final = stream.get_final_completion()
    assert final.choices[0].message.tool_calls[0].function.arguments == '{"a":1,"b":2}'
    none = client.chat.completions.create(model="fake", messages=user(PROMPT), tools=[ADD], tool_choice="none")
    assert none.choices[0].message.tool_calls is None
    forced = client.chat.completions.create(model="fake", messages=user("hi"), tools=[ADD], tool_choice="required")
    assert forced.choices[0].message.tool_calls[0].function.arguments == "{}"
    two = client.chat.completions.create(model="fake", messages=user('use add {"a":1} and use add {"a":2}'), tools=[ADD])
    assert [c.function.arguments for c in two.choices[0].message.tool_calls] == ['{"a":1}', '{"a":2}']


def check_parse():
    class Answer(BaseModel):
        text: str
        count: int
        tags: list[str]

    done = client.chat.completions.parse(model="fake", messages=user("x"), response_format=Answer)
    assert done.choices[0].message.parsed == Answer(text="You said: x", count=1, tags=["You said: x"])


def check_responses():
    done = client.responses.create(model="fake", input="hi there", instructions="be kind")
    assert done.output_text == "You said: hi there" and done.status == "completed"
    assert done.usage.input_tokens == 4 and done.usage.output_tokens == 4
    more = client.responses.create(model="fake", input="more", previous_response_id=done.id)
    assert more.usage.input_tokens == 9, more.usage
    tools = [{"type": "function", **ADD["function"]}]
    called = client.responses.create(model="fake", input=PROMPT, tools=tools)
    call = called.output[0]
    assert (call.type, call.name, call.arguments) == ("function_call", "add", '{"a":1,"b":2}')
    result = {"type": "function_call_output", "call_id": call.call_id, "output": "3"}
    assert client.responses.create(model="fake", input=[*user(PROMPT), call, result]).output_text == "3"
    assert client.responses.create(model="fake", input=[result], previous_response_id=called.id).output_text == "3"
    raises(openai.BadRequestError, lambda: client.responses.create(model="fake", input="x", previous_response_id="no"))


def check_responses_stream():
    with client.responses.stream(model="fake", input="hi there") as stream:
        kinds = [event.type for event in stream]
        assert stream.get_final_response().output_text == "You said: hi there"
    assert kinds[0] == "response.created" and kinds[-1] == "response.completed", kinds
    assert kinds.count("response.output_text.delta") == 4
    tools = [{"type": "function", "strict": False, **ADD["function"]}]
    with client.responses.stream(model="fake", input=PROMPT, tools=tools) as stream:
        kinds = [event.type for event in stream]
        assert stream.get_final_response().output[0].arguments == '{"a":1,"b":2}'
    assert "response.function_call_arguments.done" in kinds


def check_embeddings():
    first, second = client.embeddings.create(model="fake", input=["a", "b"], dimensions=8).data
    assert len(first.embedding) == 8 and first.embedding != second.embedding
    plain = client.embeddings.create(model="fake", input="a", dimensions=8, encoding_format="float").data[0]
    assert max(abs(x - y) for x, y in zip(plain.embedding, first.embedding)) < 1e-6
    assert abs(sum(x * x for x in plain.embedding) - 1) < 1e-5
    assert "fake-small" in [model.id for model in client.models.list()]
    raises(openai.NotFoundError, lambda: client.models.retrieve("nothing"))


def check_faults():
    bad = openai.OpenAI(base_url=URL, api_key="bad", max_retries=0)
    error = raises(openai.AuthenticationError, lambda: bad.models.list())
    assert error.code == "invalid_api_key", error

    def ask(model, client=client, **more):
        return client.chat.completions.create(model=model, messages=user("one two three four"), **more)

    error = raises(openai.RateLimitError, lambda: ask("fail-429"))
    assert error.response.headers["retry-after"] == "1" and error.code == "rate_limit_exceeded"
    raises(openai.InternalServerError, lambda: ask("fail-500"))
    raises(openai.InternalServerError, lambda: ask("fake", extra_headers={"X-Fakellm": "fail-503"}))
    raises(openai.BadRequestError, lambda: ask("fail-abc"))
    retrying = openai.OpenAI(base_url=URL, api_key="good", max_retries=3)
    assert ask("fail-429x2", client=retrying).choices
    pieces = []
    raises(openai.APIConnectionError, lambda: pieces.extend(ask("cut", stream=True)))
    whole = list(ask("fake", stream=True))
    assert 0 < len(pieces) < len(whole), (pieces, whole)
    raises(openai.APIConnectionError, lambda: ask("cut"))
    impatient = openai.OpenAI(base_url=URL, api_key="good", max_retries=0, timeout=0.05)
    raises(openai.APITimeoutError, lambda: ask("slow-10s", client=impatient))
    raises(openai.BadRequestError, lambda: client.chat.completions.create(model="fake", messages=[]))


def check_langchain():
    @tool
    def add(a: int, b: int) -> int:
        """Add two numbers."""
        return a + b

    for more in ({}, {"use_responses_api": True}):
        chat = ChatOpenAI(model="fake", base_url=URL, api_key="good", **more)
        answer = chat.invoke("hi there")
        assert answer.text == "You said: hi there", answer
        assert answer.usage_metadata["total_tokens"] == 6
        assert "".join(piece.text for piece in chat.stream("hi there")) == "You said: hi there"
        bound = chat.bind_tools([add])
        said = bound.invoke([HumanMessage(PROMPT)])
        assert said.tool_calls[0]["args"] == {"a": 1, "b": 2}, said
        whole = None
        for piece in bound.stream([HumanMessage(PROMPT)]):
            whole = piece if whole is None else whole + piece
        assert whole.tool_calls[0]["args"] == {"a": 1, "b": 2}, whole
        done = bound.invoke([HumanMessage(PROMPT), said, add.invoke(said.tool_calls[0])])
        assert done.text == "3", done

    class Answer(BaseModel):
        text: str

    chat = ChatOpenAI(model="fake", base_url=URL, api_key="good")
    assert chat.with_structured_output(Answer).invoke("x").text == "You said: x"
    vectors = OpenAIEmbeddings(model="fake", base_url=URL, api_key="good", check_embedding_ctx_length=False)
    assert len(vectors.embed_documents(["a", "b"])) == 2


for name, check in list(globals().items()):
    if name.startswith("check_"):
        check()
        print("ok", name.removeprefix("check_"))
