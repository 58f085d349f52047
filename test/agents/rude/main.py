"""Does what a polite guest does not; every call still answers."""

import multiprocessing
import os
import signal
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor


def square(number):
    """Run in a child process."""
    return number * number


def fine(message: str = "alive") -> dict:
    """Answer, and say which process did, and where."""
    return {"message": message, "pid": os.getpid(), "cwd": os.getcwd()}


def fork(x: int = 0) -> dict:
    """Fork; the child exits as a child should."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, b"hello from the child")
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        said = pipe.read()
    return {"said": said, "status": os.waitpid(child, 0)[1]}


def fork_and_return(x: int = 0) -> dict:
    """Fork and let both return: only the parent's answer may reach the caller."""
    parent = os.getpid()
    child = os.fork()
    if child:
        os.waitpid(child, 0)
    return {"in_parent": os.getpid() == parent}


def pool(method: str = "fork", upto: int = 4) -> list:
    """Use multiprocessing by fork or spawn."""
    with multiprocessing.get_context(method).Pool(2) as workers:
        return workers.map(square, range(upto))


def process_executor(upto: int = 4) -> list:
    """Use a ProcessPoolExecutor with the platform's own start method."""
    with ProcessPoolExecutor(max_workers=2) as workers:
        return list(workers.map(square, range(upto)))


def child(seconds: int = 1_000_000, own_session: bool = False) -> dict:
    """Leave a process behind: it must end with the instance."""
    left = subprocess.Popen(["sleep", str(seconds)], start_new_session=own_session)
    return {"pid": left.pid, "instance": os.getpid()}


def shell(command: str = "echo hello; exit 3") -> dict:
    """Run a command and collect its output."""
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True)
    return {"out": done.stdout, "code": done.returncode}


def close_standard(x: int = 0) -> dict:
    """Close descriptors 0 to 2, then print all the same."""
    for descriptor in (0, 1, 2):
        try:
            os.close(descriptor)
        except OSError:
            pass
    print("into the void")
    return {"closed": True}


def close_all(x: int = 0) -> dict:
    """Close every descriptor, as a daemon would: this ends the instance."""
    os.closerange(3, 1024)
    return {"closed": True}


def stdin(x: int = 0) -> dict:
    """Read standard input, which is empty."""
    return {"read": sys.stdin.read()}


def ask(x: int = 0) -> dict:
    """Call input(): EOFError, never a wait."""
    try:
        return {"read": input("name? ")}
    except EOFError:
        return {"read": None}


def chdir(to: str = "/") -> dict:
    """Change the working directory of the whole process."""
    os.chdir(to)
    return {"cwd": os.getcwd()}


def signals(x: int = 0) -> dict:
    """Set signal handlers; from a thread Python refuses, which is reported."""
    try:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
            signal.signal(number, signal.SIG_IGN)
    except ValueError as error:
        return {"set": False, "error": str(error)}
    return {"set": True}


def setsid(x: int = 0) -> dict:
    """Leave the session and the process group."""
    try:
        os.setsid()
    except OSError as error:
        return {"moved": False, "error": error.strerror}
    return {"moved": os.getsid(0) == os.getpid()}


def write(text: str = "x") -> dict:
    """Write into the agent's own folder, at each call."""
    here = os.path.dirname(os.path.abspath(__file__))
    with open(os.path.join(here, "notes.txt"), "a") as notes:
        notes.write(text + "\n")
    with open("relative.json", "w") as out:
        out.write("{}")
    with open(os.path.join(here, "notes.txt")) as notes:
        return {"lines": len(notes.readlines())}


def environ(x: int = 0) -> dict:
    """Empty the environment of the whole process."""
    os.environ.clear()
    return {"left": len(os.environ)}


def stdout(x: int = 0) -> dict:
    """Replace and close Python's own standard streams."""
    sys.stdout.close()
    sys.stdout = None
    return {"closed": True}


def recursion(limit: int = 50) -> dict:
    """Lower the recursion limit for everybody."""
    try:
        sys.setrecursionlimit(limit)
    except RecursionError as error:
        return {"limit": sys.getrecursionlimit(), "error": str(error)}
    return {"limit": sys.getrecursionlimit()}
