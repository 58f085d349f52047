"""Calls of plain and async functions: answers, cancel, and nobody delayed by others."""

import json
import os
import struct
import time
import unittest

from harness import ADMIT, CALL_, LOG, Case, Line, call, encode, functions


class AnswerTest(Case):
    CODE = """
    import asyncio, sys, runagent_context as rc
    def echo(**kw): return kw
    def add(a, b): return a + b
    async def sleepy(x, seconds=0.0):
        await asyncio.sleep(seconds)
        return x
    def later(x):
        return sleepy(x)
    def inner():
        def deep(): raise KeyError("no such thing")
        deep()
    def chained():
        try: inner()
        except KeyError as e: raise ValueError("outer") from e
    def leave(): sys.exit(3)
    def interrupt(): raise KeyboardInterrupt
    async def aleave(): sys.exit(3)
    async def araise(): raise OSError("gone")
    async def stray():
        async def child(): sys.exit(4)
        asyncio.ensure_future(child())
        await asyncio.sleep(0.01)
        return "fine"
    def odd(): return {"a": [1, object()]}
    def big(n): return "x" * n
    def deep(n): return 0 if n == 0 else 1 + deep(n - 1)
    def about():
        c = rc.current()
        return [c.invocation_id, c.attempt, c.session_id, c.metadata, c.remaining()]
    async def aabout(): return about()
    outside = rc.current()
    def was_outside(): return outside is None
    import contextvars
    mine = contextvars.ContextVar("mine", default="unset")
    def leak(): 
        before = mine.get(); mine.set("leaked"); return before
    """

    def setUp(self):
        self.it = self.serve(self.CODE, *functions(self.CODE))

    def test_results(self):
        it = self.it
        self.assertEqual(it.call("echo", {"a": [1, 2.5, None, "é"]}).value, {"a": [1, 2.5, None, "é"]})
        self.assertEqual(it.call("add", {"b": 2}, [1]).value, 3)
        self.assertEqual(it.call("sleepy", {"x": 4}).value, 4)
        self.assertEqual(it.call("later", {"x": 5}).value, 5)
        self.assertEqual(it.call("was_outside").value, True)

    def test_timings_are_told(self):
        answer = self.it.call("sleepy", {"x": 1, "seconds": 0.05})
        waited, ran, usage = struct.unpack_from(">III", answer.payload)
        self.assertTrue(50_000 <= ran < 5_000_000 and waited < 5_000_000 and usage == 0, (waited, ran))

    def test_an_error_shows_the_users_frames_only(self):
        for tag, name in (("inner", "KeyError"), ("chained", "ValueError"), ("araise", "OSError")):
            told = self.assertError(self.it.call(tag), "EXECUTION_ERROR")
            self.assertEqual(told["type"], name)
            self.assertIn("main.py", told["traceback"])
            self.assertIn("in " + tag, told["traceback"])
            self.assertNotIn("runagent_shim", told["traceback"])
        self.assertIn("direct cause", self.it.call("chained").json()["traceback"])

    def test_the_instance_outlives_exits(self):
        for tag, name in (("leave", "SystemExit"), ("interrupt", "KeyboardInterrupt"), ("aleave", "SystemExit")):
            self.assertEqual(self.assertError(self.it.call(tag), "EXECUTION_ERROR")["type"], name)
        self.assertEqual(self.it.call("stray").value, "fine")
        self.assertEqual(self.it.call("sleepy", {"x": 1}).value, 1)

    def test_recursion_fails_its_call_only(self):
        told = self.assertError(self.it.call("deep", {"n": 100000}), "EXECUTION_ERROR")
        self.assertEqual(told["type"], "RecursionError")
        self.assertEqual(self.it.call("deep", {"n": 5}).value, 5)

    def test_what_does_not_bind_names_field_and_signature(self):
        told = self.assertError(self.it.call("add", {"a": 1, "c": 2}), "VALIDATION_ERROR", "(a, b)")
        self.assertIn("c", told["field"])
        self.assertError(self.it.call("araise", {"y": 1}), "VALIDATION_ERROR")

    def test_inputs_that_are_nested_too_deep_are_refused(self):
        for tag in ("echo", "araise"):
            head = call(self.it.tags.index(tag))
            self.it.number += 1
            self.it.send(CALL_, self.it.number, head + b'{"a":' + b"[" * 300 + b"]" * 300 + b"}")
            self.assertError(self.it.answer(self.it.number), "VALIDATION_ERROR", "deep")

    def test_what_is_not_json_names_type_and_path(self):
        self.assertError(self.it.call("odd"), "EXECUTION_ERROR", "object")

    def test_long_payloads_are_split_both_ways(self):
        text = "é" * 500_000
        self.assertEqual(self.it.call("echo", {"a": text}).value, {"a": text})

    def test_a_result_over_the_limit_is_refused(self):
        it = self.instance()
        it.admit(self.folder(main=self.CODE), ["big"], limits={"result_bytes": 1000, "log_line_bytes": 100})
        self.assertEqual(it.call("big", {"n": 998}).value, "x" * 998)
        self.assertError(it.call("big", {"n": 999}), "EXECUTION_ERROR", "limit of 1000 bytes")

    def test_a_call_knows_itself(self):
        meta = {"invocation_id": "i1", "attempt": 2, "session_id": "s", "metadata": {"k": 1}}
        for tag in ("about", "aabout"):
            self.assertEqual(self.it.call(tag, meta=meta).value, ["i1", 2, "s", {"k": 1}, None])
        left = self.it.call("about", meta=meta, limit_ms=60_000).value[4]
        self.assertTrue(55 < left <= 60, left)

    def test_context_variables_do_not_leak_between_calls(self):
        self.assertEqual([self.it.call("leak").value for _ in range(3)], ["unset"] * 3)

    def test_ping_and_unknown_frames(self):
        self.it.send(99, 5, b"?")
        self.it.ping()

    def test_stop_ends_with_status_0_after_what_is_in_flight(self):
        number = self.it.start("sleepy", {"x": 9, "seconds": 0.1})
        self.it.send(6)
        self.assertEqual(self.it.answer(number).value, 9)
        self.assertEqual(self.it.process.wait(5), 0)

    def test_stop_awaits_threads_that_are_no_daemons(self):
        code = """
        import atexit, threading, time
        from concurrent.futures import ThreadPoolExecutor
        pool = ThreadPoolExecutor(2)
        def note(text):
            with open(__file__ + ".notes", "a") as file: file.write(text)
        def begin():
            pool.submit(int).result()  # its idle thread must not hold up the end
            threading.Thread(target=linger, name="lingers").start()
            threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()
        def linger():
            time.sleep(1.5)
            note("thread ")
        atexit.register(note, "atexit")
        """
        folder = self.folder(main=code)
        it = self.instance()
        it.admit(folder, ["begin"])
        it.call("begin")
        it.send(6)
        self.assertIsNone(it.next())
        self.assertEqual(it.process.wait(5), 0)
        with open(os.path.join(folder, "main.py.notes")) as file:
            self.assertEqual(file.read(), "thread atexit")
        self.assertIn("waiting for threads that are no daemons: lingers", [line.text for line in it.logs])

    def test_threads_that_have_ended_are_not_told_of(self):
        code = """
        import atexit, time
        from concurrent.futures import ThreadPoolExecutor
        pool = ThreadPoolExecutor(1)
        def begin():
            pool.submit(int).result()
        atexit.register(time.sleep, 1.5)
        """
        it = self.instance()
        it.admit(self.folder(main=code), ["begin"])
        it.call("begin")
        it.send(6)
        self.assertIsNone(it.next())
        self.assertEqual(it.process.wait(5), 0)
        self.assertEqual([line.text for line in it.logs if "daemons" in line.text], [])

    def test_the_end_of_the_socket_ends_the_instance_at_once(self):
        self.it.start("sleepy", {"x": 1, "seconds": 1000})
        self.it.ping()
        self.it.sock.close()
        self.assertIsNotNone(self.it.process.wait(5))


