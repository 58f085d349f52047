"""User code that holds up the event loop is told of, once, with its line."""

import time
import unittest

from harness import LOG, RESULT, Case, Line

SOURCE = """
import asyncio, threading, time

never = threading.Event()

async def blocks(seconds):
    await asyncio.sleep(0)
    never.wait(seconds)
    return 1

async def other(seconds):
    helper(seconds)

def helper(seconds):
    time.sleep(seconds)

async def waits(seconds):
    await asyncio.sleep(seconds)
    await asyncio.to_thread(time.sleep, seconds)

async def counts(seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass

async def keeps(seconds):
    await asyncio.sleep(0.1)  # as after the answer of a model
    sum(range(int(seconds * 1e8)))

async def many_stream(seconds):
    yield 1
    helper(seconds)
    yield 2

async def batch(items):
    helper(items[0])
    return items

def plain(seconds):
    time.sleep(seconds)
"""
TAGS = ["blocks", "other", "waits", "counts", "keeps", "many_stream", {"tag": "batch", "module": "batch", "type": "batch"}, "plain"]


class StallsTest(Case):
    def setUp(self):
        self.it = self.instance()
        self.it.admit(self.folder(main=SOURCE), TAGS)

    def told(self, tag, seconds):
        """Make a call; return what the instance logged of it as [(text, whether of the call)]."""
        number, lines = self.it.start(tag, None if tag == "batch" else {"seconds": seconds}, [seconds] if tag == "batch" else None), []
        while True:
            frame = self.it.receive()
            if frame.kind == LOG:
                lines.append((Line(frame).text, frame.call == number))
            elif frame.call == number and frame.kind == RESULT:
                return lines

    def told_at_last(self, tag):
        """Make calls until one is told of. A busy system may not let the watch look in time."""
        return next(filter(None, (self.told(tag, 0.3) for _ in range(50))))

    def test_a_place_is_told_of_once(self):
        ((text, of_call),) = self.told_at_last("blocks")
        self.assertIn("main.py:8, in blocks, holds up the event loop for over 100 ms", text)
        self.assertIn("never.wait(seconds)", text)
        self.assertTrue(of_call)
        self.assertEqual(self.told("blocks", 0.3), [])
        # Another place is another line, whichever entrypoint leads there.
        ((text, _),) = self.told_at_last("other")
        self.assertIn("main.py:15, in helper,", text)
        self.assertEqual(self.told("many_stream", 0.3), [])

    def test_streams_batches_and_loops_of_python_count(self):
        for text, _ in self.told_at_last("counts"):  # more than one line, if the loop was seen at more than one place
            self.assertIn("in counts,", text)
        ((text, _),) = self.told_at_last("batch")
        self.assertIn("in helper,", text)

    @unittest.skipUnless(hasattr(time, "pthread_getcpuclockid"), "threads have no clock of their own here")
    def test_a_call_that_keeps_the_interpreter_is_told_of(self):
        ((text, _),) = self.told_at_last("keeps")
        self.assertIn("in keeps, holds up the event loop", text)
        self.assertIn("sum(range", text)
        self.assertIn("run it in another process", text)

    def test_what_waits_as_it_should_is_not_told_of(self):
        for tag in ("waits", "plain"):
            self.assertEqual(self.told(tag, 0.3), [], tag)
        self.assertEqual(self.told("blocks", 0.02), [])


if __name__ == "__main__":
    unittest.main()
