"""Drives a served echo agent with the published client, unmodified.

argv: the agent's ID, then host and port, or neither for local discovery.
"""

import sys

from runagent import RunAgentClient

AGENT, *address = sys.argv[1:]
where = {"host": address[0], "port": int(address[1])} if address else {}


def client(tag, agent=AGENT):
    return RunAgentClient(agent_id=agent, entrypoint_tag=tag, local=True, **where)


def fails(call, *words):
    """The call raises an error that says all the words."""
    try:
        call()
    except Exception as error:
        said = f"{error} {getattr(error, 'details', '')}"
        missing = [word for word in words if word not in said]
        assert not missing, f"{missing} not in {said!r}"
        return error
    raise AssertionError(f"no error; wanted one that says {words}")


def check_run():
    assert client("main").run(message="hi", times=2) == {"message": "hi", "times": 2, "echo": "hi hi"}
    assert client("main").run("hi") == {"message": "hi", "times": 1, "echo": "hi"}
    assert client("text").run(message='é "quoted" 漢字\n') == 'é "quoted" 漢字\n'
    assert client("whole").run(a=1, b=[2.0, None, True]) == {"got": {"a": 1, "b": [2.0, None, True]}}
    assert client("async").run(message="hi") == {"message": "hi"}
    assert client("batch").run([1, 2]) == [{"item": 1, "together": 2}, {"item": 2, "together": 2}]


def check_types():
    whole = client("whole").run(x=2.0, y=2)["got"]
    assert isinstance(whole["x"], float) and isinstance(whole["y"], int), whole


def check_stream():
    want = [{"index": index, "message": "hi"} for index in range(4)]
    assert list(client("main_stream").run(message="hi", times=4)) == want
    assert list(client("main_stream").run_stream(message="hi", times=4)) == want
    assert list(client("main_stream").run_stream(message="hi", times=0)) == []
    many = list(client("main_stream").run_stream(message="x" * 1000, times=1000))
    assert [item["index"] for item in many] == list(range(1000))


def check_early_close():
    stream = client("main_stream").run_stream(message="hi", times=1000000)
    assert next(stream)["index"] == 0
    stream.close()
    assert client("main").run(message="still there")["echo"] == "still there"


def check_errors():
    error = fails(lambda: client("fail").run(message="no luck"), "no luck")
    assert error.code == "EXECUTION_ERROR", error.code
    fails(lambda: client("main").run(massage="hi"), "massage")
    fails(lambda: client("nope").run(message="hi"), "nope", "not found")
    fails(lambda: list(client("nope_stream").run(message="hi")), "not found")


def check_stream_errors():
    seen = []
    fails(lambda: seen.extend(item for item in client("fail_stream").run(message="no luck")), "no luck")
    seen = []
    try:
        for item in client("fail_stream").run(message="no luck", after=3):
            seen.append(item)
    except Exception:
        pass
    assert seen == [0, 1, 2], seen
    fails(lambda: list(client("main").run_stream(message="hi")), "main")


def check_unknown_agent():
    if where:  # local discovery looks the agent up by itself
        fails(lambda: client("main", agent="ghost").run(message="hi"), "ghost", "not found")
        fails(lambda: list(client("main_stream", agent="ghost").run(message="hi")))


for name, check in list(globals().items()):
    if name.startswith("check_"):
        check()
        print("ok", name.removeprefix("check_"))