class StartTest(Case):
    def test_admit_sets_the_process_up(self):
        code = """
        import os, sys, multiprocessing
        def look(): return [os.getcwd(), os.environ.get("A"), os.environ.get("B"), os.environ.get("RUNAGENT_TOKEN"), sys.argv[1:]]
        def spawn():
            with multiprocessing.get_context("spawn").Pool(1) as pool: return pool.map(abs, [-1, -2])
        """
        folder = self.folder(main=code)
        os.environ["B"] = "parent"
        self.addCleanup(os.environ.pop, "B")
        it = self.instance()
        ready = it.admit(folder, ["look", "spawn"], env={"A": "set"}, unset=["B"])
        self.assertEqual(it.hello, {"token": "token", "protocol": 1})
        told = ready.json()
        self.assertEqual(told["warnings"], [])
        self.assertIn("()", told["entrypoints"][0]["signature"])
        self.assertEqual(it.call("look").value, [folder, "set", None, None, []])
        self.assertEqual(it.call("spawn").value, [1, 2])

    def test_the_socket_closing_during_a_slow_import_ends_it(self):
        it = self.instance()
        it.next()
        folder = self.folder(main="import time\ntime.sleep(1000)")
        body = {"dir": folder, "entrypoints": [{"tag": "a", "file": "main.py", "module": "a"}]}
        it.send(ADMIT, 0, json.dumps(body).encode())
        it.ping()
        it.sock.close()
        self.assertIsNotNone(it.process.wait(5))


