"""What a canceled call's threads wait for: connections are cut, and only its own."""

import unittest

from harness import CHUNK, RESULT, Case, functions

# A client of the shape of httpx and httpcore. The other end of each connection
# is kept, to see what it saw.
CODE = """
    import asyncio, contextvars, socket, sys, threading, types

    class Stream:
        def __init__(self, sock): self.sock = sock
        def get_extra_info(self, name): return self.sock

    class HTTP11Connection:
        def __init__(self):
            sock, self.peer = socket.socketpair()
            self._network_stream, self.idle = Stream(sock), True
        def is_idle(self): return self.idle
        def is_closed(self): return False
        def handle_request(self, request):
            self.idle = False
            read = self._network_stream.sock.recv(1)
            if not read: raise OSError("the connection was lost")
            return read
        def end(self): self.idle = True

    http11 = types.ModuleType("httpcore._sync.http11")
    http11.HTTP11Connection = HTTP11Connection
    for name in ("httpx", "httpcore", "httpcore._sync"): sys.modules[name] = types.ModuleType(name)
    sys.modules["httpcore._sync.http11"] = http11

    kept, begun, asked = HTTP11Connection(), threading.Event(), []

    def seen():
        "What the peer of the kept connection saw: nothing, an end or bytes."
        kept.peer.setblocking(False)
        try: return "bytes" if kept.peer.recv(1) else "an end"
        except BlockingIOError: return "nothing"
    def waits():
        begun.set()
        kept.handle_request("a")
    async def waits_on_a_thread():
        def work():
            begun.set()
            try: kept.handle_request("a")
            except OSError: pass
            try: HTTP11Connection().handle_request("b")
            except BaseException as error: asked.append(type(error).__name__)
        await asyncio.get_running_loop().run_in_executor(None, contextvars.copy_context().run, work)
    def leaves_open_stream():
        kept.peer.send(b"x")
        kept.handle_request("a")
        while True: yield 1
    def hands_on_stream():
        kept.peer.send(b"x")
        kept.handle_request("a")
        kept.end()
        while True: yield 1
    def takes_over():
        kept.peer.send(b"x")
        kept.handle_request("a")
    def has_begun(): return begun.wait(10)
    def answers_of_threads():
        return list(asked)
"""


class ConnectionTest(Case):
    def setUp(self):
        self.it = self.serve(CODE, *functions(CODE))

    def begin(self, tag):
        """Start a stream and read the items it has credit for."""
        number = self.it.start(tag, items=3)
        for _ in range(3):
            self.assertEqual(self.it.next().kind, CHUNK)
        return number

    def test_a_thread_that_waits_for_an_answer_is_let_go(self):
        number = self.it.start("waits")
        self.assertTrue(self.it.call("has_begun").value)
        self.it.cancel(number)
        self.assertError(self.it.answer(number), "CANCELED")
        self.assertEqual(self.it.call("seen").value, "an end")

    def test_threads_of_a_canceled_task_are_let_go_and_ask_no_more(self):
        number = self.it.start("waits_on_a_thread")
        self.assertTrue(self.it.call("has_begun").value)
        self.it.cancel(number)
        self.assertError(self.it.answer(number), "CANCELED")
        self.eventually(lambda: self.it.call("answers_of_threads").value == ["Canceled"], "the second question is refused")
        self.assertEqual(self.it.call("seen").value, "an end")

    def test_a_stream_that_is_left_open_is_cut(self):
        number = self.begin("leaves_open_stream")
        self.it.cancel(number)
        self.assertError(self.it.answer(number), "CANCELED")
        self.assertEqual(self.it.call("seen").value, "an end")

    def test_a_connection_without_a_request_is_spared(self):
        number = self.begin("hands_on_stream")
        self.it.cancel(number)
        self.assertError(self.it.answer(number), "CANCELED")
        self.assertEqual(self.it.call("seen").value, "nothing")

    def test_a_connection_that_serves_another_call_is_spared(self):
        number = self.begin("hands_on_stream")
        self.assertEqual(self.it.call("takes_over").kind, RESULT)
        self.it.cancel(number)
        self.assertError(self.it.answer(number), "CANCELED")
        self.assertEqual(self.it.call("seen").value, "nothing")


if __name__ == "__main__":
    unittest.main()
