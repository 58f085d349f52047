"""What the shim knows of frameworks: one module for each.

Nothing here imports a framework. An adapter is loaded when its framework is
already in sys.modules; an agent without any pays for a few look-ups.
"""

import importlib
import sys
import traceback
from types import AsyncGeneratorType, FunctionType, GeneratorType

from .adapter import Adapted, Adapter, Wanted  # noqa: F401 - the vocabulary of this package

# The module whose presence says that a framework is loaded, and its adapter.
# In order: the first that knows an object decides.
_HOMES = (
    ("langgraph.pregel", "langgraph"),
    ("langchain_core.messages", "langchain"),
    ("pydantic_ai.agent", "pydantic_ai"),
    ("agents.models.openai_provider", "openai_agents"),
    ("openai.types.chat", "openai"),
    ("workflows.workflow", "llamaindex"),
    ("crewai.crew", "crewai"),
    ("agno.run.agent", "agno"),
    ("autogen_agentchat.base", "autogen"),
    ("google.adk.agents.base_agent", "adk"),
    ("smolagents.agents", "smolagents"),
    ("ag2.agent", "ag2"),
    ("autogen.agentchat.conversable_agent", "ag2_classic"),
    ("letta_client.types.agents", "letta"),
    ("httpx", "httpcore"),
    ("httpx2", "httpcore"),
)

# The oldest version of a package whose objects are known, where there are older ones in use, by the modules they are of.
_SINCE = (
    ("agno", "agno", 2),
    ("crewai", "crewai", 1),
    ("google.adk", "google-adk", 1),
    ("llama_index", "llama-index-core", (0, 13)),
)

_KNOWN = {}  # adapter name -> Adapter
_WATCHED = set()
_TOLD = set()  # what went wrong with adapters: once is enough
_PLAIN = frozenset((GeneratorType, AsyncGeneratorType, list, str, dict, tuple, bytes, type(None)))


def loaded():
    """Return the adapters of the frameworks that are loaded."""
    modules = sys.modules
    return [_KNOWN.get(name) or _load(name) for module, name in _HOMES if module in modules]


def adapt(value, wanted):
    """Return the Adapted of a framework's object, class or bound method, None for all else."""
    if type(value) is FunctionType:
        return None
    for adapter in loaded():
        found = _ask(adapter.adapt, value, wanted)
        if found is not None:
            return found
    return None


def handler(kind):
    """Return the handler (see plain.py) for a framework's class, None for all else."""
    for adapter in loaded():
        found = _ask(adapter.handler, kind)
        if found is not None:
            return found
    return None


def items(value):
    """Return an iterator or async iterator for a framework's stream object, else value itself."""
    if type(value) in _PLAIN:
        return value
    for adapter in loaded():
        found = _ask(adapter.items, value)
        if found is not None:
            return found
    return value


def check(hint):
    """Return the check (see validate.py) of an annotation of a framework's, or None."""
    for adapter in loaded():
        found = _ask(adapter.check, hint)
        if found is not None:
            return found
    return None


def schema(hint):
    """Return the JSON Schema of what check of the same annotation takes, or None."""
    for adapter in loaded():
        found = _ask(adapter.schema, hint)
        if found is not None:
            return found
    return None


def watch():
    """Have the loaded frameworks report the tokens that they use. Once for each is enough."""
    for adapter in loaded():
        if adapter not in _WATCHED and _ask(adapter.watch) is not False:
            _WATCHED.add(adapter)


def names():
    """Return words for what `module` may name beside functions, with what is loaded first."""
    return [words for adapter in loaded() for words in (adapter.NAMES,) if words]


def outdated(value):
    """Return words on the version of the framework that an object is of, "" unless it is older than those known."""
    from importlib import metadata

    of = type(getattr(value, "__self__", value)).__module__ + "."
    for module, package, since in _SINCE:
        if of.startswith(module + "."):
            since = since if isinstance(since, tuple) else (since,)
            try:
                found = metadata.version(package)
                if tuple(map(int, found.split(".")[: len(since)])) >= since:
                    return ""
            except (metadata.PackageNotFoundError, ValueError):
                return ""
            return ". Installed is %s %s; its objects can be named from version %s on" % (package, found, ".".join(map(str, since)))
    return ""


def _load(name):
    try:
        found = importlib.import_module("." + name, __name__).ADAPTER
    except Exception:  # another version of the framework than it knows
        _complain("the adapter %s does not work with the installed version" % name)
        found = Adapter()
    _KNOWN[name] = found
    return found


def _ask(question, *args):
    """An adapter that fails must not take the agent with it."""
    try:
        return question(*args)
    except Exception:
        _complain("the adapter %s failed" % type(question.__self__).__module__.rpartition(".")[2])
        return None


def _complain(what):
    key = what, repr(sys.exc_info()[1])
    if key in _TOLD:
        return
    _TOLD.add(key)
    print("runagent: %s; the agent goes on without it" % what, file=sys.stderr)
    traceback.print_exc(file=sys.stderr)