class CancelTest(Case):
    CODE = """
    import asyncio, time
    log = []
    def loop():
        while True: pass
    def polite_loop():
        try:
            print("begun")
            while True: time.monotonic()
        finally: log.append("cleaned")
    def stubborn():
        while True:
            try:
                while True: pass
            except Exception: pass
    def nap(s):
        time.sleep(s)
        return "woke"
    async def wait():
        print("begun")
        try: await asyncio.sleep(1000)
        except asyncio.CancelledError:
            log.append("canceled")
            raise
    def add(a, b): return a + b
    def seen(): return log
    """

    def setUp(self):
        self.it = self.serve(self.CODE, "loop", "polite_loop", "stubborn", "nap", "wait", "add", "seen")

    def test_stops_loops_and_coroutines(self):
        it = self.it
        for tag in ("loop", "stubborn", "polite_loop", "wait"):
            number = it.start(tag)
            if tag in ("polite_loop", "wait"):  # a cancel before the try would find nothing to clean
                self.assertEqual(it.receive().kind, LOG)
            self.assertEqual(it.call("add", {"a": 1, "b": 2}).value, 3)
            it.cancel(number)
            self.assertError(it.answer(number), "CANCELED")
        self.assertEqual(it.call("seen").value, ["cleaned", "canceled"])
        number = it.start("loop")
        it.cancel(number, 2)
        self.assertError(it.answer(number), "TIMEOUT_ERROR")

    def test_a_cancel_never_hits_another_call(self):
        it, numbers = self.it, {}
        for round_ in range(300):
            victim = it.start("nap", {"s": 0.0005})
            it.cancel(victim)
            other = it.start("add", {"a": round_, "b": 1})
            found = it.answers([victim, other])
            self.assertEqual(found[other].value, round_ + 1)
            numbers[found[victim].kind] = numbers.get(found[victim].kind, 0) + 1
        self.assertEqual(sum(numbers.values()), 300)

    def test_a_cancel_right_behind_the_call(self):
        numbers = []
        for _ in range(200):
            numbers.append(self.it.start("wait"))
            self.it.cancel(numbers[-1])
        for answer in self.it.answers(numbers).values():
            self.assertError(answer, "CANCELED")

    def test_a_sleep_keeps_its_slot_until_it_is_over(self):
        number = self.it.start("nap", {"s": 0.3})
        self.it.cancel(number)
        began = time.monotonic()
        self.assertError(self.it.answer(number), "CANCELED")
        self.assertGreater(time.monotonic() - began, 0.2)

    def test_a_cancel_of_an_unknown_call_is_nothing(self):
        self.it.cancel(4711)
        self.it.credit(4711, 1, 1)
        self.it.ping()


