"""The manifest's lifecycle: a function at the start of an instance, one at its end."""

import unittest

from harness import FAILED, LOG, READY, STOP, Case, Line


def hook(module, timeout_ms=5000):
    return {"file": "main.py", "module": module, "timeout_ms": timeout_ms}


class LifecycleTest(Case):
    def admit(self, source, **lifecycle):
        """Return an instance of the source and its READY or FAILED."""
        folder = self.folder(main=source)
        it = self.instance()
        return it, it.admit(folder, ["main"], lifecycle=lifecycle)

    def ending(self, it):
        """Stop the instance; return the lines it logged on the way and its exit status."""
        it.send(STOP)
        lines = []
        while True:
            frame = it.receive()
            if frame is None:
                return lines, it.process.wait(5)
            if frame.kind == LOG:
                lines.append(Line(frame).text)

    def test_both_run_on_the_loop_that_serves(self):
        it, ready = self.admit(
            """
            import asyncio
            seen = []
            async def start():
                await asyncio.sleep(0)
                seen.append(asyncio.get_running_loop())
            async def main():
                seen.append(asyncio.get_running_loop())
                return [len(seen), seen[0] is seen[1]]
            async def stop():
                await asyncio.sleep(0)
                print("closed", asyncio.get_running_loop() is seen[0])
            """,
            start=hook("start"),
            stop=hook("stop"),
        )
        self.assertEqual(ready.kind, READY, ready)
        self.assertEqual(it.call("main").value, [2, True])
        self.assertEqual(self.ending(it), (["closed True"], 0))

    def test_plain_functions_and_methods_will_do(self):
        it, ready = self.admit(
            """
            import asyncio
            class App:
                client = None
                def open(self): self.client = asyncio.get_running_loop() and "open"
                def main(self): return self.client
                def close(self): print("was", self.client)
            def main(): return 1
            app = App()
            main = app.main
            """,
            start=hook("app.open"),
            stop=hook("app.close"),
        )
        self.assertEqual(ready.kind, READY, ready)
        self.assertEqual(it.call("main").value, "open")
        self.assertEqual(self.ending(it), (["was open"], 0))

    def test_a_start_that_raises_fails_with_its_line(self):
        for source in ("def start(): raise KeyError('no key')", "async def start(): raise KeyError('no key')"):
            it, failed = self.admit(source + "\ndef main(): pass\n", start=hook("start"))
            self.assertEqual(failed.kind, FAILED)
            told = failed.json()
            self.assertEqual((told["type"], told["line"]), ("KeyError", 1))
            self.assertIn("no key", told["traceback"])
            self.assertEqual(it.process.wait(5), 1)

    def test_a_start_that_takes_too_long_fails(self):
        waits = "import asyncio, threading\nasync def start():\n    await asyncio.sleep(60)\ndef main(): pass\n"
        holds = "import asyncio, threading\ndef start():\n    threading.Event().wait()\ndef main(): pass\n"
        for source, line in ((waits, 2), (holds, 3)):
            it, failed = self.admit(source, start=hook("start", 50))
            self.assertEqual(failed.kind, FAILED)
            told = failed.json()
            self.assertIn("lifecycle.start, start in main.py, took more than 0.05 s", told["message"])
            self.assertEqual(told["line"], line)
            self.assertEqual(it.process.wait(5), 1)

    def test_what_cannot_be_called_is_refused(self):
        for source, name, text in (
            ("def start(app): pass", "start", "is called without arguments: missing a required argument: 'app'"),
            ("def start(): yield", "start", "not a generator"),
            ("start = 1", "start", "is not a function"),
            ("def begin(): pass", "start", "main.py has no 'start'; it has begin, main"),
        ):
            with self.subTest(source):
                _, failed = self.admit(source + "\ndef main(): pass\n", start=hook(name))
                self.assertEqual(failed.kind, FAILED)
                self.assertIn(text, failed.json()["message"])
                self.assertEqual(failed.json()["traceback"], "")  # no code of the agent's failed

    def test_a_stop_that_fails_or_hangs_does_not_hold_up_the_end(self):
        raises = "async def stop(): raise OSError('gone')\ndef main(): pass\n"
        waits = "import asyncio\nasync def stop(): await asyncio.sleep(60)\ndef main(): pass\n"
        holds = "import threading\ndef stop(): threading.Event().wait()\ndef main(): pass\n"
        for source, text in ((raises, "OSError: gone"), (waits, "took more than 0.05 s"), (holds, "took more than 0.05 s")):
            it, ready = self.admit(source, stop=hook("stop", 50))
            self.assertEqual(ready.kind, READY, ready)
            lines, status = self.ending(it)
            self.assertEqual(status, 0)
            self.assertIn("runagent: the agent did not stop well", lines)
            self.assertIn(text, "\n".join(lines))

    def test_a_stop_may_call_exit(self):
        for source in ("import sys\ndef main(): pass\ndef stop(): sys.exit(3)", "import sys\ndef main(): pass\nasync def stop(): sys.exit(3)"):
            it, ready = self.admit(source, stop=hook("stop"))
            self.assertEqual(ready.kind, READY, ready)
            lines, status = self.ending(it)
            self.assertEqual((lines[0], lines[-2:-1], status), ("runagent: the agent did not stop well", ["SystemExit: 3"], 0), lines)
            self.assertNotIn("runagent_shim", "".join(lines))

    def test_the_stop_waits_for_calls(self):
        it, _ = self.admit(
            """
            import asyncio
            done = []
            async def main():
                print("begun")
                await asyncio.sleep(0.2)
                done.append(1)
            def stop(): print("after", len(done))
            """,
            stop=hook("stop"),
        )
        it.start("main")
        self.assertEqual(Line(it.receive()).text, "begun")
        lines, status = self.ending(it)
        self.assertEqual((lines, status), (["after 1"], 0))


if __name__ == "__main__":
    unittest.main()
