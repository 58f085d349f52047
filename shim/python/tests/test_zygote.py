"""Forking instances from a warm process."""

import json
import os
import signal
import subprocess
import sys
import unittest
from pathlib import Path
from unittest import mock

sys.path[:0] = [str(Path(__file__).resolve().parent.parent)]

from harness import ERROR, HELLO, LOG, MODULES, READY, Case
from runagent_shim import imports


class ZygoteTest(Case):
    def test_forks_instances_that_serve(self):
        zygote = self.zygote(["decimal", "json"])
        self.assertEqual((zygote.ready["op"], zygote.ready["imported"], zygote.ready["excluded"]), ("ready", 2, []))
        folder = self.folder(
            main="""
            import os, sys, gc, signal
            warm = "decimal" in sys.modules
            def look():
                fds = {os.readlink("/proc/self/fd/%s" % f) for f in os.listdir("/proc/self/fd") if os.path.exists("/proc/self/fd/%s" % f)}
                return [os.getpid(), warm, gc.isenabled(), sys.stdin.read(), signal.getsignal(signal.SIGTERM) == signal.SIG_DFL]
            def descriptors(): return sum("socket" in os.readlink("/proc/self/fd/" + f) for f in os.listdir("/proc/self/fd") if os.path.lexists("/proc/self/fd/" + f))
            """
        )
        first, second = zygote.fork("one"), zygote.fork("two")
        for connection, token in ((first, "one"), (second, "two")):
            ready = connection.admit(folder, ["look", "descriptors"])
            self.assertEqual(ready.kind, READY, ready)
            self.assertEqual(connection.hello["token"], token)
            self.assertEqual(connection.call("look").value, [connection.pid, True, True, "", True])
            # Its own: none of the zygote's.
            self.assertEqual(connection.call("descriptors").value, 1)
        self.assertNotEqual(first.pid, second.pid)

    def test_a_compiled_half_is_not_imported_before_its_library(self):
        zygote = self.zygote(["_asyncio", "asyncio"])
        folder = self.folder(
            main="""
            import asyncio
            async def known(): return asyncio.current_task() in asyncio.all_tasks()
            """
        )
        connection = zygote.fork("one")
        self.assertEqual(connection.admit(folder, ["known"]).kind, READY)
        self.assertIs(connection.call("known").value, True)

    def test_an_agent_of_plain_functions_is_spared_asyncio(self):
        folder = self.folder(
            main="""
            import sys
            def plain(): return "asyncio" in sys.modules
            def many(): yield from range(10000)
            async def other(): return "asyncio" in sys.modules
            """
        )
        zygote = self.zygote(["json"])
        connection = zygote.fork()
        ready = connection.admit(folder, ["plain", "many"]).json()
        self.assertEqual(connection.call("plain").value, False)
        # Cancels are timed, and a stop is taken, without it.
        stream = connection.start("many")
        connection.cancel(stream)
        self.assertEqual(connection.answer(stream).kind, ERROR)
        self.assertEqual(connection.call("plain").value, False)
        self.assertNotIn("asyncio", ready["modules"])
        self.assertIn("json", ready["modules"][: ready["inherited"]])
        connection.send(6)
        self.assertEqual(zygote.wait(connection.pid), 0)

        connection = zygote.fork()
        ready = connection.admit(folder, ["plain", "other"]).json()
        self.assertIn("asyncio", ready["modules"][ready["inherited"] :])
        self.assertEqual(connection.call("other").value, True)

    def test_what_only_failures_need_is_not_loaded(self):
        """Each costs the zygote, and all that it forks, memory."""
        zygote = self.zygote()
        modules = zygote.fork().admit(self.folder(main="def f(a: int): return a"), ["f"]).json()["modules"]
        at_start = subprocess.check_output([sys.executable, "-c", "import sys; print(*sys.modules)"], text=True).split()
        for name in ("csv", "email", "importlib.metadata"):
            if name not in at_start:
                self.assertNotIn(name, modules)

    def test_what_calls_load_is_told_once(self):
        """For plain functions, coroutines and failures, and of the agent's own modules nothing."""
        lazy = self.folder(**{"lazy_%s" % name: "" for name in ("plain", "other", "failed")})
        main = """
            def plain():
                import lazy_plain, mine
            async def other():
                import lazy_other
            def fails():
                import lazy_failed
                raise ValueError("no")
        """
        zygote = self.zygote(env={"PYTHONPATH": lazy})
        connection = zygote.fork()
        connection.admit(self.folder(main=main, mine=""), ["plain", "other", "fails"])
        for tag, name in (("plain", "lazy_plain"), ("other", "lazy_other"), ("fails", "lazy_failed")):
            connection.call(tag)
            connection.call(tag)
            self.wait_for_modules(connection, name)
        self.assertEqual([name for name in connection.loaded if name.startswith("lazy")], ["lazy_plain", "lazy_other", "lazy_failed"])
        self.assertNotIn("mine", connection.loaded)

    def wait_for_modules(self, connection, name):
        """Take frames until Go has been told of module name."""
        while name not in connection.loaded:
            frame = connection.receive()
            self.assertIn(frame.kind, (LOG, MODULES), frame)
            if frame.kind == MODULES:
                connection.loaded += frame.json()

    def test_what_is_known_is_not_described_again(self):
        folder = self.folder(main="def f(a: int): return a")
        zygote = self.zygote()
        whole = zygote.fork().admit(folder, ["f"]).json()["entrypoints"][0]
        self.assertEqual(whole["signature"], "f(a: int)")
        again = zygote.fork()
        short = again.admit(folder, ["f"], described=True).json()["entrypoints"][0]
        self.assertEqual(short, {k: whole[k] for k in ("tag", "type", "streams", "file", "module")})
        self.assertIn("/a", again.call("f", {"a": "x"}).json()["field"])

    def test_a_long_list_comes_in_a_file(self):
        zygote = self.zygote(["json"])
        path = self.write(self.folder(), "list.json", json.dumps(["decimal"] * 20000))
        with open(path, "rb") as file:
            zygote.send({"op": "import"}, file.fileno())
        self.assertEqual(zygote.receive()[0]["imported"], 20000)

    def test_tells_how_children_ended(self):
        zygote = self.zygote()
        folder = self.folder(main="import os\ndef end(status): os._exit(status)\ndef f(): pass")
        ends = []
        for _ in range(3):
            connection = zygote.fork()
            connection.admit(folder, ["end", "f"])
            ends.append(connection)
        ends[0].start("end", {"status": 3})
        self.assertEqual(zygote.wait(ends[0].pid), 3 << 8)
        os.kill(ends[1].pid, signal.SIGKILL)
        self.assertEqual(zygote.wait(ends[1].pid), signal.SIGKILL)
        ends[2].send(6)
        self.assertEqual(zygote.wait(ends[2].pid), 0)

    def test_its_end_spares_its_children(self):
        zygote = self.zygote()
        connection = zygote.fork()
        connection.admit(self.folder(main="def f(): return 1"), ["f"])
        zygote.control.close()
        self.assertEqual(zygote.process.wait(5), 0)
        self.assertEqual(connection.call("f").value, 1)

    def test_a_failed_import_in_a_child_spares_the_zygote(self):
        zygote = self.zygote()
        connection = zygote.fork()
        self.assertEqual(connection.admit(self.folder(main="def ("), ["f"]).json()["type"], "SyntaxError")
        self.assertEqual(zygote.wait(connection.pid), 1 << 8)
        self.assertEqual(zygote.fork().next().kind, HELLO)


