"""Signals: handlers that user code sets from any thread are set on the main one."""

import _signal
import signal
import threading

_WAIT = 5.0


def delegate(soon):
    """Let signal.signal work on all threads; soon(f) has f called on the main one."""
    original = signal.signal

    def delegated(signalnum, handler):
        if threading.current_thread() is threading.main_thread():
            return original(signalnum, handler)
        done, outcome = threading.Event(), []

        def on_main():
            try:
                outcome.append((original(signalnum, handler), None))
            except Exception as error:
                outcome.append((None, error))
            done.set()

        soon(on_main)
        if not done.wait(_WAIT):
            raise ValueError("signal: the main thread is busy")
        previous, error = outcome[0]
        if error is not None:
            raise error
        return previous

    signal.signal = delegated


def ignore_interrupts():
    """Leave Ctrl-C in a terminal to the server. User code may set a handler of its own."""
    # A function rather than SIG_IGN, which programs that we start would inherit.
    _signal.signal(_signal.SIGINT, _nothing)


def reset():
    """Undo what imports have set, in a process that has just been forked."""
    # The C module: signal's enums would cost each child a good deal of memory.
    _signal.set_wakeup_fd(-1)
    for number in range(1, _signal.NSIG):
        if callable(_signal.getsignal(number)):
            _signal.signal(number, _signal.SIG_DFL)
    _signal.pthread_sigmask(_signal.SIG_SETMASK, ())


def _nothing(*_):
    pass
