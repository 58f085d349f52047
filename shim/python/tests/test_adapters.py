"""The seam to frameworks: which adapters there are, and what they may not break."""

import asyncio
import contextlib
import enum
import io
import json
import sys
import threading
import types
import unittest
from pathlib import Path
from unittest import mock

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from runagent_shim import adapters, codec, usage
from runagent_shim.adapters import bridge
from runagent_shim.adapters.closing import Closing
from runagent_shim.adapters.turns import Turn, in_turn, turn_of
from runagent_shim.calls import CURRENT
from runagent_shim.encode import encode


class Crew:
    """A framework's object."""


class Stream:
    """A framework's stream."""


class Knowing(adapters.Adapter):
    NAMES = "a crew"

    def adapt(self, value, wanted):
        if isinstance(value, Crew):
            return adapters.Adapted(lambda: "stream" if wanted.streams else "run", chosen=True)
        return None

    def handler(self, kind):
        return (lambda walk, value, path: "a crew") if issubclass(kind, Crew) else None

    def items(self, value):
        return iter("ab") if isinstance(value, Stream) else None


class Failing(adapters.Adapter):
    def adapt(self, value, wanted):
        raise AttributeError("moved in version 9")

    handler = items = check = adapt


class Seam(unittest.TestCase):
    def use(self, *found):
        patch = mock.patch.object(adapters, "loaded", lambda: found)
        patch.start()
        self.addCleanup(patch.stop)


class TestSeam(Seam):
    def test_an_adapter_is_asked_for_what_it_knows(self):
        self.use(Knowing())
        adapt = adapters.adapt
        self.assertEqual(adapt(Crew(), adapters.Wanted()).fn(), "run")
        self.assertEqual(adapt(Crew(), adapters.Wanted(streams=True)).fn(), "stream")
        self.assertIsNone(adapt(object(), adapters.Wanted()))
        self.assertIsNone(adapt(Crew, adapters.Wanted()), "a class is no object")
        self.assertEqual(list(adapters.items(Stream())), ["a", "b"])
        self.assertEqual(adapters.names(), ["a crew"])
        self.assertEqual(encode({"by": Crew()}, codec.JSONCodec()), b'{"by":"a crew"}')

    def test_plain_streams_are_not_asked_about(self):
        self.use(Failing())
        for value in ([1], "x", (i for i in "ab"), None, {"a": 1}):
            self.assertIs(adapters.items(value), value)

    def test_one_that_fails_harms_nobody(self):
        self.use(Failing(), Knowing())
        said = io.StringIO()
        with contextlib.redirect_stderr(said), mock.patch.object(adapters, "_TOLD", set()):
            self.assertEqual(adapters.adapt(Crew(), adapters.Wanted()).fn(), "run")
            self.assertIsNone(adapters.check(int))
            adapters.adapt(Crew(), adapters.Wanted())
            self.assertIsNone(adapters.check(str))
        self.assertIn("moved in version 9", said.getvalue())
        self.assertEqual(said.getvalue().count("goes on without it"), 2, "each once is enough")

    def test_without_frameworks_none_is_loaded(self):
        with mock.patch.object(adapters, "_HOMES", (("no_such_framework", "nothing"),)):
            self.assertEqual(adapters.loaded(), [])

    def test_one_that_cannot_be_loaded_knows_nothing(self):
        self.addCleanup(adapters._KNOWN.pop, "no_such_adapter", None)
        with mock.patch.object(adapters, "_HOMES", (("sys", "no_such_adapter"),)):
            with contextlib.redirect_stderr(io.StringIO()) as said:
                self.assertIsNone(adapters.adapt(Crew(), adapters.Wanted()))
        self.assertIn("does not work with the installed version", said.getvalue())

    def test_an_object_of_an_older_version_is_told_of(self):
        kind = type("Agent", (), {"__module__": "agno.agent.agent", "run": lambda self: None})
        for version, words in (("1.8.4", ". Installed is agno 1.8.4; its objects can be named from version 2 on"), ("2.0", ""), ("x", "")):
            with mock.patch("importlib.metadata.version", lambda package: version):
                self.assertEqual([adapters.outdated(one) for one in (kind(), kind().run)], [words, words])
                self.assertEqual(adapters.outdated(Crew()), "")
        self.assertEqual(adapters.outdated(type("Agent", (), {"__module__": "google.adk_of_mine"})()), "")

    def test_frameworks_are_watched_once(self):
        one = mock.Mock(spec=adapters.Adapter())
        self.use(one)
        adapters.watch()
        adapters.watch()
        self.assertEqual(one.watch.call_count, 1)


