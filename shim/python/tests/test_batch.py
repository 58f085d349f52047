"""Batch entrypoints: coalescing, and what becomes of each item."""

import time
import unittest

from harness import ERROR, Case


class BatchTest(Case):
    CODE = """
    import asyncio, time
    from typing import Dict, List, TypedDict
    sizes = []
    class Item(TypedDict):
        n: int
    def double(items: List[Item]):
        sizes.append(len(items))
        return [{"n": i["n"] * 2} if i["n"] >= 0 else ValueError("negative") for i in items]
    async def adouble(items):
        sizes.append(len(items))
        await asyncio.sleep(0.001)
        return [{"n": i["n"] * 2} if i["n"] >= 0 else ValueError("negative") for i in items]
    def later(items): return adouble(items)
    def raises(items):
        sizes.append(len(items))
        if any(i["n"] == 3 for i in items): raise KeyError("three")
        return items
    async def araises(items):
        return raises(items)
    def short(items): return items[1:]
    def text(items): return "text"
    def odd(items): return [object() if i["n"] == 1 else i for i in items]
    def slow(items):
        time.sleep(0.2)
        return items
    def loop(items):
        while True: pass
    async def wait(items): await asyncio.sleep(1000)
    def seen():
        out = sizes[:]
        sizes.clear()
        return out
    """
    TAGS = ["double", "adouble", "later", "raises", "araises", "short", "text", "odd", "slow", "loop", "wait"]

    def start_batch(self, **rules):
        rules = dict({"max_size": 4, "max_wait_ms": 100, "isolate": False}, **rules)
        entrypoints = [{"tag": t, "module": t, "type": "batch"} for t in self.TAGS] + ["seen"]
        self.it = self.serve(self.CODE, *entrypoints, batch=rules)
        return self.it

    def together(self, tag, *values):
        """Call tag once per value at the same time; return the answers in order."""
        numbers = [self.it.start(tag, {"n": v}) for v in values]
        found = self.it.answers(numbers)
        return [found[n] for n in numbers]

    def test_calls_that_arrive_together_are_one_list(self):
        self.start_batch()
        for tag in ("double", "adouble", "later"):
            got = [a.value for a in self.together(tag, *range(10))]
            self.assertEqual(got, [{"n": 2 * i} for i in range(10)])
            self.assertEqual(sorted(self.it.call("seen").value), [2, 4, 4], tag)

    def test_a_single_call_waits_no_longer_than_told(self):
        self.start_batch(max_wait_ms=50)
        began = time.monotonic()
        self.assertEqual(self.it.call("double", {"n": 1}).value, {"n": 2})
        self.assertTrue(0.04 < time.monotonic() - began < 2)

    def test_a_list_comes_as_it_is(self):
        self.start_batch()
        items = [{"n": i} for i in range(9)]
        for tag in ("double", "adouble"):
            self.assertEqual(self.it.call(tag, None, [items]).value, [{"n": 2 * i} for i in range(9)])
            self.assertEqual(self.it.call("seen").value, [9])

    def test_one_positional_value_is_an_item(self):
        self.start_batch()
        self.assertEqual(self.it.call("adouble", None, [{"n": 4}]).value, {"n": 8})
        self.assertError(self.it.call("adouble", {"n": 1}, [{"n": 4}]), "VALIDATION_ERROR")

    def test_an_item_that_does_not_bind_is_taken_out(self):
        self.start_batch()
        good, bad = self.together("double", 1, "one")
        self.assertEqual(good.value, {"n": 2})
        self.assertError(bad, "VALIDATION_ERROR")
        self.assertEqual(self.it.call("seen").value, [1])

    def test_an_exception_in_the_list_fails_its_item(self):
        self.start_batch()
        for tag in ("double", "adouble"):
            good, bad = self.together(tag, 1, -1)
            self.assertEqual(good.value, {"n": 2})
            self.assertError(bad, "EXECUTION_ERROR", "negative")
        good, bad = self.together("odd", 2, 1)
        self.assertEqual(good.value, {"n": 2})
        self.assertError(bad, "EXECUTION_ERROR", "object")

    def test_a_raise_fails_all_unless_isolated(self):
        self.start_batch()
        for tag in ("raises", "araises"):
            for answer in self.together(tag, 2, 3, 4):
                self.assertError(answer, "EXECUTION_ERROR", "three")
        self.start_batch(isolate=True)
        for tag in ("raises", "araises"):
            first, second, third = self.together(tag, 2, 3, 4)
            self.assertEqual([first.value, third.value], [{"n": 2}, {"n": 4}])
            self.assertError(second, "EXECUTION_ERROR", "three")
            self.assertEqual(self.it.call("seen").value, [3, 1, 1, 1])

    def test_a_list_of_another_length_fails_all(self):
        for isolate in (False, True):
            self.start_batch(isolate=isolate)
            for answer in self.together("short", 1, 2):
                self.assertError(answer, "EXECUTION_ERROR", "returned 1 results for 2 inputs")
        self.assertError(self.it.call("text", {"n": 1}), "EXECUTION_ERROR", "str")

    def test_a_cancel_drops_one_item(self):
        self.start_batch()
        first, second = self.it.start("double", {"n": 1}), self.it.start("double", {"n": 2})
        self.it.cancel(first)
        found = self.it.answers([first, second])
        self.assertError(found[first], "CANCELED")
        self.assertEqual(found[second].value, {"n": 4})
        self.assertEqual(self.it.call("seen").value, [1])

    def test_a_cancel_while_the_list_is_executed_spares_the_others(self):
        self.start_batch(max_wait_ms=1)
        numbers = [self.it.start("slow", {"n": i}) for i in range(4)]
        self.it.cancel(numbers[0])
        self.assertError(self.it.answer(numbers[0]), "CANCELED")
        rest = self.it.answers(numbers[1:])
        self.assertEqual([rest[n].value["n"] for n in numbers[1:]], [1, 2, 3])

    def test_a_list_without_callers_is_stopped(self):
        self.start_batch(max_wait_ms=1)
        for tag in ("loop", "wait"):
            numbers = [self.it.start(tag, {"n": i}) for i in range(4)]
            for number in numbers:
                self.it.cancel(number)
            self.assertTrue(all(a.kind == ERROR for a in self.it.answers(numbers).values()))
            self.assertEqual(self.it.call("double", {"n": 1}).value, {"n": 2})
        self.it.send(6)
        self.assertEqual(self.it.process.wait(10), 0)


if __name__ == "__main__":
    unittest.main()
