"""Start a RunAgent instance or zygote: boot.py instance|zygote --fd N.

The socket is an inherited descriptor; docs/protocol.md says what goes over it.
"""

import sys


def main():
    import os

    here = os.path.dirname(os.path.abspath(__file__))
    # At the end, so that nothing of the agent's is ever shadowed by ours.
    sys.path[:] = [p for p in sys.path if p != here] + [here]
    if len(sys.argv) != 4 or sys.argv[2] != "--fd" or not sys.argv[3].isdigit():
        sys.exit("usage: boot.py instance|zygote --fd N")
    role, fd = sys.argv[1], int(sys.argv[3])
    del sys.argv[1:]
    if role == "zygote":
        from runagent_shim import zygote

        zygote.serve(fd)
    else:
        from runagent_shim import instance

        instance.serve(fd, os.environ.pop("RUNAGENT_TOKEN", ""))


# multiprocessing's spawn and forkserver import this file again under another name.
if __name__ == "__main__":
    main()
