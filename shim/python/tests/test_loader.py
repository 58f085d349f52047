"""Importing the agent's files: names, snapshot, entrypoints and failures."""

import marshal
import os
import unittest

from harness import ERROR, FAILED, READY, RESULT, Case


class SnapshotTest(Case):
    def start(self, directory, snapshot, *entrypoints):
        instance = self.instance()
        ready = instance.admit(directory, entrypoints, snapshot=snapshot)
        self.assertEqual(ready.kind, READY, ready)
        return instance

    def test_reads_the_snapshot_under_the_real_names(self):
        snapshot = self.folder(
            main="""
            import inspect, helper
            def where(): return [__file__, where.__code__.co_filename, helper.__file__, helper.WORD]
            def lazy():
                import later
                return later.WORD
            def source(): return inspect.getsource(where)
            def fail(): raise ValueError("good line")
            """,
            helper="WORD = 'good'",
            later="WORD = 'good'",
        )
        broken = "def (:"
        directory = self.folder(main=broken, helper=broken, later=broken)
        instance = self.start(directory, snapshot, "where", "lazy", "source", "fail")
        main, helper = os.path.join(directory, "main.py"), os.path.join(directory, "helper.py")
        self.assertEqual(instance.call("where").value, [main, main, helper, "good"])
        self.assertEqual(instance.call("lazy").value, "good")
        self.assertIn("def where()", instance.call("source").value)
        trace = instance.call("fail").json()["traceback"]
        self.assertIn('File "%s", line 8, in fail' % main, trace)
        self.assertIn('raise ValueError("good line")', trace)
        self.assertNotIn("runagent_shim", trace)
        self.assertFalse(os.path.exists(os.path.join(directory, "__pycache__")))

    def test_compiles_each_file_of_a_snapshot_once(self):
        snapshot = self.folder(main="import helper\ndef word(): return helper.WORD", helper="WORD = 'first'")
        directory = self.folder()
        self.assertEqual(self.start(directory, snapshot, "word").call("word").value, "first")
        compiled = os.path.join(snapshot, "__pycache__")
        self.assertEqual(sorted(name.split(".")[0] for name in os.listdir(compiled)), ["helper", "main"])
        of = {name.split(".")[0]: os.path.join(compiled, name) for name in os.listdir(compiled)}

        def head(name):
            with open(of[name], "rb") as file:
                return file.read(16)

        # What is compiled is used: here it is of another text with the head of this one.
        other = compile("WORD = 'compiled'", os.path.join(directory, "helper.py"), "exec")
        with open(of["helper"], "r+b") as file:
            file.seek(16)
            file.write(marshal.dumps(other))
        self.assertEqual(self.start(directory, snapshot, "word").call("word").value, "compiled")
        # But not for another folder, whose files have other paths,
        elsewhere = self.folder()
        self.assertEqual(self.start(elsewhere, snapshot, "word").call("word").value, "first")
        # nor once the source is another,
        with open(os.path.join(snapshot, "helper.py"), "w") as file:
            file.write("WORD = 'fresh'")
        self.assertEqual(self.start(elsewhere, snapshot, "word").call("word").value, "fresh")
        # nor if it is broken: then it is mended.
        for broken in (b"", b"short", head("helper"), head("helper") + b"\xff" * 40, head("helper") + marshal.dumps(7)):
            with open(of["helper"], "wb") as file:
                file.write(broken)
            self.assertEqual(self.start(elsewhere, snapshot, "word").call("word").value, "fresh", broken)
            self.assertGreater(os.path.getsize(of["helper"]), 60)
        self.assertEqual(len(os.listdir(compiled)), 2)

    def test_refuses_an_edit_that_breaks_what_only_calls_import(self):
        main = "def word():\n    import later\n    return later.WORD"
        before = self.folder(main=main, later="WORD = 'good'", draft="def (")
        snapshot = self.folder(main=main, later="WORD = 'good'\nWORD = (", draft="def ((")
        directory = self.folder()

        def admit(*edited):
            return self.instance().admit(directory, ["word"], snapshot=snapshot, edited=edited, before=before)

        failed = admit("main.py", "later.py")
        self.assertEqual(failed.kind, FAILED, failed)
        report = failed.json()
        self.assertEqual((report["type"], report["file"], report["line"]), ("SyntaxError", os.path.join(directory, "later.py"), 2))
        # What was no Python before was not in use.
        self.assertEqual(admit("main.py", "draft.py").kind, READY)

    def test_serves_a_snapshot_that_can_not_be_written(self):
        snapshot = self.folder(main="def word(): return 'kept'")
        with open(os.path.join(snapshot, "__pycache__"), "w"):
            pass  # no folder can be made here, not even by root
        self.assertEqual(self.start(self.folder(), snapshot, "word").call("word").value, "kept")

    def test_serves_the_snapshot_of_a_folder_that_is_gone(self):
        snapshot = self.folder(main="import helper, os\ndef look(): return [os.getcwd(), helper.WORD]", helper="WORD = 'kept'")
        gone, data = os.path.join(self.folder(), "gone"), self.folder()
        instance = self.instance()
        ready = instance.admit(gone, ["look"], snapshot=snapshot, data_dir=data)
        self.assertEqual(ready.kind, READY, ready)
        self.assertEqual(instance.call("look").value, [data, "kept"])
        (warning,) = ready.json()["warnings"]
        self.assertIn(gone, warning)
        self.assertIn(data, warning)

    def test_finds_packages_of_all_kinds(self):
        files = dict(
            main="""
            from pkg import inner
            from pkg.inner import deep
            import space.mod, pkg
            def names(): return [inner.__name__, deep.WORD, space.mod.WORD, list(pkg.__path__), pkg.__file__]
            """,
            **{"pkg/__init__": ""},
            **{"pkg/inner/__init__": "from . import deep\nfrom .. import side"},
            **{"pkg/inner/deep": "WORD = 'deep'"},
            **{"pkg/side": ""},
            **{"space/mod": "WORD = 'space'"},
        )
        snapshot, directory = self.folder(**files), self.folder(main="")
        instance = self.start(directory, snapshot, "names")
        package = os.path.join(directory, "pkg")
        want = ["pkg.inner", "deep", "space", [package], os.path.join(package, "__init__.py")]
        self.assertEqual(instance.call("names").value, want)

    def test_imports_what_the_agent_wrote_after_the_save(self):
        code = """
        def make():
            with open("made.py", "w") as f: f.write("WORD = 'made'")
            import importlib; importlib.invalidate_caches()
            import made
            return made.WORD
        """
        instance = self.start(self.folder(main=code), self.folder(main=code), "make")
        self.assertEqual(instance.call("make").value, "made")

    def test_leaves_an_environment_in_the_folder_alone(self):
        code = """
        import sys
        sys.path.append(__file__.replace("main.py", ".venv/lib/site-packages"))
        import installed
        def where(): return installed.__file__
        """
        directory = self.folder(main=code)
        path = self.write(directory, ".venv/lib/site-packages/installed.py", "")
        instance = self.start(directory, self.folder(main=code), "where")
        self.assertEqual(instance.call("where").value, path)
        self.assertIn("installed", instance.ready.json()["modules"])

    def test_tells_the_modules_from_outside_only(self):
        directory = self.folder(main="import decimal, helper\ndef f(): pass", helper="")
        modules = self.start(directory, "", "f").ready.json()["modules"]
        self.assertIn("decimal", modules)
        for name in ("main", "helper", "__main__", "runagent_shim", "runagent_shim.wire", "runagent_context"):
            self.assertNotIn(name, modules)