class ImportsTest(Case):
    def imports(self, *names, **files):
        return self.zygote(names, {"PYTHONPATH": self.folder(**files)}).ready

    def test_failures_are_skipped_with_their_reason(self):
        ready = self.imports("bad", "exits", "absent", "json", bad="1 / 0", exits="raise SystemExit(3)")
        self.assertEqual(ready["imported"], 1)
        found = {one["module"]: (one["why"], one["polluted"]) for one in ready["excluded"]}
        self.assertEqual(found["bad"], ("ZeroDivisionError: division by zero", False))
        self.assertEqual(found["exits"], ("SystemExit: 3", False))
        self.assertIn("No module named", found["absent"][0])

    def test_what_leaves_threads_or_descriptors_is_named(self):
        forever = "import threading, time\nthreading.Thread(target=time.sleep, args=(1000,), daemon=True).start()\n"
        ready = self.imports(
            "outer",
            "clean",
            "sock",
            "poll",
            "short",
            "file",
            "above",
            "swap",
            outer="import clean\nimport inner\n",
            inner=forever,
            clean="",
            sock="import socket\ns = socket.socket()",
            poll="import select\np = select.epoll()",
            short="import threading\nthreading.Thread(target=int).start()",
            file="f = open('/dev/null')",
            above="import json, sock",
            swap="import swapped",
            swapped="import file, socket\nfile.f.close()\ns = socket.socket()",
        )
        found = {one["module"]: one["why"] for one in ready["excluded"]}
        self.assertEqual(set(found), {"outer", "inner", "sock", "poll", "swap"})
        self.assertEqual(found["swap"], "leaves a socket open")
        self.assertTrue(all(one["polluted"] for one in ready["excluded"]))
        self.assertEqual(found["inner"], "leaves 1 threads running")
        self.assertEqual(found["outer"], "imports inner, which leaves 1 threads running")
        self.assertEqual(found["sock"], "leaves a socket open")
        self.assertEqual(found["poll"], "leaves an epoll descriptor open")


    def test_modules_that_open_nothing_are_asked_about_once(self):
        names = ["quiet_%d" % n for n in range(20)]
        folder = self.folder(quiet="import " + ", ".join(names), **dict.fromkeys(names, ""))
        importer = imports.Importer()
        with mock.patch.object(sys, "path", [folder, *sys.path]), mock.patch.object(imports, "_descriptors", wraps=imports._descriptors) as asked:
            importer.run(["quiet"])
        self.assertEqual((importer.imported, importer.excluded, asked.call_count), (1, [], 1))
        for name in ("quiet", *names):
            del sys.modules[name]


