"""malloc's heap, before forks share it."""

import ctypes
import subprocess
import sys
import unittest
from pathlib import Path

_PYTHON = str(Path(__file__).resolve().parent.parent)
_TRY = """
import sys
sys.path.insert(0, sys.argv[1])
from runagent_shim import heap
size = 3000  # so long that Python takes it from malloc
blocks = [bytes(size) for _ in range(2000)]
end = max(map(id, blocks))
del blocks[::2]  # a gap beside every block that is left
if sys.argv[2] == "fill":
    heap.fill_gaps()
    heap.fill_gaps()  # with nothing left to take
print(sum(id(block) < end for block in [bytes(size) for _ in range(200)]))
"""


@unittest.skipUnless(hasattr(ctypes.CDLL(None), "mallinfo2"), "malloc is not glibc's of 2.33 or later")
class TestFillGaps(unittest.TestCase):
    def test_what_comes_later_lies_at_the_end(self):
        self.assertEqual(self.in_gaps("leave"), 200)
        self.assertEqual(self.in_gaps("fill"), 0)

    def in_gaps(self, what):
        """Return how many of 200 blocks lie in gaps, in a process of its own: what is filled stays so."""
        return int(subprocess.check_output([sys.executable, "-c", _TRY, _PYTHON, what]))


if __name__ == "__main__":
    unittest.main()
