"""What user code prints: whose line it is, how much of it, and what can't break it."""

import subprocess
import time
import unittest

from harness import LOG, READY, Case, Line, functions

STDOUT, STDERR, LOGGING, SHIM = 1, 2, 3, 4


class LogTest(Case):
    CODE = """
    import asyncio, concurrent.futures, logging, os, sys, threading, time, _thread
    pool = concurrent.futures.ThreadPoolExecutor(1)
    print("at import")
    def hello(): print("hello", 1)
    def both():
        print("out"); print("err", file=sys.stderr)
        sys.stdout.write("two\\nlines\\n")
        sys.stdout.write("be"); sys.stdout.write("gun")
        sys.stdout.buffer.write(b"bytes\\n")
        sys.stdout.flush()
    async def ahello(n):
        for i in range(3):
            print(n, i)
            await asyncio.sleep(0.001)
    def logged():
        logging.getLogger("x").warning("careful %d", 7)
        logging.getLogger("x").info("unseen")
        try: 1 / 0
        except ZeroDivisionError: logging.getLogger("x").exception("two lines")
    def configured():
        logging.basicConfig(level=logging.INFO, format="%(name)s|%(message)s", force=True)
        logging.getLogger("y").info("formatted")
        logging.getLogger("y").log(35, "odd level")
    def progress():
        for i in range(5): sys.stderr.write("\\r%d%%" % i)
        sys.stderr.write("\\n")
    def threads():
        class Sub(threading.Thread):
            def run(self): print("subclass")
        done = threading.Event()
        jobs = [threading.Thread(target=print, args=("thread",)), Sub(), threading.Timer(0.001, print, ("timer",))]
        jobs.append(threading.Thread(target=lambda: nested()))
        def nested():
            t = threading.Thread(target=print, args=("nested",)); t.start(); t.join()
        for j in jobs: j.start()
        for j in jobs: j.join()
        pool.submit(print, "executor").result()
        _thread.start_new_thread(lambda: (print("raw"), done.set()), ())
        done.wait()
    async def executors():
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, print, "in executor")
        if hasattr(asyncio, "to_thread"): await asyncio.to_thread(print, "to thread")
    def executor_only(): pool.submit(print, "again").result()
    def outlive():
        started = threading.Event()
        def run():
            started.wait(); time.sleep(0.05); print("late")
        threading.Thread(target=run).start(); started.set()
    def flood(n, size=5):
        for i in range(n): print("x" * size)
    def endless(): sys.stdout.write("y" * 200000)
    def surrogate(): print("\\udc80")
    def close_fds():
        for fd in (0, 1, 2): os.close(fd)
        print("still here")
        return sys.stdin.read() if False else "alive"
    def pieces(): print(sys.stdout.encoding, sys.stdout.isatty(), sys.stdout.fileno(), sys.stdin.read() == ""); sys.stdout.close(); print("open")
    """

    def setUp(self):
        self.it = self.serve(self.CODE, *functions(self.CODE))

    def lines(self, tag, kwargs=None):
        """Call tag and return its lines as (stream, text), and the call's number."""
        self.it.logs.clear()
        number = self.it.start(tag, kwargs)
        answer = self.it.answer(number)
        self.assertEqual(answer.kind, 21, answer)
        return [(line.stream, line.text) for line in self.it.logs if line.call == number], number

    def test_lines_belong_to_their_call_and_come_before_its_answer(self):
        self.assertEqual(self.lines("hello")[0], [(STDOUT, "hello 1")])
        want = [(STDOUT, "out"), (STDERR, "err"), (STDOUT, "two"), (STDOUT, "lines"), (STDOUT, "begunbytes")]
        self.assertEqual(self.lines("both")[0], want)

    def test_lines_without_a_call(self):
        it = self.instance()
        it.admit(self.folder(main=self.CODE), ["hello"])
        line = it.logs[0]
        self.assertEqual((line.call, line.stream, line.text), (0, STDOUT, "at import"))
        self.assertLess(abs(line.micros / 1e6 - time.time()), 30)

    def test_coroutines_at_the_same_time(self):
        numbers = {self.it.start("ahello", {"n": n}): n for n in range(20)}
        self.it.answers(numbers)
        for number, n in numbers.items():
            texts = [line.text for line in self.it.logs if line.call == number]
            self.assertEqual(texts, ["%d %d" % (n, i) for i in range(3)])

    def test_logging_has_levels(self):
        lines, number = self.lines("logged")
        self.assertEqual(lines[0], (LOGGING, "careful 7"))
        self.assertEqual(lines[1], (LOGGING, "two lines"))
        self.assertIn((LOGGING, "ZeroDivisionError: division by zero"), lines)
        levels = [line.level for line in self.it.logs if line.call == number]
        self.assertEqual((levels[0], set(levels[1:])), (30, {40}))

    def test_the_users_logging_configuration_holds(self):
        lines, _ = self.lines("configured")
        self.assertEqual(lines, [(LOGGING, "y|formatted"), (LOGGING, "y|odd level")])
        self.assertEqual([line.level for line in self.it.logs], [20, 30])

    def test_a_progress_bar_is_one_line(self):
        self.assertEqual(self.lines("progress")[0], [(STDERR, "4%")])

    def test_threads_and_executors(self):
        for _ in range(2):
            texts = sorted(text for _, text in self.lines("threads")[0])
            self.assertEqual(texts, ["executor", "nested", "subclass", "thread", "timer"])
            self.assertEqual([line.text for line in self.it.logs if line.call == 0], ["raw"])
        self.assertEqual(self.lines("executor_only")[0], [(STDOUT, "again")])
        texts = [text for _, text in self.lines("executors")[0]]
        self.assertEqual(texts[:1], ["in executor"])
        self.assertIn(texts[1:], (["to thread"], []))

    def test_a_thread_that_outlives_its_call(self):
        self.lines("outlive")
        frame = self.it.receive()
        self.assertEqual(frame.kind, LOG)
        self.assertEqual((Line(frame).text, frame.call), ("late", 0))

    def test_floods_are_bounded_and_counted(self):
        self.lines("flood", {"n": 20000})
        while True:
            kept = sum(line.stream == STDOUT for line in self.it.logs)
            dropped = sum(int(line.text.split()[0]) for line in self.it.logs if line.stream == SHIM)
            if kept + dropped >= 20000:
                break
            self.it.logs.append(Line(self.it.receive()))  # how many were dropped is told later
        self.assertEqual(kept + dropped, 20000)
        self.assertLessEqual(kept, 5000)
        self.assertGreaterEqual(kept, 900)

    def test_long_lines_are_cut(self):
        (_, text), = self.lines("flood", {"n": 1, "size": 100000})[0]
        self.assertLessEqual(len(text.encode()), 16384)
        self.assertTrue(text.endswith("(100000 bytes in all)"), text[-40:])
        (_, text), = self.lines("endless")[0]
        self.assertLessEqual(len(text.encode()), 16384)

    def test_text_that_is_no_unicode(self):
        self.assertEqual(self.lines("surrogate")[0], [(STDOUT, "\\udc80")])

    def test_streams_look_like_files(self):
        self.assertEqual(self.lines("pieces")[0], [(STDOUT, "utf-8 False 1 True"), (STDOUT, "open")])

    def test_closing_descriptors_breaks_nothing(self):
        number = self.it.start("close_fds")
        self.assertEqual(self.it.answer(number).value, "alive")
        self.assertEqual([line.text for line in self.it.logs if line.call == number], ["still here"])
        self.assertEqual(self.lines("hello")[0], [(STDOUT, "hello 1")])


