"""Where the calls of an entrypoint run that is slow now and then."""

import unittest
from unittest import mock

from runagent_shim.calls import Entry

MS = 1_000_000


class EntryTest(unittest.TestCase):
    def setUp(self):
        self.entry = Entry("main", "agent.py", "main", "generic", print, None)
        self.entry.inline = True

    def test_every_tenth_slow_call_keeps_the_others_off_the_reading_thread(self):
        self.entry.mark_slow()
        for at in range(500):
            self.assertFalse(self.entry.inline, "after %d calls" % at)
            self.entry.took(200 * MS if at % 10 == 0 else MS // 10, MS // 10)

    def test_fast_calls_return_to_it(self):
        self.entry.mark_slow()
        for _ in range(100):
            self.entry.took(200 * MS, MS // 10)
        self.assertEqual(self.back_after(), 512)

    def back_after(self):
        """Return after how many fast calls the reading thread serves them again."""
        for count in range(1000):
            if self.entry.inline:
                return count
            self.entry.took(MS // 10, MS // 10)
        self.fail("not after 1000 fast calls")

    def test_what_waits_in_waves_stays_between_them(self):
        self.entry.mark_slow()
        for _ in range(10):
            for _ in range(16):
                self.entry.took(200 * MS, MS // 10)
            for at in range(16 * 9):
                self.entry.took(MS // 10, MS // 10)
                self.assertFalse(self.entry.inline, "after %d calls" % at)

    def test_calls_that_end_at_once_count_each_other_out(self):
        took = self.entry.took

        class Ending(int):
            """How long a call took that is judged while another one ends."""

            def __lt__(self, other):
                took(MS // 10, MS // 10)
                return int(self) < other

        self.entry.mark_slow()
        for _ in range(7):
            took(MS // 10, MS // 10)
        self.assertFalse(self.entry.inline)
        took(Ending(MS // 10), MS // 10)
        self.assertEqual(self.back_after(), 0)

    def test_a_call_that_ends_while_it_is_marked_does_not_keep_it_away(self):
        class Marked(Entry):
            """Its calls end as soon as some are to be served on the pool."""

            __slots__ = ()

            def __setattr__(self, name, value):
                super().__setattr__(name, value)
                if name == "_slow" and value == 8:
                    for _ in range(8):
                        self.took(MS // 10, MS // 10)

        entry = Marked("main", "agent.py", "main", "generic", print, None)
        entry.inline = True
        entry.mark_slow()
        self.assertTrue(entry.inline)

    def test_who_holds_the_reading_thread_up_again_stays_away_for_longer(self):
        with mock.patch("runagent_shim.calls.perf_counter_ns") as clock:
            clock.return_value = 0
            spans = []
            for _ in range(9):
                self.entry.mark_slow()
                spans.append(self.back_after())
                clock.return_value += 1000 * MS
            self.assertEqual(spans, [8, 16, 32, 64, 128, 256, 512, 512, 512])
            clock.return_value += 10_000 * MS
            self.entry.mark_slow()
            self.assertEqual(self.back_after(), 8)


if __name__ == "__main__":
    unittest.main()
