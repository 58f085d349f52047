"""Serving calls on threads: the reading thread's or the pool's."""

from contextvars import Context
from time import perf_counter_ns, thread_time_ns

from .adapters import items
from .answers import TooLarge
from .bind import BindError
from .calls import CURRENT
from .encode import EncodeError, encode
from .workers import Canceled, execute

_PLAIN = frozenset((dict, list, str, int, float, bool, type(None)))


class Threads:
    """Runs plain functions."""

    def __init__(self, codec, writer, answers, pool, on_loop, streams):
        """on_loop(call, awaitable) finishes a call whose function returned an awaitable."""
        self._codec = codec
        self._loads, self._dumps = codec.loads, codec.dumps
        self._writer = writer
        self._answers = answers
        self._limit = answers.limit
        self._pool = pool
        self._on_loop = on_loop
        self._streams = streams

    def submit(self, call):
        """Serve call on the pool."""
        self._pool.submit(lambda worker: self._serve_pooled(call, worker))

    def _serve_pooled(self, call, worker):
        busy = thread_time_ns()
        self.serve(call, worker)
        call.entry.took(perf_counter_ns() - call.began, thread_time_ns() - busy)
        self._writer.flush()

    def serve(self, call, worker):
        """Serve call on the calling thread, and put its answer. Never raises."""
        call.worker = worker
        if not call.began:
            call.began = perf_counter_ns()
        answers = self._answers
        if call.cancel:
            answers.canceled(call)
            return
        run = Context().run
        try:
            value = execute(worker, call, run, self._enter, call)
        except BindError as error:
            answers.unbound(call, error)
        except (EncodeError, TooLarge) as error:
            answers.failed(call, type(error).__name__, str(error))
        except BaseException as error:
            answers.raised(call, error)
        else:
            if type(value) is bytes:
                answers.result(call, value)
            elif worker.struck:
                answers.canceled(call)
            elif hasattr(value, "__await__") or hasattr(value, "__aiter__"):
                self._on_loop(call, value)
            else:
                self._streams.pump(call, worker, run, value)

    def pump(self, call, value):
        """Send the items of an iterator that a coroutine returned, on the pool."""

        def job(worker):
            call.worker = worker
            self._streams.pump(call, worker, Context().run, value)
            self._writer.flush()

        self._pool.submit(job)

    def _enter(self, call):
        """Execute the call. Returns JSON, or what others finish: an awaitable or a stream."""
        if call.cancel:  # by one who came too early to strike
            raise Canceled
        CURRENT.set(call)
        entry = call.entry
        args, kwargs = entry.bind(*call.inputs(self._loads))
        value = entry.fn(*args, **kwargs)
        if entry.streams:
            value = items(value)
        if entry.streams or type(value) not in _PLAIN and (hasattr(value, "__await__") or hasattr(value, "__anext__")):
            return (value,) if type(value) is bytes else value
        try:
            body = self._dumps(value)
        except (TypeError, ValueError, OverflowError, RecursionError):
            body = encode(value, self._codec)
        if len(body) > self._limit:
            self._answers.check(body)
        return body