class ChildrenTest(Case):
    CODE = """
    import asyncio, multiprocessing, os, signal, subprocess, sys, threading, time
    def fork_and_return():
        pid = os.fork()
        if pid == 0:
            print("from the child")
            return "never"
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    def fork_and_raise():
        pid = os.fork()
        if pid == 0: raise ValueError("in the child")
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    def fork_and_exit():
        pid = os.fork()
        if pid == 0: sys.exit(7)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    async def afork():
        pid = os.fork()
        if pid == 0: return "never"
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    def fork_stream():
        pid = os.fork()
        yield "child" if pid == 0 else "parent"
        if pid: os.waitpid(pid, 0)
    def square(x): return x * x
    def pooled(method):
        with multiprocessing.get_context(method).Pool(2) as p: return p.map(square, range(4))
    def shell(): return subprocess.run("echo out; echo $PPID; cat", shell=True, capture_output=True, text=True).stdout.split()[0]
    def handlers():
        got = threading.Event()
        before = signal.signal(signal.SIGUSR1, lambda *_: got.set())
        os.kill(os.getpid(), signal.SIGUSR1)
        return [got.wait(5), before == signal.SIG_DFL]
    def bad_handler():
        try: signal.signal(signal.SIGKILL, lambda *_: None)
        except OSError as e: return type(e).__name__
    def exit_by_signal():
        signal.signal(signal.SIGUSR2, lambda *_: sys.exit(4))
        os.kill(os.getpid(), signal.SIGUSR2)
        return "alive"
    def interrupted():
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.05)
        return "alive"
    def orphan():
        out = subprocess.run(["sh", "-c", "sleep 60 >/dev/null 2>&1 & echo $!"], capture_output=True, text=True).stdout
        pid = int(out)
        end = time.time() + 5
        while time.time() < end:
            parent = int(open("/proc/%d/stat" % pid).read().rpartition(")")[2].split()[1])
            if parent == os.getpid(): break
            time.sleep(0.01)
        os.kill(pid, 9)
        return parent == os.getpid()
    def session(): os.setsid() if os.getpid() != os.getsid(0) else None; os.chdir("/"); return "ok"
    def echo(x): return x
    """

    def setUp(self):
        self.it = self.instance(stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.assertEqual(self.it.admit(self.folder(main=self.CODE), functions(self.CODE)).kind, READY)

    def test_a_forked_child_that_comes_back_ends(self):
        for tag, status in (("fork_and_return", 0), ("fork_and_raise", 1), ("fork_and_exit", 7), ("afork", 0)):
            self.assertEqual(self.it.call(tag).value, status, tag)
        self.assertEqual(self.it.stream("fork_stream")[0], ["parent"])
        self.assertEqual(self.it.call("echo", {"x": 1}).value, 1)
        self.it.send(6)
        out, err = self.it.process.communicate(timeout=10)
        self.assertEqual(out, b"from the child\n")
        self.assertIn(b"ValueError: in the child", err)
        self.assertNotIn(b"runagent_shim", err)

    def test_multiprocessing_and_subprocesses(self):
        for method in ("fork", "spawn", "forkserver"):
            self.assertEqual(self.it.call("pooled", {"method": method}).value, [0, 1, 4, 9], method)
        self.assertEqual(self.it.call("shell").value, "out")
        self.assertEqual(self.it.call("echo", {"x": 1}).value, 1)

    def test_signals(self):
        self.assertEqual(self.it.call("handlers").value, [True, True])
        self.assertEqual(self.it.call("bad_handler").value, "OSError")
        self.assertEqual(self.it.call("exit_by_signal").value, "alive")
        self.assertEqual(self.it.call("interrupted").value, "alive")
        self.assertEqual(self.it.call("session").value, "ok")
        self.assertEqual(self.it.call("echo", {"x": 1}).value, 1)

    def test_orphans_stay_in_the_tree(self):
        self.assertEqual(self.it.call("orphan").value, True)


if __name__ == "__main__":
    unittest.main()
