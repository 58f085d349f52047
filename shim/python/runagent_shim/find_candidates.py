"""Finds what a folder's files have that could be called, without running them.

Run as a script: one JSON object on stdin, one on stdout.

in:  {"dir"}
out: {"candidates": [{"file", "name", "line", "kind", "framework", "methods",
      "stream", "async", "generator", "annotated", "params", "required"}],
      "unread": [{"file", "line", "message"}]}

``kind`` is object, a value made by a framework; entrypoint, a function that a
decorator names as such; or function. ``methods`` are what an object is called
by, the first being the plain one, none meaning the object itself; ``stream``
is the one that streams. ``params`` of a function are the names of its
parameters, ``required`` those without a default.
This file imports nothing of its package, so that any interpreter can run it.
"""

import ast
import json
import os
import sys
import warnings

MAX_FILES = 500
MAX_BYTES = 1 << 20
SKIPPED = {"node_modules", "__pycache__", "site-packages", "tests", "test", "build", "dist", "docs"}

# What makes an agent: the last part of the callee's name → for each package
# that may hold it (framework, plain method, streaming method). "" is the object.
_GRAPH = ("langgraph", "invoke", "stream")
MAKERS = {
    "create_react_agent": {"langgraph": _GRAPH},
    "create_agent": {"langchain": ("langchain", "invoke", "stream")},
    "create_deep_agent": {"deepagents": _GRAPH},
    "create_supervisor": {},
    "AgentExecutor": {"langchain": ("langchain", "invoke", "stream")},
    "Crew": {"crewai": ("crewai", "kickoff", "")},
    "Agent": {
        "agno": ("agno", "run", ""),
        "pydantic_ai": ("pydantic-ai", "run", ""),
        "agents": ("openai-agents", "", ""),
        "google.adk": ("google-adk", "", ""),
        "strands": ("strands", "", ""),
    },
    "LlmAgent": {"google.adk": ("google-adk", "", "")},
    "SequentialAgent": {"google.adk": ("google-adk", "", "")},
    "Team": {"agno": ("agno", "run", "")},
    "CodeAgent": {"smolagents": ("smolagents", "run", "")},
    "ToolCallingAgent": {"smolagents": ("smolagents", "run", "")},
    "FunctionAgent": {"llama_index": ("llamaindex", "run", "")},
    "ReActAgent": {"llama_index": ("llamaindex", "run", "")},
    "AgentWorkflow": {"llama_index": ("llamaindex", "run", "")},
    "as_query_engine": {"llama_index": ("llamaindex", "query", "")},
    "as_chat_engine": {"llama_index": ("llamaindex", "chat", "stream_chat")},
    "AssistantAgent": {"autogen_agentchat": ("autogen", "run", "run_stream")},
    "RoundRobinGroupChat": {"autogen_agentchat": ("autogen", "run", "run_stream")},
    "SelectorGroupChat": {"autogen_agentchat": ("autogen", "run", "run_stream")},
}
GRAPHS = {"StateGraph", "MessageGraph", "Graph", "create_supervisor", "create_swarm"}


def main(source=None, sink=None):
    """Answer the request on stdin."""
    json.dump(find(json.load(source or sys.stdin)["dir"]), sink or sys.stdout)


def find(folder):
    """Return the candidates of all Python files of a folder."""
    out = {"candidates": [], "unread": []}
    for name in _files(os.path.realpath(folder)):
        path = os.path.join(folder, *name.split("/"))
        try:
            with open(path, "rb") as file, warnings.catch_warnings():
                warnings.simplefilter("ignore")
                tree = ast.parse(file.read(MAX_BYTES), name)
        except SyntaxError as error:
            out["unread"].append({"file": name, "line": error.lineno or 1, "message": error.msg})
        except (OSError, ValueError, RecursionError, MemoryError) as error:
            out["unread"].append({"file": name, "line": 1, "message": str(error)})
        else:
            out["candidates"] += _Module(name, tree).candidates()
    return out


def _files(folder):
    found = []
    for base, folders, names in os.walk(folder):
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith(".")
            and name not in SKIPPED
            and not os.path.exists(os.path.join(base, name, "pyvenv.cfg"))
        )
        for name in sorted(names):
            if name.endswith(".py") and not name.startswith(("test_", "conftest", "setup.")):
                found.append(os.path.relpath(os.path.join(base, name), folder).replace(os.sep, "/"))
        if len(found) >= MAX_FILES:
            break
    return sorted(found[:MAX_FILES], key=lambda name: (name.count("/"), name))


