"""Batch entrypoints: single calls that arrive together become one list.

Everything here happens on the event loop, except a plain function itself,
which runs on the pool.
"""

from contextvars import Context
from time import perf_counter_ns

from . import children
from .answers import TooLarge
from .bind import BindError
from .calls import CURRENT
from .encode import EncodeError, encode
from .workers import execute


class BatchError(Exception):
    """A batch function returned what can't be split."""


class Group:
    """Calls that are executed as one list."""

    def __init__(self, members, whole):
        self.members = members  # [(call, item)]
        self.whole = whole  # the call brought a list of its own
        self.worker = self.task = None


class Batcher:
    """Gathers the calls of one entrypoint."""

    def __init__(self, entry, is_async, rules, parts):
        """rules is ADMIT's batch object; parts has codec, answers, loop, pool and writer."""
        self._entry, self._fn = entry, entry.fn
        self._async = is_async
        self._max_size = max(1, rules.get("max_size") or 8)
        wait = rules.get("max_wait_ms")
        self._max_wait = (10 if wait is None else wait) / 1000
        self._isolate = bool(rules.get("isolate"))
        self._parts = parts
        self._waiting = []
        self._timer = None

    def submit(self, call):
        """Take a call. Safe for all threads."""
        self._parts.loop.hand(self._add, call)

    def cancel(self, call):
        """Drop the call from its list; what only it waits for is stopped. Safe for all threads."""
        self._parts.loop.soon(self._cancel, call)

    def _add(self, call):
        if call.cancel:
            self._parts.answers.canceled(call)
            self._parts.loop.flush_soon()
            return
        try:
            args, kwargs = call.inputs(self._parts.codec.loads)
            if not kwargs and args and len(args) == 1 and isinstance(args[0], list):
                self._start(Group([(call, self._entry.binder.bind(args, kwargs))], True))
                return
            item = self._entry.binder.bind_item(args, kwargs)
        except BindError as error:
            self._parts.answers.unbound(call, error)
            self._parts.loop.flush_soon()
            return
        except Exception as error:
            self._parts.answers.raised(call, error)
            self._parts.loop.flush_soon()
            return
        self._waiting.append((call, item))
        if len(self._waiting) >= self._max_size:
            self._go()
        elif self._timer is None:
            self._timer = self._parts.loop.started().call_later(self._max_wait, self._go)

    def _go(self):
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        members, self._waiting = self._waiting, []
        if members:
            self._start(Group(members, False))

    def _cancel(self, call):
        group = call.task
        if group is None:
            self._waiting = [m for m in self._waiting if m[0] is not call]
        self._parts.answers.canceled(call)
        self._parts.loop.flush_soon()
        if group is not None and _abandoned(group):
            if group.worker is not None:
                group.worker.strike(group)
            if group.task is not None:
                group.task.cancel()

    def _start(self, group):
        for call, _ in group.members:
            call.task = group
        if self._async:
            group.task = self._parts.loop.started().create_task(self._serve_on_loop(group))
        else:
            self._parts.pool.submit(lambda worker: self._serve(group, worker))

    def _serve(self, group, worker):
        """Execute the list on a thread."""
        group.worker = worker
        self._begin(group)
        try:
            outcome = execute(worker, group, Context().run, self._call, group)
        except BaseException as error:
            if self._again(group, error):
                for one in group.members:
                    if not worker.struck:
                        self._serve(Group([one], False), worker)
                        continue
                    self._parts.answers.raised(one[0], error)
                return
            self._fail(group, error)
        else:
            if hasattr(outcome, "__await__"):
                self._parts.loop.hand(self._await, group, outcome)
                return
            self._answer(outcome)
        self._parts.writer.flush()

    def _await(self, group, awaitable):
        group.task = self._parts.loop.started().create_task(self._serve_on_loop(group, awaitable))

    async def _serve_on_loop(self, group, awaitable=None):
        stalls = self._parts.loop.stalls()
        stalls.begin()
        try:
            await self._serve_async(group, awaitable)
        finally:
            stalls.end()

    async def _serve_async(self, group, awaitable=None):
        """Execute the list on the loop; awaitable is what the function returned already."""
        if awaitable is None and _abandoned(group):
            return
        self._begin(group)
        _attribute(group)
        try:
            if awaitable is None:
                args, kwargs = self._arguments(group)
                awaitable = self._fn(*args, **kwargs)
            if hasattr(awaitable, "__await__"):
                awaitable = await awaitable
            outcome = self._split(group, awaitable)
        except BaseException as error:
            if children.forked:
                children.leave()
            if self._again(group, error):
                for one in group.members:
                    await self._serve_async(Group([one], False))
                return
            self._fail(group, error)
        else:
            self._answer(outcome)
        self._parts.loop.flush_soon()

    def _begin(self, group):
        now = perf_counter_ns()
        for call, _ in group.members:
            call.began, call.task = now, group

    def _again(self, group, error):
        return self._isolate and len(group.members) > 1 and not isinstance(error, BatchError)

    def _call(self, group):
        if _abandoned(group):
            return []
        _attribute(group)
        args, kwargs = self._arguments(group)
        returned = self._fn(*args, **kwargs)
        return returned if hasattr(returned, "__await__") else self._split(group, returned)

    def _arguments(self, group):
        if group.whole:
            return group.members[0][1]
        return ([item for _, item in group.members],), {}

    def _split(self, group, returned):
        """Return [(call, JSON or exception)]."""
        if group.whole:
            return [(group.members[0][0], self._encoded(returned))]
        if isinstance(returned, (str, bytes, dict)) or not hasattr(returned, "__iter__"):
            raise BatchError("a batch function returns a list, not a value of type %s" % type(returned).__name__)
        returned, members = list(returned), group.members
        if len(returned) != len(members):
            raise BatchError("the batch function returned %d results for %d inputs" % (len(returned), len(members)))
        return [(call, self._encoded(value)) for (call, _), value in zip(members, returned)]

    def _encoded(self, value):
        if isinstance(value, BaseException):
            return value
        try:
            body = encode(value, self._parts.codec)
            self._parts.answers.check(body)
            return body
        except (EncodeError, TooLarge) as error:
            return error

    def _answer(self, outcome):
        for call, value in outcome:
            if isinstance(value, bytes):
                self._parts.answers.result(call, value)
            else:
                self._raised(call, value)

    def _fail(self, group, error):
        for call, _ in group.members:
            self._raised(call, error)

    def _raised(self, call, error):
        if isinstance(error, (EncodeError, TooLarge, BatchError)):
            self._parts.answers.failed(call, type(error).__name__, str(error))
        else:
            self._parts.answers.raised(call, error)


def _abandoned(group):
    return all(call.done for call, _ in group.members)


def _attribute(group):
    """Let what is printed belong to the call, where it is the only one."""
    CURRENT.set(group.members[0][0] if len(group.members) == 1 else None)