class NamesTest(Case):
    SAME = """
    def same():
        import sys
        found = [m for n, m in sys.modules.items() if n.rpartition(".")[2] == "state"]
        return len(found) > 0 and all(m is found[0] for m in found)
    """

    def serve_files(self, entrypoints, snapshot=True, **files):
        directory = self.folder(**files)
        instance = self.instance()
        ready = instance.admit(directory, entrypoints, snapshot=self.folder(**files) if snapshot else "")
        self.assertEqual(ready.kind, READY, ready)
        return instance

    def test_a_file_of_a_package_is_one_module_under_both_names(self):
        for snapshot in (True, False):
            for first in ("import state\nfrom agent import state as other", "from agent import state\nimport state as other"):
                instance = self.serve_files(
                    [{"tag": "main", "file": "agent/main.py", "module": "check"}],
                    snapshot,
                    **{"agent/__init__": ""},
                    **{"agent/main": first + "\nfrom . import state as third\n"
                    "def check(): return [state is other, other is third, state.__name__, __name__, state.__spec__.name]"},
                    **{"agent/state": ""},
                )
                want = [True, True, "agent.state", "agent.main", "agent.state"]
                self.assertEqual(instance.call("main").value, want, (snapshot, first))

    def test_a_plain_subfolder_is_on_the_path(self):
        instance = self.serve_files(
            [{"tag": "a", "file": "src/agent.py", "module": "name"}],
            **{"src/agent": "import near\ndef name(): return [__name__, near.__name__]"},
            **{"src/near": ""},
        )
        self.assertEqual(instance.call("a").value, ["agent", "near"])

    def test_relative_imports_work_without_init(self):
        instance = self.serve_files(
            [{"tag": "a", "file": "src/agent.py", "module": "name"}],
            **{"src/agent": "from .near import WORD\ndef name(): return [__name__, WORD]"},
            **{"src/near": "WORD = 1"},
        )
        self.assertEqual(instance.call("a").value, ["src.agent", 1])

    def test_relative_imports_work_in_the_folder_itself(self):
        instance = self.serve_files(
            [{"tag": "a", "module": "same"}],
            main="from . import near\nimport near as other\ndef same(): return near is other",
            near="",
        )
        self.assertEqual(instance.call("a").value, True)

    def test_an_entrypoint_file_is_executed_once(self):
        instance = self.serve_files(
            [{"tag": "a", "module": "a"}, {"tag": "b", "module": "b"}, {"tag": "c", "file": "two.py", "module": "c"}],
            main="import builtins\nbuiltins.runs = getattr(builtins, 'runs', 0) + 1\ndef a(): return runs\ndef b(): return runs",
            two="import main\ndef c(): return main.a()",
        )
        self.assertEqual([instance.call(t).value for t in "abc"], [1, 1, 1])

    def test_a_file_named_like_a_library_is_the_agents(self):
        instance = self.serve_files(
            [{"tag": "a", "file": "json.py", "module": "a"}, {"tag": "b", "file": "my-agent.v2.py", "module": "b"}],
            json="def a(): return 'mine'",
            **{"my-agent.v2": "def b(): return 'dotted'"},
        )
        self.assertEqual([instance.call("a").value, instance.call("b").value], ["mine", "dotted"])


