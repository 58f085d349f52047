"""Checks the assistant in plain Python. argv: its folder, the URL of a fake OpenAI."""

import asyncio
import concurrent.futures
import importlib
import json
import os
import sys

sys.path.insert(0, sys.argv[1])
for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_MODEL", "OPENAI_API_BASE"):
    os.environ.pop(name, None)

import agent
from tools import calculate, convert


def check_answers():
    prompt = "What is 12 * (3 + 4), and how much is 5 km in miles?"
    got = agent.invoke(prompt)
    assert got == {
        "answer": "12 * (3 + 4) = 84. 5 km = 3.106855961 miles.",
        "tool_calls": [
            {"tool": "calculate", "args": {"expression": "12 * (3 + 4)"}, "result": "12 * (3 + 4) = 84"},
            {
                "tool": "convert",
                "args": {"value": 5.0, "from_unit": "km", "to_unit": "miles"},
                "result": "5 km = 3.106855961 miles",
            },
        ],
    }, got
    assert json.loads(json.dumps(got)) == got
    pieces = list(agent.stream(prompt))
    assert "".join(pieces) == got["answer"] and len(pieces) > 5, pieces
    assert "offline model" in agent.invoke("Hello!")["answer"]
    assert agent.invoke("1/0")["answer"] == "That did not work: division by zero."


def check_many_at_once():
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda n: agent.invoke(f"{n} + 1")["answer"], range(50)))
    assert answers == [f"{n} + 1 = {n + 1}." for n in range(50)], answers


def check_async():
    state = asyncio.run(agent.app.ainvoke({"messages": [("user", "2 + 3")]}))
    assert state["messages"][-1].content == "2 + 3 = 5.", state


def check_tools():
    for expression, result in {
        "2 ^ 10": "1024", "7 // 2": "3", "-3 + 1.5": "-1.5", "sqrt(16)": "4", "max(1, 2)": "2", "1e3": "1000",
    }.items():  # fmt: skip
        got = calculate.invoke({"expression": expression})
        assert got == f"{expression} = {result}", got
    for bad in ("__import__('os')", "9**9**9", "(lambda: 1)()", "'a' * 9", "1 +", "x", "(-1) ** 0.5", "1" * 300):
        try:
            got = calculate.invoke({"expression": bad})
        except ValueError:
            continue
        raise AssertionError(f"{bad} gave {got}")
    for value, source, target, result in (
        (72, "f", "celsius", "22.22222222"), (1, "mile", "km", "1.609344"), (2, "Hours", "minutes", "120"),
        (1, "kg", "lbs", "2.204622622"), (12, "inches", "ft", "1"),
    ):  # fmt: skip
        got = convert.invoke({"value": value, "from_unit": source, "to_unit": target})
        assert got == f"{value} {source} = {result} {target}", got
    for source, target in (("km", "kg"), ("apples", "km")):
        try:
            convert.invoke({"value": 1, "from_unit": source, "to_unit": target})
        except ValueError:
            continue
        raise AssertionError(f"converted {source} to {target}")


def check_openai(url):
    os.environ.update(OPENAI_API_KEY="good", OPENAI_BASE_URL=url, OPENAI_MODEL="fake")
    real = importlib.reload(agent)
    got = real.invoke('please use calculate {"expression": "6 * 7"} now')
    assert got["tool_calls"][0]["result"] == "6 * 7 = 42" and "42" in got["answer"], got
    pieces = list(real.stream("tell me something long"))
    assert len(pieces) > 1 and "tell me something long" in "".join(pieces), pieces


check_answers()
check_many_at_once()
check_async()
check_tools()
check_openai(sys.argv[2])
