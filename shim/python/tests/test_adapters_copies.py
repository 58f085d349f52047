"""What adapters give calls of their own: copies like those of the standard library, and names."""

import copy
import copyreg
import sys
import unittest
import uuid
from pathlib import Path
from unittest import mock

sys.path[:0] = [str(Path(__file__).resolve().parent.parent)]

from runagent_shim.adapters.copies import new_id, shallow


class Usual:
    def __init__(self):
        self.name, self.steps = "x", []


class Slotted:
    __slots__ = ("name",)

    def __init__(self):
        self.name = "x"


class Both(Slotted):
    def __init__(self):
        super().__init__()
        self.more = []


class Listed(list):
    def __init__(self):
        super().__init__("ab")
        self.name = "x"


class Telling(Usual):
    def __getstate__(self):
        return {"name": "told"}


class Making(Usual):
    def __copy__(self):
        out = Making()
        out.name = "made"
        return out


class TestShallow(unittest.TestCase):
    def test_a_copy_holds_the_same_things(self):
        one = Usual()
        mine = shallow(one)
        self.assertIsNot(mine, one)
        self.assertIs(mine.steps, one.steps)
        mine.name = "y"
        self.assertEqual(one.name, "x")

    def test_a_class_that_has_a_say_is_asked(self):
        for kind in (Usual, Slotted, Both, Listed, Telling, Making):
            mine, theirs = shallow(kind()), copy.copy(kind())
            self.assertIs(type(mine), kind)
            for name in ("name", "more"):
                self.assertEqual(getattr(mine, name, None), getattr(theirs, name, None), kind)
            if kind is Listed:
                self.assertEqual(mine, theirs)

    def test_a_registered_way_is_taken(self):
        class Registered(Usual):
            pass

        with mock.patch.dict(copyreg.dispatch_table, {Registered: lambda one: (Usual, ())}):
            self.assertIs(type(shallow(Registered())), Usual)


class TestNewID(unittest.TestCase):
    def test_it_is_a_random_uuid(self):
        found = {new_id() for _ in range(200)}
        self.assertEqual(len(found), 200)
        for text in found:
            one = uuid.UUID(text)
            self.assertEqual((str(one), one.version, one.variant), (text, 4, uuid.RFC_4122))


if __name__ == "__main__":
    unittest.main()