class _Module:
    """One file: what its names were imported as, and what its top level makes."""

    def __init__(self, name, tree):
        self._name = name
        self._tree = tree
        self._origin = {}  # local name → dotted name it was imported as
        self._values = {}  # top-level name → the expression it was given last
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    first = alias.name.partition(".")[0]
                    self._origin[alias.asname or first] = alias.name if alias.asname else first
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                for alias in node.names:
                    self._origin[alias.asname or alias.name] = node.module + "." + alias.name

    def candidates(self):
        found = {}
        for node in self._statements(self._tree.body):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                found[node.name] = self._function(node)
            for target in self._targets(node):
                self._values[target] = node.value
                found[target] = self._object(target, node)
        return [candidate for candidate in found.values() if candidate]

    def _statements(self, body):
        for node in body:
            if isinstance(node, (ast.If, ast.Try, ast.With)):
                if isinstance(node, ast.If) and _main_guard(node.test):
                    continue
                yield from self._statements(node.body)
            else:
                yield node

    @staticmethod
    def _targets(node):
        if isinstance(node, ast.Assign):
            targets = node.targets
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            targets = [node.target]
        else:
            return []
        return [target.id for target in targets if isinstance(target, ast.Name)]

    def _object(self, name, node):
        made = self._made(node.value, 0)
        if name.startswith("_") or made is None:
            return None
        framework, plain, stream = made
        return {
            "file": self._name, "name": name, "line": node.lineno, "kind": "object", "framework": framework,
            "methods": [plain] if plain else [], "stream": stream,
            "async": False, "generator": False, "annotated": False, "params": [], "required": [],
        }

    def _made(self, value, depth):
        """Return what an expression makes, as (framework, method, stream), or None."""
        if depth > 20:
            return None
        if isinstance(value, ast.Await):
            return None
        if isinstance(value, ast.Name):
            return self._made(self._values.get(value.id), depth + 1)
        if isinstance(value, ast.BinOp) and isinstance(value.op, ast.BitOr):
            return self._chain(value)
        if not isinstance(value, ast.Call):
            return None
        callee = value.func
        if isinstance(callee, ast.Attribute) and callee.attr == "compile":
            return _GRAPH if self._graph(callee.value, depth) else None
        if isinstance(callee, ast.Attribute) and callee.attr.startswith("with_"):
            return self._made(callee.value, depth + 1)  # graph.with_config(…)
        return self._maker(callee)

    def _maker(self, callee):
        dotted = self._dotted(callee)
        last = dotted.rpartition(".")[2] if dotted else getattr(callee, "attr", "")
        for package, made in MAKERS.get(last, {}).items():
            if dotted == package or dotted.startswith(package + "."):
                return made
            if last.startswith("as_") and self._imports(package):  # a method of what can't be seen
                return made
        return None

    def _graph(self, value, depth):
        """Say whether an expression is a graph that is not compiled yet."""
        while isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute) and depth < 50:
            if value.func.attr in GRAPHS:
                return True
            value, depth = value.func.value, depth + 1  # StateGraph(…).add_node(…)
        if isinstance(value, ast.Call):
            return self._dotted(value.func).rpartition(".")[2] in GRAPHS
        if isinstance(value, ast.Name) and value.id in self._values and depth < 50:
            return self._graph(self._values[value.id], depth + 1)
        return False

    def _chain(self, value):
        """A chain of LangChain's is made by |, and so is much else."""
        while isinstance(value, ast.BinOp):
            value = value.left
        source = self._values.get(getattr(value, "id", ""), value)
        root = source.func if isinstance(source, ast.Call) else source
        while isinstance(root, ast.Attribute):
            root = root.value
        dotted = self._origin.get(getattr(root, "id", ""), "")
        return ("langchain", "invoke", "stream") if dotted.startswith("langchain") else None

    def _function(self, node):
        kind = "function"
        for decorator in node.decorator_list:
            if not self._entrypoint_decorator(decorator):
                return None  # a tool, a route, a task of some framework
            kind = "entrypoint"
        if node.name.startswith(("_", "test_")):
            return None
        args = node.args
        named = getattr(args, "posonlyargs", []) + args.args
        required = named[: len(named) - len(args.defaults)]
        required = required + [arg for arg, value in zip(args.kwonlyargs, args.kw_defaults) if value is None]
        every = named + args.kwonlyargs
        return {
            "file": self._name, "name": node.name, "line": node.lineno, "kind": kind,
            "framework": "agentcore" if kind == "entrypoint" else "default", "methods": [], "stream": "",
            "async": isinstance(node, ast.AsyncFunctionDef), "generator": _yields(node),
            "annotated": node.returns is not None and all(arg.annotation for arg in every),
            "params": [arg.arg for arg in every], "required": [arg.arg for arg in required],
        }

    def _entrypoint_decorator(self, decorator):
        """Say whether a decorator is AgentCore's @app.entrypoint."""
        if not (isinstance(decorator, ast.Attribute) and decorator.attr == "entrypoint"):
            return False
        value = self._values.get(getattr(decorator.value, "id", ""))
        return isinstance(value, ast.Call) and "BedrockAgentCoreApp" in self._dotted(value.func)

    def _dotted(self, node):
        """Return the dotted name that an expression was imported as, or ""."""
        steps = []
        while isinstance(node, ast.Attribute):
            steps.append(node.attr)
            node = node.value
        origin = self._origin.get(getattr(node, "id", ""), "")
        return ".".join([origin] + steps[::-1]) if origin else ""

    def _imports(self, package):
        return any(name == package or name.startswith(package + ".") for name in self._origin.values())


def _main_guard(test):
    return isinstance(test, ast.Compare) and getattr(test.left, "id", None) == "__name__"


def _yields(function):
    """Say whether a function's own body yields, not one nested in it."""
    stack = list(function.body)
    while stack:
        node = stack.pop()
        if isinstance(node, (ast.Yield, ast.YieldFrom)):
            return True
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)):
            continue
        stack.extend(ast.iter_child_nodes(node))
    return False


if __name__ == "__main__":
    main()
