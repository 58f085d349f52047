"""Where the calls of an entrypoint run that is slow now and then."""

import unittest

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
        for at in range(64):
            self.assertFalse(self.entry.inline, "after %d calls" % at)
            self.entry.took(MS // 10, MS // 10)
        self.assertTrue(self.entry.inline)


if __name__ == "__main__":
    unittest.main()
