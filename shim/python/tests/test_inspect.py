"""Looking at agents' files without running them."""

import json
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

SHIM = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(SHIM))

from runagent_shim import inspect_source

AGENT = '''
"""An agent."""
import os, json as j
from typing import TYPE_CHECKING, List as L
if TYPE_CHECKING:
    import not_needed
try:
    from fast import loads
except ImportError:
    loads = None
raise_at_import = 1 / 0

def plain(x): return x
async def later(x): return x
def stream(x):
    def inner():
        return 1
    yield inner()
def outer():
    def inner():
        yield 1
    return inner
async def astream(x):
    for i in x: yield i
@decorator
def decorated(x): yield x

class Base:
    def inherited(self): ...

class Agent(Base):
    def __init__(self):
        self.later = 1
    def ask(self, q): ...
    async def ask_later(self, q): ...

class Derived(Unknown):
    pass

app = Agent()
a, (b, *c) = 1, (2, 3)
d: int = 4
e: int
with open("x") as handle:
    inside_with = 1
for loop in ():
    pass
else:
    after = 1
if (walrus := 1):
    pass
gone = 1
del gone
'''


class TestEntrypoints(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.dir = folder.name
        self.write("agent.py", AGENT)

    def write(self, name, text):
        path = os.path.join(self.dir, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(text if isinstance(text, bytes) else text.encode())

    def look(self, module, file="agent.py"):
        entry = {"file": file, "module": module, "tag": "t", "type": ""}
        return inspect_source.inspect_agent({"dir": self.dir, "entrypoints": [entry]})["entrypoints"][0]

    def test_names_that_are_there(self):
        for module, kind, is_async, generator in (
            ("plain", "function", False, False),
            ("later", "function", True, False),
            ("stream", "function", False, True),
            ("outer", "function", False, False),
            ("astream", "function", True, True),
            ("decorated", "function", False, False),
            ("Agent", "class", False, False),
            ("Agent.ask", "function", False, False),
            ("Agent.ask_later", "function", True, False),
            ("Agent.inherited", "function", False, False),
            ("Agent.later", "unknown", False, False),
            ("Derived.anything", "unknown", False, False),
            ("app", "variable", False, False),
            ("app.invoke", "unknown", False, False),
            ("loads", "variable", False, False),
            ("a", "variable", False, False),
            ("c", "variable", False, False),
            ("d", "variable", False, False),
            ("handle", "variable", False, False),
            ("inside_with", "variable", False, False),
            ("loop", "variable", False, False),
            ("after", "variable", False, False),
            ("j", "import", False, False),
            ("os.getcwd", "unknown", False, False),
            ("L", "import", False, False),
        ):
            with self.subTest(module=module):
                got = self.look(module)
                self.assertTrue(got["ok"], got)
                self.assertEqual((got["kind"], got["async"], got["generator"]), (kind, is_async, generator))

    def test_names_that_are_not_there(self):
        for module, problem, words in (
            ("plane", "missing_name", "no 'plane' at its top level"),
            ("e", "missing_name", "'e'"),
            ("gone", "missing_name", "'gone'"),
            ("inner", "missing_name", "'inner'"),
            ("", "missing_name", "''"),
            ("Agent.aks", "missing_method", "did you mean ask?"),
        ):
            with self.subTest(module=module):
                got = self.look(module)
                self.assertFalse(got["ok"])
                self.assertEqual(got["problem"], problem)
                self.assertIn(words, got["message"])
        self.assertEqual(self.look("plane")["nearest"], "plain")
        self.assertIn("astream", self.look("plane")["names"])

    def test_names_that_may_be_there(self):
        for source in (
            "from x import *",
            "exec('y = 1')",
            "globals()['y'] = 1",
            "globals().update(y=1)",
            "if x:\n  from z import *",
        ):
            with self.subTest(source=source):
                self.write("open.py", source)
                got = self.look("y", "open.py")
                self.assertTrue(got["ok"], got)
                self.assertEqual(got["kind"], "unknown")

    def test_walrus_binds(self):
        self.write("w.py", "if (n := 1):\n    pass\nwhile (m := 0):\n    pass\nprint(k := 2)\n")
        for name in ("n", "m", "k"):
            self.assertTrue(self.look(name, "w.py")["ok"], name)

    @unittest.skipIf(sys.version_info < (3, 10), "match needs Python 3.10")
    def test_match_binds(self):
        self.write("m.py", "match 1:\n    case 1:\n        x = 1\n")
        self.assertTrue(self.look("x", "m.py")["ok"])

    def test_files_that_cannot_be_read(self):
        self.write("broken.py", "x = 1\ndef f(:\n    pass\n")
        self.write("nul.py", b"x = 1\0")
        self.write("latin.py", b"x = '\xe9'\n")
        self.write("declared.py", b"# -*- coding: latin-1 -*-\nx = '\xe9'\n")
        self.write("deep.py", "x = " + "(" * 5000 + ")" * 5000)
        for file, problem in (
            ("none.py", "missing_file"),
            ("", "missing_file"),
            ("broken.py", "syntax"),
            ("nul.py", "syntax"),
            ("latin.py", "syntax"),
            ("deep.py", "syntax"),
        ):
            with self.subTest(file=file):
                got = self.look("x", file)
                self.assertEqual((got["ok"], got["problem"]), (False, problem))
        broken = self.look("f", "broken.py")
        self.assertEqual((broken["line"], broken["column"] > 1), (2, True))
        self.assertTrue(self.look("x", "declared.py")["ok"])

    def test_as_a_script(self):
        request = {
            "dir": self.dir,
            "entrypoints": [{"file": "agent.py", "module": "plain", "tag": "t", "type": ""}],
            "imports": True,
        }
        out = subprocess.run(
            [sys.executable, "-I", str(SHIM / "runagent_shim" / "inspect_source.py")],
            input=json.dumps(request).encode(),
            stdout=subprocess.PIPE,
            check=True,
        )
        got = json.loads(out.stdout)
        self.assertEqual(got["python"], "%d.%d.%d" % sys.version_info[:3])
        self.assertTrue(got["entrypoints"][0]["ok"])
        self.assertEqual(got["imports"], ["fast", "json", "os", "typing"])


class TestImports(unittest.TestCase):
    def imports(self, files, start):
        with tempfile.TemporaryDirectory() as folder:
            for name, source in files.items():
                path = os.path.join(folder, name)
                os.makedirs(os.path.dirname(path), exist_ok=True)
                with open(path, "w") as file:
                    file.write(source)
            entry = {"file": start, "module": "x", "tag": "t"}
            request = {"dir": folder, "entrypoints": [entry], "imports": True}
            return inspect_source.inspect_agent(request)["imports"]

    def test_follows_the_folder_and_lists_the_outside(self):
        files = {
            "agent.py": "import numpy.linalg\nfrom pkg import tool, other\nimport lone\nfrom pkg.sub import deep\n",
            "lone.py": "import requests\nimport agent\n",
            "unused.py": "import never\n",
            "pkg/__init__.py": "from .setup import *\n",
            "pkg/setup.py": "import yaml\n",
            "pkg/tool.py": "from . import side\nfrom .sub import deep\nfrom ..broken import x\n",
            "pkg/side.py": "def f():\n    import lazy.inner\n",
            "pkg/sub/__init__.py": "",
            "pkg/sub/deep.py": "from langchain_core.messages import HumanMessage\n",
            "broken.py": "def (",
        }
        self.assertEqual(
            self.imports(files, "agent.py"),
            ["langchain_core", "langchain_core.messages", "lazy", "lazy.inner", "numpy", "numpy.linalg", "requests", "yaml"],
        )

    def test_what_does_not_run_is_left_out(self):
        source = (
            "import typing\n"
            "if typing.TYPE_CHECKING:\n    import a\nelse:\n    import b\n"
            "if __name__ == '__main__':\n    import c\n"
            "try:\n    import d\nexcept ImportError:\n    import e\n"
            "# import f\n"
        )
        self.assertEqual(self.imports({"agent.py": source}, "agent.py"), ["b", "d", "e", "typing"])

    def test_a_folder_of_data_hides_no_library(self):
        files = {"agent.py": "import yaml\nimport space.mod\n", "yaml/data.txt": "", "space/mod.py": "import x\n"}
        self.assertEqual(self.imports(files, "agent.py"), ["x", "yaml"])

    def test_neighbours_of_a_file_in_a_subfolder(self):
        files = {"src/agent.py": "import near\nfrom src import far\n", "src/near.py": "import a\n", "src/far.py": "import b\n"}
        self.assertEqual(self.imports(files, "src/agent.py"), ["a", "b"])

    def test_a_missing_start_is_empty(self):
        self.assertEqual(self.imports({}, "agent.py"), [])


if __name__ == "__main__":
    unittest.main()
