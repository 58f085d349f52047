"""Streams: items, credit, closing and failures."""

import time
import unittest

from harness import CHUNK, ERROR, LOG, RESULT, Case, Line, functions


class StreamTest(Case):
    CODE = """
    import asyncio, threading, time
    log = []
    def count(n):
        for i in range(n): yield i
    async def acount(n):
        for i in range(n): yield {"i": i}
    def listed_stream(): return [1, 2]
    def one_stream(): return {"whole": True}
    def text_stream(): return "text"
    def none_stream(): return None
    def iterator_stream(): return iter((1, 2))
    def indirect_stream(n): return count(n)
    def aindirect_stream(n): return acount(n)
    async def awaited_stream(n):
        await asyncio.sleep(0)
        return count(n)
    async def awaited_async_stream(n): return acount(n)
    def whole(n): return acount(n)
    async def awhole(n): return acount(n)
    def whole_sync(n): return count(n)
    def whole_fails(): return afails()
    def whole_stuck(): return astuck()
    def inside(n): return {"items": acount(n)}
    def fails():
        for i in range(3): yield i
        raise ValueError("after three")
    async def afails():
        for i in range(3): yield i
        raise ValueError("after three")
    def odd():
        yield 1
        yield {"x": object()}
    async def aodd():
        yield 1
        yield {"x": object()}
    def forever():
        ident = threading.get_ident()
        try:
            i = 0
            while True:
                yield "x" * 1000
                i += 1
        except GeneratorExit:
            log.append(["closed", i, ident == threading.get_ident()])
            raise
    async def aforever():
        i = 0
        try:
            while True:
                yield "x" * 1000
                i += 1
        finally: log.append(["aclosed", i, True])
    def threads():
        for i in range(5):
            yield threading.get_ident()
            time.sleep(0.01)
    def stuck():
        yield 1
        while True: time.sleep(0.01)
    async def astuck():
        yield 1
        await asyncio.sleep(1000)
    taken = threading.Event()
    def slow():
        yield 1
        taken.wait()
        yield 2
    def take(): taken.set()
    def echo(x): return x
    def seen(): return log
    def leave():
        yield 1
        raise SystemExit
    def telling(n):
        for i in range(n):
            print("before", i)
            yield i
    async def atelling(n):
        for i in range(n):
            print("before", i)
            yield i
    def mixed(n):
        for i in range(n):
            yield i
            yield "x" * (70_000 if i % 7 == 3 else 500)
            yield None
    async def amixed(n):
        for i in range(n):
            yield i
            yield "x" * (70_000 if i % 7 == 3 else 500)
            yield None
    def late_nan():
        yield None
        yield {"a": None}
        yield float("nan")
    def same():
        item = {}
        for i in range(200):
            item["i"] = i
            yield item
    """

    def setUp(self):
        self.it = self.serve(self.CODE, *functions(self.CODE))

    def test_items(self):
        for tag, kwargs, want in (
            ("count", {"n": 3}, [0, 1, 2]),
            ("acount", {"n": 2}, [{"i": 0}, {"i": 1}]),
            ("count", {"n": 0}, []),
            ("acount", {"n": 0}, []),
            ("listed_stream", {}, [1, 2]),
            ("one_stream", {}, [{"whole": True}]),
            ("text_stream", {}, ["text"]),
            ("none_stream", {}, [None]),
            ("iterator_stream", {}, [1, 2]),
            ("indirect_stream", {"n": 3}, [0, 1, 2]),
            ("aindirect_stream", {"n": 1}, [{"i": 0}]),
            ("awaited_stream", {"n": 3}, [0, 1, 2]),
            ("awaited_async_stream", {"n": 1}, [{"i": 0}]),
            ("count", {"n": 900}, list(range(900))),
        ):
            chunks, answer = self.it.stream(tag, kwargs)
            self.assertEqual((chunks, answer.kind, answer.payload[12:]), (want, RESULT, b""), (tag, answer))

    def test_a_whole_result_may_be_an_iterator(self):
        for tag in ("whole", "awhole"):
            self.assertEqual(self.it.call(tag, {"n": 2}).value, [{"i": 0}, {"i": 1}], tag)
        self.assertEqual(self.it.call("whole_sync", {"n": 2}).value, [0, 1])
        self.assertError(self.it.call("whole_fails"), "EXECUTION_ERROR", "after three")
        self.assertError(self.it.call("inside", {"n": 2}), "EXECUTION_ERROR", "only when it is the whole result")
        number = self.it.start("whole_stuck")
        self.it.cancel(number)
        self.assertError(self.it.answer(number), "CANCELED")

    def test_an_item_arrives_when_it_is_yielded(self):
        number = self.it.start("slow")
        self.assertEqual(self.it.next().value, 1)
        self.it.start("take")
        frames = [self.it.next() for _ in range(3)]  # take's answer among them
        self.assertEqual([(f.kind, f.value) for f in frames if f.call == number], [(CHUNK, 2), (RESULT, None)])

    def test_failures_come_after_the_items_before(self):
        for tag, text in (("fails", "after three"), ("afails", "after three"), ("odd", "object"), ("aodd", "object"), ("leave", "")):
            chunks, answer = self.it.stream(tag)
            self.assertError(answer, "EXECUTION_ERROR", text)
            self.assertEqual(chunks, [0, 1, 2] if "fails" in tag else [1], tag)

    def test_items_of_a_fast_stream_share_frames(self):
        for tag in ("count", "acount"):
            self.it.batches.clear()
            chunks, _ = self.it.stream(tag, {"n": 900})
            self.assertEqual(len(chunks), 900)
            self.assertGreater(sum(self.it.batches), 450, tag)

    def test_items_are_what_they_were_when_yielded(self):
        chunks, _ = self.it.stream("same")
        self.assertEqual(chunks, [{"i": i} for i in range(200)])

    def test_long_items_and_nulls_keep_their_place(self):
        want = [v for i in range(100) for v in (i, "x" * (70_000 if i % 7 == 3 else 500), None)]
        for tag in ("mixed", "amixed"):
            chunks, answer = self.it.stream(tag, {"n": 100})
            self.assertTrue(chunks == want and answer.kind == RESULT, (tag, len(chunks), answer))
        chunks, answer = self.it.stream("late_nan")
        self.assertEqual(chunks, [None, {"a": None}])
        self.assertError(answer, "EXECUTION_ERROR")

    def test_a_line_comes_between_the_items_it_was_printed_between(self):
        for tag in ("telling", "atelling"):
            number, seen = self.it.start(tag, {"n": 300}), []
            while not seen or seen[-1] != "end":
                frame = self.it.receive()
                if frame.kind == LOG:
                    seen.append(Line(frame).text)
                else:
                    seen.append(frame.value if frame.kind == CHUNK else "end")
            self.assertEqual(seen, [v for i in range(300) for v in ("before %d" % i, i)] + ["end"], tag)

    def test_a_generator_stays_on_one_thread(self):
        chunks, _ = self.it.stream("threads")
        self.assertEqual(len(set(chunks)), 1)

    def drain(self, number, until):
        """Count the chunks up to an answer, or until so many; return (count, answer)."""
        count = 0
        while count < until:
            frame = self.it.next()
            if frame.kind != CHUNK:
                return count, frame
            count += 1
        return count, None

    def test_credit_bounds_what_is_on_the_way(self):
        for tag in ("forever", "aforever"):
            number = self.it.start(tag, items=5)
            self.assertEqual(self.drain(number, 5), (5, None))
            # While it waits others are served, and it sends nothing.
            self.assertEqual(self.it.call("echo", {"x": 1}).value, 1)
            self.it.ping()
            self.it.credit(number, 3, 0)
            self.assertEqual(self.drain(number, 3), (3, None))
            self.it.ping()
            self.it.cancel(number)
            self.assertError(self.it.answer(number), "CANCELED")
        seen = self.it.call("seen").value
        self.assertEqual([one[0] for one in seen], ["closed", "aclosed"])
        self.assertTrue(all(one[1] == 7 and one[2] for one in seen), seen)

    def test_credit_counts_bytes_too(self):
        for tag in ("forever", "aforever"):
            number = self.it.start(tag, size=2500)
            self.assertEqual(self.drain(number, 3), (3, None))  # the third overdraws
            self.it.ping()
            self.it.credit(number, 0, 600)
            self.assertEqual(self.drain(number, 1), (1, None))
            self.it.cancel(number)
            self.assertError(self.it.answer(number), "CANCELED")

    def test_many_streams_without_credit_do_not_stop_others(self):
        numbers = [self.it.start("forever", items=1) for _ in range(20)]
        for _ in numbers:
            self.assertEqual(self.it.next().kind, CHUNK)
        self.assertEqual(self.it.call("echo", {"x": 1}).value, 1)
        for number in numbers:
            self.it.cancel(number)
        self.assertTrue(all(a.kind == ERROR for a in self.it.answers(numbers).values()))

    def test_a_stuck_generator_is_stopped(self):
        for tag in ("stuck", "astuck"):
            number = self.it.start(tag)
            self.assertEqual(self.it.next().value, 1)
            self.it.cancel(number, 2)
            self.assertError(self.it.answer(number), "TIMEOUT_ERROR")
        self.assertEqual(self.it.call("echo", {"x": 1}).value, 1)

    def test_cancel_in_the_midst_of_a_flood(self):
        for tag in ("forever", "aforever"):
            number = self.it.start(tag, items=1_000_000)
            self.drain(number, 50)
            self.it.cancel(number)
            began = time.monotonic()
            self.assertError(self.it.answer(number), "CANCELED")
            self.assertLess(time.monotonic() - began, 2)
            self.assertEqual(self.it.call("echo", {"x": 1}).value, 1)


if __name__ == "__main__":
    unittest.main()
