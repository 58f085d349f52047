"""Frames, cut and joined, over a real socket pair."""

import socket
import struct
import sys
import threading
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from runagent_shim import wire
from harness import HEAD, MOST, encode


def received(data, cuts=(), step=None):
    """Return what wire.frames yields of data, sent in pieces that end at cuts or are step long."""
    ours, theirs = socket.socketpair()
    ends = sorted(set(cuts) | set(range(step, len(data), step) if step else ()) | {len(data)})

    def send():
        at = 0
        for end in ends:
            try:
                theirs.sendall(data[at:end])
            except OSError:
                return
            at = end
        theirs.close()

    sender = threading.Thread(target=send)
    sender.start()
    try:
        return [(kind, call, bytes(payload)) for kind, call, payload in wire.frames(ours, lambda: None)]
    finally:
        ours.close()
        sender.join()


class TestFrames(unittest.TestCase):
    def test_whatever_the_pieces_payloads_come_whole(self):
        texts = [b"", b"short", b"x" * MOST, b"0123456789" * (MOST // 10) + b"more than one frame", b"y" * (3 * MOST + 1), b"end"]
        data = b"".join(encode(wire.CALL, i + 1, text) for i, text in enumerate(texts))
        want = [(wire.CALL, i + 1, text) for i, text in enumerate(texts)]
        for step in (None, 1000, 65537, 300001):
            self.assertEqual(received(data, step=step), want, step)
        for cut in (1, 11, 12, 13, 12 + 17, 12 + 29, 2 * MOST, 2 * MOST + 100):
            self.assertEqual(received(data, cuts=[cut]), want, cut)

    def test_frames_of_others_stand_between_parts(self):
        parts = encode(wire.CALL, 1, b"x" * (2 * MOST))
        first = parts[: 12 + MOST]
        between = encode(wire.PING, 0, b"ping") + encode(wire.CALL, 2, b"z" * MOST)
        got = received(first + between + parts[len(first) :])
        self.assertEqual([(kind, call, len(payload)) for kind, call, payload in got], [(wire.PING, 0, 4), (wire.CALL, 2, MOST), (wire.CALL, 1, 2 * MOST)])

    def test_parts_that_do_not_fit_are_refused(self):
        def part(flags, payload):
            return HEAD.pack(len(payload), wire.CALL, flags, 0, 1) + payload

        whole = struct.pack(">I", 6)
        for name, data in {
            "more than announced": part(1, whole + b"abc") + part(2, b"defg"),
            "less than announced": part(1, whole + b"abc") + part(2, b"de"),
            "no first part": part(3, b"abc"),
            "only a last part": part(2, b"abc"),
            "far too long": part(1, struct.pack(">I", 1 << 31) + b"abc"),
            "a frame too long": HEAD.pack(MOST + 1, wire.CALL, 0, 0, 1),
        }.items():
            with self.subTest(name), self.assertRaises(wire.ProtocolError):
                received(data)

    def test_the_end_inside_a_long_payload_is_the_end(self):
        data = encode(wire.CALL, 1, b"x" * (3 * MOST))
        for cut in (MOST // 2, MOST + 5, len(data) - 1):
            self.assertEqual(received(data[:cut]), [], cut)


class TestWriter(unittest.TestCase):
    def setUp(self):
        self.ours, self.theirs = socket.socketpair()
        self.addCleanup(self.ours.close)
        self.addCleanup(self.theirs.close)

    def sent(self, put):
        """Return (kind, call, length) of the frames that put(writer) sends, and the payloads they make."""
        writer, heads = wire.Writer(self.ours), []

        def send():
            put(writer)
            writer.flush()
            self.ours.shutdown(socket.SHUT_WR)

        sender = threading.Thread(target=send)
        sender.start()
        data = b""
        while True:
            piece = self.theirs.recv(1 << 20)
            if not piece:
                break
            data += piece
        sender.join()
        at = 0
        while at < len(data):
            size, kind, _, _, call = HEAD.unpack_from(data, at)
            heads.append((kind, call, size))
            at += 12 + size
        return heads, received(data)

    def test_long_payloads_arrive_as_they_were(self):
        for size in (0, 1, 65536, 65537, MOST - 12, MOST - 11, MOST, MOST + 1, 4 * MOST, 4 * MOST + 7):
            body = bytes(range(256)) * (size // 256) + b"z" * (size % 256)
            with self.subTest(size):
                self.setUp()
                _, got = self.sent(lambda writer: (writer.frame(wire.CHUNK, 1, body), writer.last(wire.RESULT, 1, b"h" * 12, body)))
                self.assertEqual(got, [(wire.CHUNK, 1, body), (wire.RESULT, 1, b"h" * 12 + body)])

    def test_short_frames_pass_a_long_result_but_no_chunk(self):
        def put(writer):
            writer.last(wire.RESULT, 1, b"h" * 12, b"x" * (3 * MOST))
            writer.last(wire.RESULT, 2, b"h" * 12, b"short")
            writer.frame(wire.CHUNK, 3, b"c" * (2 * MOST))
            writer.last(wire.RESULT, 3, b"h" * 12, b"")

        heads, got = self.sent(put)
        order = [call for _, call, _ in heads]
        self.assertLess(order.index(2), order.index(1), order)
        of_three = [kind for kind, call, _ in heads if call == 3]
        self.assertEqual(of_three, [wire.CHUNK] * 3 + [wire.RESULT], "a stream's frames keep their order")
        self.assertEqual({call: len(payload) for kind, call, payload in got if kind == wire.RESULT}, {1: 12 + 3 * MOST, 2: 17, 3: 12})


if __name__ == "__main__":
    unittest.main()
