"""Lets synchronous facades of asynchronous frameworks run on the instance's loop.

`run_sync` and its kin run a loop of the calling thread's. Their clients and
locks belong to the loop that used them first, so the second thread of an
instance that calls them fails, as in any server with threads. On the one loop
of the instance all of them work, beside the coroutines it serves anyway.
"""

import contextvars
import functools
import threading

_POLL_SECONDS = 0.05  # a thread that waits in C hears of no cancel
_soon = _loop = None


def use(soon, loop):
    """Run coroutines by soon(f, *args), which calls f on the main thread from any thread.

    loop returns the loop there, made if need be.
    """
    global _soon, _loop
    _soon, _loop = soon, loop


def bridged(original, later):
    """Return original, a plain function, made to run later(*args, **kwargs), a coroutine function.

    Where it is called on a loop's thread, at import or in a callback, it stays
    what it was.
    """

    @functools.wraps(original)
    def run(*args, **kwargs):
        if _soon is None or threading.current_thread() is threading.main_thread() or _is_running():
            return original(*args, **kwargs)
        return wait_for(later, *args, **kwargs)

    return run


def wait_for(later, *args, **kwargs):
    """Run a coroutine function on the loop, in the caller's context, and wait for it.

    A cancel of the waiting thread cancels the coroutine.
    """
    done = threading.Lock()
    done.acquire()
    ended = []  # the task, once it is done

    def start():
        task = _loop().create_task(later(*args, **kwargs))
        begun.append(task)
        task.add_done_callback(end)

    def end(task):
        ended.append(task)
        done.release()

    begun = []
    context = contextvars.copy_context()
    try:
        _soon(context.run, start)
        while not done.acquire(True, _POLL_SECONDS):
            pass
    except BaseException:
        _soon(lambda: begun and begun[0].cancel())
        raise
    return ended[0].result()


def _is_running():
    import asyncio  # not before an adapter asks: agents of plain functions do without

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