class TestUsage(unittest.TestCase):
    def setUp(self):
        self.call = types.SimpleNamespace(usage=None)
        token = CURRENT.set(self.call)
        self.addCleanup(CURRENT.reset, token)

    def total(self):
        found = usage.summary(self.call.usage)
        return found["input_tokens"], found["output_tokens"], found["total_tokens"], found["model"]

    def test_answers_add_up(self):
        usage.add("a", "small", 1, 2)
        usage.add("a", "big", 10, 20, 31)
        self.assertEqual(self.total(), (11, 22, 34, "big"))

    def test_of_one_answer_the_last_report_counts(self):
        usage.add("a", "m", 1, 1, key="x")
        usage.add("a", "m", 1, 5, key="x")
        self.assertEqual(self.total(), (1, 5, 6, "m"))

    def test_layers_do_not_add_up(self):
        usage.add("client", "m", 1, 2)
        usage.add("framework", "m", 1, 2)
        usage.add("framework", "m", 3, 4)
        self.assertEqual(self.total(), (4, 6, 10, "m"))

    def test_what_is_no_count_is_none(self):
        usage.add("a", None, "many", -1, 2.5)
        self.assertEqual(self.total(), (0, 0, 0, ""))
        self.assertEqual(
            usage.metadata(self.call.usage),
            b'{"usage": {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0, "model": ""}}',
        )

    def test_metadata_is_json_whatever_a_model_is_called(self):
        class Name(str, enum.Enum):
            SMALL = "small"

        for model in ("gpt-5.1:mini", 'a "b"', "größer\n", Name.SMALL):
            self.call.usage = None
            usage.add("a", model, 1, 2)
            told = {"usage": {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3, "model": model}}
            self.assertEqual(usage.metadata(self.call.usage), json.dumps(told).encode())

    def test_outside_a_call_nothing_is_counted(self):
        CURRENT.set(None)
        usage.add("a", "m", 1, 2)
        self.assertIsNone(self.call.usage)


class TestTurns(unittest.TestCase):
    def test_threads_and_tasks_take_turns(self):
        owner, running, most, done = object(), [], [], []

        def work(n):
            running.append(n)
            most.append(len(running))
            for _ in range(200):
                pass
            running.remove(n)
            done.append(n)

        async def work_async(n):
            running.append(n)
            most.append(len(running))
            await asyncio.sleep(0)
            running.remove(n)
            done.append(n)

        sync, later = in_turn(owner, work), in_turn(owner, work_async)

        async def all_of_them():
            await asyncio.gather(*(later(n) for n in range(20)))

        threads = [threading.Thread(target=sync, args=(n,)) for n in range(20, 40)]
        threads.append(threading.Thread(target=asyncio.run, args=(all_of_them(),)))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
        self.assertEqual(sorted(done), list(range(40)))
        self.assertEqual(max(most), 1)

    def test_one_object_has_one_turn(self):
        one, other = object(), object()
        self.assertIs(turn_of(one), turn_of(one))
        self.assertIsNot(turn_of(one), turn_of(other))

    def test_who_is_canceled_while_waiting_holds_up_nobody(self):
        turn = Turn()

        async def story():
            async with turn:
                waiting = asyncio.ensure_future(turn.__aenter__())
                await asyncio.sleep(0)
                waiting.cancel()
                await asyncio.gather(waiting, return_exceptions=True)
            async with turn:
                return "free"

        self.assertEqual(asyncio.run(asyncio.wait_for(story(), 5)), "free")

    def test_a_turn_ends_with_an_exception(self):
        turn = Turn()
        with self.assertRaises(KeyError), turn:
            raise KeyError
        with turn:
            pass


class TestBridge(unittest.TestCase):
    def setUp(self):
        self.loop = asyncio.new_event_loop()
        thread = threading.Thread(target=self.loop.run_forever)
        thread.start()
        bridge.use(self.loop.call_soon_threadsafe, lambda: self.loop)

        def end():
            bridge.use(None, None)
            self.loop.call_soon_threadsafe(self.loop.stop)
            thread.join(10)
            self.loop.close()

        self.addCleanup(end)

    def on_thread(self, fn):
        """Return what fn returns or raises on a thread of its own."""
        out = []

        def run():
            try:
                out.append(fn())
            except BaseException as error:
                out.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        thread.join(10)
        return out[0]

    async def later(self, value):
        if isinstance(value, Exception):
            raise value
        await asyncio.sleep(0)
        return asyncio.get_running_loop(), value, CURRENT.get()

    def test_all_threads_share_the_loop_and_keep_their_call(self):
        run = bridge.bridged(lambda value: "alone", self.later)

        def called():
            CURRENT.set("the call")
            return run(7)

        self.assertEqual(self.on_thread(called), (self.loop, 7, "the call"))
        self.assertEqual(self.on_thread(lambda: run(8))[:2], (self.loop, 8))
        self.assertIsInstance(self.on_thread(lambda: run(KeyError("x"))), KeyError)

    def test_where_a_loop_runs_or_on_the_main_thread_it_stays_what_it_was(self):
        run = bridge.bridged(lambda value: "alone", self.later)
        self.assertEqual(run(1), "alone")

        async def within():
            return run(1)

        self.assertEqual(self.on_thread(lambda: asyncio.run(within())), "alone")

    def test_a_cancel_of_the_thread_cancels_the_coroutine(self):
        begun, canceled = threading.Event(), threading.Event()

        async def forever():
            begun.set()
            try:
                await asyncio.sleep(60)
            finally:
                canceled.set()

        class Struck(BaseException):
            pass

        def strike(ident):
            import ctypes

            begun.wait(10)
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(ident), ctypes.py_object(Struck))

        def waiting():
            threading.Thread(target=strike, args=(threading.get_ident(),)).start()
            return bridge.wait_for(forever)

        self.assertIsInstance(self.on_thread(waiting), Struck)
        self.assertTrue(canceled.wait(10))


class TestClosing(unittest.TestCase):
    def test_what_is_within_is_closed_at_once(self):
        closed = []

        async def inner():
            try:
                yield 1
                yield 2
            finally:
                closed.append("inner")

        async def outer():
            async with Closing(inner()) as items:
                async for item in items:
                    yield item

        async def story():
            source = outer()
            async for _ in source:
                break
            await source.aclose()
            return list(closed)

        self.assertEqual(asyncio.run(story()), ["inner"])


if __name__ == "__main__":
    unittest.main()
