"""What could be called is found by reading files, never by running them."""

import os
import tempfile
import unittest

from runagent_shim.find_candidates import find


def found(files):
    """Return name → candidate of a folder with these files."""
    with tempfile.TemporaryDirectory() as folder:
        for name, text in files.items():
            path = os.path.join(folder, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
        out = find(folder)
    return {item["file"] + ":" + item["name"]: item for item in out["candidates"]}, out["unread"]


def objects(source):
    """Return name → framework of the objects in one file."""
    every, _ = found({"a.py": source})
    return {item["name"]: item["framework"] for item in every.values() if item["kind"] == "object"}


class Objects(unittest.TestCase):
    def test_graphs_are_found_once_compiled(self):
        source = (
            "from langgraph.graph import StateGraph\n"
            "import langgraph.graph as lg\n"
            "builder = StateGraph(dict)\nbuilder.add_node('a', print)\n"
            "graph = builder.compile()\n"
            "named = graph.with_config(run_name='x')\n"
            "chained = lg.StateGraph(dict).add_node('a', print).compile(debug=True)\n"
            "_hidden = builder.compile()\n"
            "import re\npattern = re.compile('x')\n"
        )
        self.assertEqual(objects(source), dict.fromkeys(["graph", "named", "chained"], "langgraph"))

    def test_makers_count_by_where_they_come_from(self):
        source = (
            "from crewai import Crew, Agent\nfrom agno.agent import Agent as Helper\n"
            "import agents\nfrom pydantic_ai import Agent as Typed\nfrom mine import Crew as Other\n"
            "from llama_index.core import VectorStoreIndex\n"
            "from langgraph.prebuilt import create_react_agent\n"
            "crew: Crew = Crew(agents=[])\nmember = Agent(role='x')\nhelper = Helper()\n"
            "triage = agents.Agent(name='t')\ntyped = Typed('m')\nother = Other()\n"
            "engine = VectorStoreIndex.from_documents([]).as_query_engine()\n"
            "react = create_react_agent(None, [])\n"
            "import strands\nstrand = strands.Agent()\n"
            "from google.adk.agents import LlmAgent\nroot_agent = LlmAgent(name='x')\n"
        )
        self.assertEqual(
            objects(source),
            {
                "crew": "crewai", "helper": "agno", "triage": "openai_agents", "typed": "pydantic_ai",
                "engine": "llamaindex", "react": "langgraph", "strand": "custom", "root_agent": "adk",
            },
        )

    def test_makers_may_name_their_context(self):
        source = (
            "from agents import Agent\nimport pydantic_ai\n"
            "triage = Agent[Context](name='t')\ntyped: object = pydantic_ai.Agent[None, str]('m')\n"
            "row = Agents[0]('m')\n"
        )
        self.assertEqual(objects(source), {"triage": "openai_agents", "typed": "pydantic_ai"})

    def test_functions_of_the_file_make_what_they_return(self):
        source = (
            "from langgraph.graph import StateGraph\nfrom crewai import Crew\n"
            "def build(debug=False):\n"
            "    builder = StateGraph(dict)\n    builder.add_node('a', print)\n"
            "    if debug:\n        return builder.compile(debug=True)\n"
            "    app = builder.compile()\n    return app\n"
            "def crew_of():\n    def inner():\n        return Crew()\n    return 1\n"
            "def again():\n    return again() or again()\n"
            "graph = build()\nno = crew_of()\nnever = again()\nother = builder.compile()\n"
        )
        self.assertEqual(objects(source), {"graph": "langgraph"})

    def test_workflows_of_langgraphs_functional_interface(self):
        source = (
            "from langgraph.func import entrypoint, task\n@task\ndef part(x: int) -> int: ...\n"
            "@entrypoint(checkpointer=None)\ndef workflow(x: int) -> int: ...\n"
            "@entrypoint()\nasync def other(x): ...\n@entrypoint()\ndef _own(x): ...\n"
        )
        self.assertEqual(objects(source), {"workflow": "langgraph", "other": "langgraph"})

    def test_each_branch_counts(self):
        source = (
            "from crewai import Crew\n"
            "if quick:\n    one = None\nelse:\n    one = Crew()\n"
            "try:\n    two = Crew()\nexcept ImportError:\n    two = None\n"
            "try:\n    import x\nexcept ImportError:\n    three = Crew()\nfinally:\n    four = Crew()\n"
            "five = Crew()\nfive = None\n"
        )
        self.assertEqual(objects(source), dict.fromkeys(["one", "two", "three", "four"], "crewai"))

    def test_chains_begin_with_something_of_langchain(self):
        source = (
            "from langchain_core.prompts import ChatPromptTemplate\n"
            "prompt = ChatPromptTemplate.from_template('{x}')\nchain = prompt | model | parser\n"
            "flags = READ | WRITE\n"
        )
        self.assertEqual(objects(source), {"chain": "langchain"})

    def test_classes_count_by_their_bases_and_decorators(self):
        source = (
            "from crewai import Crew\nfrom crewai.flow.flow import Flow\nfrom crewai.project import CrewBase, crew\n"
            "from llama_index.core.workflow import Workflow\n"
            "class Hello(Flow[State]): ...\nclass Steps(Workflow): ...\nclass Mine: ...\n"
            "flow = Hello()\nsteps = Steps(timeout=1)\nmine = Mine()\n"
            "@CrewBase\nclass Project:\n    @crew\n    def crew(self) -> Crew:\n        return Crew()\n"
            "    def other(self): ...\n"
        )
        self.assertEqual(objects(source), {"flow": "crewai", "steps": "llamaindex", "Project.crew": "crewai"})

    def test_what_others_are_made_of_is_a_part(self):
        every, _ = found(
            {
                "a.py": "from agents import Agent\ndef look(q: str) -> str: ...\n"
                "one = Agent(name='one', tools=[look])\ntwo = Agent(name='two')\ntriage = Agent(handoffs=[one, two])\n"
            }
        )
        self.assertEqual([item["name"] for item in every.values() if not item["part"]], ["triage"])

    def test_objects_say_whether_they_stream(self):
        every, _ = found({"a.py": "import agno.agent, strands\na = agno.agent.Agent()\nb = strands.Agent()\n"})
        self.assertEqual([item["streams"] for item in every.values()], [True, False])

    def test_names_that_lead_in_circles_end(self):
        self.assertEqual(objects("a = b\nb = a\na = b\ng = a.compile()\nh = h.compile()\n"), {})

    def test_code_that_only_runs_as_a_script_does_not_count(self):
        source = "from crewai import Crew\nif __name__ == '__main__':\n    crew = Crew()\nelse:\n    pass\n"
        self.assertEqual(objects(source), {})


class Functions(unittest.TestCase):
    def test_public_functions_without_decorators(self):
        every, _ = found(
            {
                "a.py": "from x import tool\n"
                "def ask(q: str, *, n: int = 1) -> str: ...\n"
                "async def talk(q):\n    yield q\n"
                "@tool\ndef search(q: str) -> str: ...\ndef _own(): ...\n"
                "def outer() -> int:\n    def inner():\n        yield 1\n    return 2\n"
            }
        )
        self.assertEqual(sorted(every), ["a.py:ask", "a.py:outer", "a.py:talk"])
        ask, talk = every["a.py:ask"], every["a.py:talk"]
        self.assertTrue(ask["annotated"] and not ask["async"] and not ask["generator"])
        self.assertEqual((ask["params"], ask["required"], ask["line"]), (["q", "n"], ["q"], 2))
        self.assertTrue(talk["async"] and talk["generator"] and not talk["annotated"])
        self.assertFalse(every["a.py:outer"]["generator"])

    def test_entrypoints_of_agentcore(self):
        every, _ = found(
            {
                "a.py": "from bedrock_agentcore.runtime import BedrockAgentCoreApp\n"
                "app = BedrockAgentCoreApp()\n"
                "@app.entrypoint\nasync def invoke(payload, context=None): ...\n"
                "@other.entrypoint\ndef no(): ...\n"
            }
        )
        self.assertEqual([item["kind"] for item in every.values()], ["entrypoint"])
        self.assertEqual(every["a.py:invoke"]["required"], ["payload"])


class Folders(unittest.TestCase):
    def test_what_is_not_the_agents_own_is_left_out(self):
        source = "def ask(q: str) -> str: ...\n"
        names = ["a.py", "pkg/b.py", ".hidden/c.py", "env/d.py", "tests/e.py", "test_f.py", "node_modules/g.py"]
        files = dict.fromkeys(names, source)
        files["env/pyvenv.cfg"] = ""
        every, unread = found(files)
        self.assertEqual((list(every), unread), (["a.py:ask", "pkg/b.py:ask"], []))

    def test_files_that_do_not_parse_are_named(self):
        every, unread = found({"bad.py": "def ask(:\n", "good.py": "def ask(): ...\n", "zero.py": "\0"})
        self.assertEqual(list(every), ["good.py:ask"])
        self.assertEqual([item["file"] for item in unread], ["bad.py", "zero.py"])

    def test_files_that_are_too_much_are_named_with_the_reason(self):
        _, unread = found({"deep.py": "x = " + "-" * 100000 + "1", "long.py": "x = [\n" + "1,\n" * (1 << 19) + "]\n"})
        self.assertEqual([item["file"] for item in unread], ["deep.py", "long.py"])
        self.assertNotIn("", [item["message"] for item in unread])
        self.assertEqual(unread[1]["message"], "it has more than 1048576 bytes")

    def test_of_too_many_files_the_deepest_are_left_out(self):
        files = {"a/b/%d.py" % number: "" for number in range(500)}
        every, unread = found({**files, "z/agent.py": "def ask(): ...\n"})
        self.assertEqual(list(every), ["z/agent.py:ask"])
        self.assertEqual([item["message"] for item in unread], ["there are more than 500 files before it"])

    @unittest.skipUnless(hasattr(os, "mkfifo"), "needs named pipes")
    def test_only_files_are_read(self):
        with tempfile.TemporaryDirectory() as folder:
            os.mkfifo(os.path.join(folder, "pipe.py"))
            os.symlink("nowhere", os.path.join(folder, "gone.py"))
            os.symlink(".", os.path.join(folder, "again"))
            with open(os.path.join(folder, "a.py"), "w", encoding="utf-8") as file:
                file.write("def ask(): ...\n")
            self.assertEqual([item["file"] for item in find(folder)["candidates"]], ["a.py"])


if __name__ == "__main__":
    unittest.main()