class EntrypointTest(Case):
    CODE = """
    import functools
    made = 0
    class App:
        def __init__(self):
            global made
            made += 1
            self.inner = self
        def invoke(self, x): return [x, made]
        def stream(self): yield 1
        async def ainvoke(self): return 2
        async def astream(self): yield 3
        @staticmethod
        def static(): return made
        def __call__(self, x): return -x
    app = App()
    part = functools.partial(app.invoke, 5)
    value = 7
    def fn(): return 1
    async def co(): return 1
    def many(items): return items
    """

    def test_resolves_what_a_module_path_can_name(self):
        names = ["fn", "app.invoke", "app.inner.invoke", "App.invoke", "App.static", "part", "app"]
        instance = self.serve(self.CODE, *names)
        self.assertEqual(instance.call("app.invoke", {"x": 1}).value, [1, 2])
        self.assertEqual(instance.call("App.invoke", {"x": 1}).value, [1, 2])
        self.assertEqual(instance.call("App.static").value, 2)
        self.assertEqual(instance.call("part").value, [5, 2])
        self.assertEqual(instance.call("app", {"x": 4}).value, -4)

    def test_infers_types(self):
        names = ["fn", "co", "app.stream", "app.astream", "app.ainvoke", "part"]
        instance = self.serve(self.CODE, *names)
        got = [(e["type"], e["streams"]) for e in instance.ready.json()["entrypoints"]]
        plain, stream, coroutine = ("generic", False), ("generic_stream", True), ("async", False)
        self.assertEqual(got, [plain, coroutine, stream, stream, coroutine, plain])

    def failure(self, code, *entrypoints):
        instance = self.instance(stderr=-3)
        frame = instance.admit(self.folder(main=code), entrypoints)
        self.assertEqual(frame.kind, FAILED, frame)
        self.assertEqual(instance.process.wait(5), 1)
        return frame.json()

    def test_refuses_a_type_that_the_function_contradicts(self):
        for name, given, right in (
            ("co", "generic", "async"),
            ("app.stream", "generic", "generic_stream"),
            ("app.stream", "async", "generic_stream"),
            ("app.stream", "batch", "generic_stream"),
        ):
            told = self.failure(self.CODE, {"tag": "t", "module": name, "type": given})
            self.assertIn(repr(right), told["message"])
            self.assertGreater(told["line"], 0)

    def test_accepts_types_that_the_function_does_not_contradict(self):
        self.serve(
            self.CODE,
            {"tag": "a", "module": "fn", "type": "generic_stream"},
            {"tag": "b", "module": "co", "type": "batch"},
            {"tag": "c", "module": "fn", "type": "async"},
            {"tag": "d_stream", "module": "app.stream", "type": "generic"},
        )

    def test_says_what_is_missing(self):
        self.assertIn("has no 'nope'; it has App, app, co, fn", self.failure(self.CODE, "nope")["message"])
        self.assertIn("app has no 'call'", self.failure(self.CODE, "app.call")["message"])
        code = "class Agent:\n    def __init__(self, model): pass\n    def run(self): pass\n"
        words = "Agent in main.py is a class that is not made without arguments: missing a required argument: 'model'; make one at the top level"
        self.assertIn(words, self.failure(code, "Agent.run")["message"])
        self.assertIn("not a function but a value of type int", self.failure(self.CODE, "value")["message"])

    def test_says_where_an_import_failed(self):
        told = self.failure("x = 1\ndef f(:\n  pass", "f")
        self.assertEqual((told["type"], told["line"]), ("SyntaxError", 2))
        self.assertTrue(told["file"].endswith("main.py"))
        told = self.failure("import json\n\njson.loads('{')", "f")
        self.assertEqual((told["type"], told["line"]), ("json.decoder.JSONDecodeError", 3))
        self.assertNotIn("runagent_shim", told["traceback"])
        self.assertNotIn("importlib", told["traceback"])
        told = self.failure("import not_there_at_all", "f")
        self.assertEqual((told["type"], told["line"]), ("ModuleNotFoundError", 1))
        self.assertEqual(self.failure("import sys\nsys.exit(3)", "f")["type"], "SystemExit")

    def test_says_what_a_missing_module_is_called_as_a_requirement(self):
        for module, words in {
            "not_there_at_all": "echo not-there-at-all >> requirements.txt",
            "MySQLdb": "Add mysqlclient to the agent's requirements",
            "google.cloud.not_there": "Add google-cloud-not-there to",
            "llama_index.readers.not_there.base": "Add llama-index-readers-not-there to",
        }.items():
            if module.startswith(("google", "llama")):  # of which others may be installed
                top = module.partition(".")[0]
                code = "raise ModuleNotFoundError('No module named %r' % {0!r}, name={0!r})".format(module)
                told = self.failure("import sys\nsys.modules.setdefault(%r, sys)\n%s" % (top, code), "f")
            else:
                told = self.failure("import " + module, "f")
            self.assertIn(words, told["message"])
        for code in ("import json.not_there", "import asyncio.not_there.more", "from json import not_there"):
            self.assertNotIn("requirements", self.failure(code, "f")["message"])


if __name__ == "__main__":
    unittest.main()
