"""malloc's heap, before forks share it."""

import ctypes

_SIZES = [1 << bits for bits in range(16, 9, -1)] + list(range(512 - 16, 0, -16))
# The fields of glibc's struct mallinfo2; keepcost is what is free at the heap's end.
_FIELDS = ("arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost")


class _Info(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in _FIELDS]


def fill_gaps():
    """Take for ever what is free between malloc's blocks, where malloc is glibc's.

    What a fork allocates lies side by side at the heap's end then. Gaps here and
    there cost it the pages around them, 300 KiB by the time it is ready.
    """
    try:
        libc = ctypes.CDLL(None)
        malloc, free, info, sbrk = libc.malloc, libc.free, libc.mallinfo2, libc.sbrk
    except (AttributeError, OSError):
        return
    malloc.argtypes, malloc.restype = (ctypes.c_size_t,), ctypes.c_void_p
    free.argtypes, free.restype = (ctypes.c_void_p,), None
    info.argtypes, info.restype = (), _Info
    sbrk.argtypes, sbrk.restype = (ctypes.c_ssize_t,), ctypes.c_void_p
    end = sbrk(0) - info().keepcost
    for size in _SIZES:
        block = malloc(size)
        while block and block < end:
            block = malloc(size)
        free(block)