class TidyTest(Case):
    CODE = """
    import asyncio, time
    class Connection:
        def __init__(self): self.itself = self
        def __del__(self): print("closed")
    async def wait():
        connection = Connection()
        print("begun")
        await asyncio.sleep(1000)
    def loop():
        connection = Connection()
        print("begun")
        while True: time.monotonic()
    """

    def test_what_a_canceled_call_leaves_is_collected(self):
        it = self.serve(self.CODE, "wait", "loop")
        for tag in ("wait", "loop"):
            number = it.start(tag)
            self.await_line(it, "begun")
            it.cancel(number)
            self.await_line(it, "closed")

    def await_line(self, it, text):
        """Take frames until one is this line."""
        while True:
            frame = it.receive()
            if frame.kind == LOG and Line(frame).text == text:
                return


class DelayTest(Case):
    CODE = """
    import time, threading
    def nap(s): time.sleep(s)
    def spin(s):
        end = time.thread_time() + s
        while time.thread_time() < end: pass
    def echo(x): return x
    def threads(): return threading.active_count()
    """

    def setUp(self):
        self.it = self.serve(self.CODE, "nap", "spin", "echo", "threads")

    def test_slow_calls_delay_nobody(self):
        it = self.it
        slow = [it.start("nap", {"s": 2}) for _ in range(20)]
        began = time.monotonic()
        for i in range(50):
            self.assertEqual(it.call("echo", {"x": i}).value, i)
        self.assertLess(time.monotonic() - began, 1.5)
        self.assertEqual(len(it.answers(slow)), 20)

    def test_results_before_a_slow_call_are_not_held_back(self):
        it = self.it
        frames = [encode(CALL_, 1, call(2, {"x": 1})), encode(CALL_, 2, call(0, {"s": 2})), encode(CALL_, 3, call(2, {"x": 3}))]
        it.sock.sendall(b"".join(frames))
        began = time.monotonic()
        found = it.answers([1, 3])
        self.assertLess(time.monotonic() - began, 1.5)
        self.assertEqual([found[1].value, found[3].value], [1, 3])
        it.answer(2)

    def test_a_busy_loop_delays_nobody_for_long(self):
        slow = self.it.start("spin", {"s": 2})
        began = time.monotonic()
        self.assertEqual(self.it.call("echo", {"x": 1}).value, 1)
        self.assertLess(time.monotonic() - began, 1.5)
        self.it.answer(slow)

    def test_more_calls_than_threads_wait_and_are_all_answered(self):
        it = self.instance()
        it.admit(self.folder(main=self.CODE), ["nap", "spin", "echo", "threads"], concurrency={"sync": 4, "async": 4})
        numbers = [it.start("nap", {"s": 0.02}) for _ in range(60)]
        self.assertEqual(len(it.answers(numbers)), 60)
        self.assertLessEqual(it.call("threads").value, 10)

    def test_an_entrypoint_that_held_up_the_reading_thread_goes_to_the_pool(self):
        code = """
    import sys, time
    def pooled(s=0):
        time.sleep(s)
        frame, names = sys._getframe(), set()
        while frame: frame = names.add(frame.f_code.co_name) or frame.f_back
        return "_serve_pooled" in names
    """
        it = self.serve(code, "pooled")
        self.assertFalse(it.call("pooled").value)
        # On a busy machine one slow call may be the machine's doing.
        self.assertTrue(any(it.call("pooled", {"s": 0.1}).value for _ in range(100)))


if __name__ == "__main__":
    unittest.main()