class RandomnessTest(Case):
    def test_a_thousand_forks_share_no_random_number(self):
        code = """
        import random, secrets, ssl, sys, tempfile, uuid
        found = {"random": random.random(), "secrets": secrets.token_hex(8), "uuid4": str(uuid.uuid4()),
                 "ssl": ssl.RAND_bytes(8).hex(), "choice": random.getrandbits(64), "name": next(tempfile._get_candidate_names())}
        try:
            import numpy
            found["numpy"] = float(numpy.random.random())
        except ImportError: pass
        def look(): return found
        """
        modules = ["random", "secrets", "ssl", "uuid", "tempfile"]
        warm = """
        import random, secrets, ssl, tempfile, uuid
        random.random(), secrets.token_hex(8), uuid.uuid4(), ssl.RAND_bytes(8), next(tempfile._get_candidate_names())
        try:
            import numpy
            numpy.random.random()
        except ImportError: pass
        """
        zygote = self.zygote(modules + ["warm_up"], {"PYTHONPATH": self.folder(warm_up=warm)})
        folder, seen = self.folder(main=code), {}
        for round_ in range(20):
            connections = [zygote.fork() for _ in range(50)]
            for connection in connections:
                self.assertEqual(connection.admit(folder, ["look"]).kind, READY)
                for name, value in connection.call("look").value.items():
                    seen.setdefault(name, []).append(value)
                zygote.release(connection)
            for connection in connections:
                zygote.wait(connection.pid)
        self.assertGreaterEqual(len(seen), 6)
        for name, values in seen.items():
            self.assertEqual((len(values), len(set(values))), (1000, 1000), name)


if __name__ == "__main__":
    unittest.main()
