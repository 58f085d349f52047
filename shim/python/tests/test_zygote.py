"""Forking instances from a warm process."""

import os
import unittest

from harness import HELLO, READY, Case


class ZygoteTest(Case):
    def test_forks_instances_that_serve(self):
        zygote = self.zygote(["decimal", "json"])
        self.assertEqual(zygote.ready["op"], "ready")
        self.assertEqual(zygote.ready["imported"], 2)
        folder = self.folder(main="import os\ndef pid(): return os.getpid()")
        first, second = zygote.fork("one"), zygote.fork("two")
        for connection, token in ((first, "one"), (second, "two")):
            ready = connection.admit(folder, ["pid"])
            self.assertEqual(ready.kind, READY, ready)
            self.assertEqual(connection.hello["token"], token)
            self.assertEqual(connection.call("pid").value, connection.pid)
        self.assertNotEqual(first.pid, second.pid)


if __name__ == "__main__":
    unittest.main()
