"""What an adapter is: the questions the shim asks it."""


class Wanted:
    """How an entrypoint is to be served, as far as the manifest says.

    streams: its type or tag says that it streams. kind: its type, "" when it
    is left out.
    """

    __slots__ = ("streams", "kind")

    def __init__(self, streams=False, kind=""):
        self.streams, self.kind = streams, kind


class Adapted:
    """How calls of a framework's object, or of a method of one, are made.

    fn is called for each call: a function, coroutine function, generator
    function or async generator function, which decides where it runs.
    binding makes its arguments of an input; None: as fn's signature says.
    on_loop: fn is a plain function that must be called on the event loop,
    since it returns an awaitable or async iterator made there. chosen: the
    object was named, and the adapter chose fn by what is wanted; else the
    manifest named fn and its type must fit.
    """

    __slots__ = ("fn", "binding", "on_loop", "chosen")

    def __init__(self, fn, binding=None, on_loop=False, chosen=False):
        self.fn, self.binding, self.on_loop, self.chosen = fn, binding, on_loop, chosen


class Binding:
    """Makes arguments of inputs, where a signature does not say how."""

    def bind(self, args, kwargs):
        """Return (args, kwargs) to call fn with, raising validate.Mismatch.

        args is a list or (), kwargs a dict that may be changed and kept.
        """
        raise NotImplementedError

    def input_schema(self):
        """Return the JSON Schema of the input object, or None where any will do."""
        return None

    def output_schema(self):
        """Return the JSON Schema of the result, or None where that is not known."""
        return None


class Adapter:
    """Knows one framework. All answers here are those of one that knows nothing."""

    NAMES = ""  # what `module` may name, in words, such as "a compiled graph or graph.invoke"

    def adapt(self, value, wanted):
        """Return the Adapted of an object, class or bound method that `module` named, or None."""
        return None

    def handler(self, kind):
        """Return f(walk, value, path) that makes plain data of a class's objects, or None."""
        return None

    def items(self, value):
        """Return an iterator or async iterator for what a streaming function returned, or None.

        Its close or aclose ends the framework's run.
        """
        return None

    def check(self, hint):
        """Return f(value, pointer) that makes a parameter's value of JSON, or None."""
        return None

    def schema(self, hint):
        """Return the JSON Schema of what check's function takes, or None."""
        return None

    def watch(self):
        """Put hooks into the framework, once for each process, before its first call.

        Return False to be asked again, where not enough of it is loaded yet.

        They report its models' tokens to `usage.add`, and have its synchronous
        facades run on the instance's loop (bridge.py).
        """
