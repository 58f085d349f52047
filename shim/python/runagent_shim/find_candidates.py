"""Finds what a folder's files have that could be called, without running them.

Run as a script: one JSON object on stdin, one on stdout.

in:  {"dir"}
out: {"candidates": [{"file", "name", "line", "kind", "framework", "streams",
      "part", "async", "generator", "annotated", "params", "required"}],
      "unread": [{"file", "line", "message"}]}

``kind`` is object, a value made by a framework; entrypoint, a function that a
decorator names as such; or function. ``framework`` is spelled as manifests
do; an object that ``streams`` can be the module of a streaming entrypoint,
too, and is a ``part`` if another is made of it. ``params`` of a function are the names of its parameters, ``required``
those without a default.
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
# that may hold it, the framework as manifests name it.
_ADK = {"google.adk": "adk"}
_AUTOGEN = {"autogen_agentchat": "autogen", "autogen": "ag2"}
_LLAMAINDEX = {"llama_index": "llamaindex"}
MAKERS = {
    "create_react_agent": {"langgraph": "langgraph"},
    "create_agent": {"langchain": "langchain"},
    "create_deep_agent": {"deepagents": "langgraph"},
    "AgentExecutor": {"langchain": "langchain", "langchain_classic": "langchain"},
    "Crew": {"crewai": "crewai"},
    "Agent": {
        "agno": "agno", "pydantic_ai": "pydantic_ai", "agents": "openai_agents", "ag2": "ag2", "strands": "custom", **_ADK,
    },
    "LlmAgent": _ADK,
    "SequentialAgent": _ADK,
    "ParallelAgent": _ADK,
    "LoopAgent": _ADK,
    "Team": {"agno": "agno"},
    "Workflow": {"agno": "agno"},
    "CodeAgent": {"smolagents": "smolagents"},
    "ToolCallingAgent": {"smolagents": "smolagents"},
    "FunctionAgent": _LLAMAINDEX,
    "ReActAgent": _LLAMAINDEX,
    "CodeActAgent": _LLAMAINDEX,
    "AgentWorkflow": _LLAMAINDEX,
    "as_query_engine": _LLAMAINDEX,
    "as_chat_engine": _LLAMAINDEX,
    "AssistantAgent": _AUTOGEN,
    "ConversableAgent": {"autogen": "ag2"},
    "RoundRobinGroupChat": _AUTOGEN,
    "SelectorGroupChat": _AUTOGEN,
    "Swarm": _AUTOGEN,
}  # fmt: skip
GRAPHS = {"StateGraph", "MessageGraph", "Graph", "create_supervisor", "create_swarm"}
# Classes of the author's own whose instances run: their bases.
BASES = {"Flow": {"crewai": "crewai"}, "Workflow": {**_LLAMAINDEX, "workflows": "llamaindex"}}
# Of these only the object itself is known to be callable.
PLAIN = {"custom"}


def main(source=None, sink=None):
    """Answer the request on stdin."""
    json.dump(find(json.load(source or sys.stdin)["dir"]), sink or sys.stdout)


def find(folder):
    """Return the candidates of all Python files of a folder."""
    out = {"candidates": [], "unread": []}
    for at, name in enumerate(_files(os.path.realpath(folder))):
        if at == MAX_FILES:
            out["unread"].append({"file": name, "line": 1, "message": "there are more than %d files before it" % MAX_FILES})
            break
        path = os.path.join(folder, *name.split("/"))
        try:
            with open(path, "rb") as file, warnings.catch_warnings():
                warnings.simplefilter("ignore")
                source = file.read(MAX_BYTES + 1)
                if len(source) > MAX_BYTES:
                    raise ValueError("it has more than %d bytes" % MAX_BYTES)
                tree = ast.parse(source, name)
        except SyntaxError as error:
            out["unread"].append({"file": name, "line": error.lineno or 1, "message": error.msg})
        except (OSError, ValueError, RecursionError, MemoryError) as error:
            out["unread"].append({"file": name, "line": 1, "message": str(error) or "its expressions are nested too deeply"})
        else:
            out["candidates"] += _Module(name, tree).candidates()
    return out


def _files(folder):
    """Yield the Python files of a folder, those that lie deep in it last."""
    level = [""]
    while level:
        deeper = []
        for base in level:
            try:
                entries = sorted(os.scandir(os.path.join(folder, base)), key=lambda entry: entry.name)
            except OSError:
                continue
            for entry in entries:
                if _is_package(entry):
                    deeper.append(base + entry.name + "/")
                elif _is_source(entry):
                    yield base + entry.name
        level = deeper


def _is_package(entry):
    if entry.name.startswith(".") or entry.name in SKIPPED or not entry.is_dir(follow_symlinks=False):
        return False
    return not os.path.exists(os.path.join(entry.path, "pyvenv.cfg"))


def _is_source(entry):
    if not entry.name.endswith(".py") or entry.name.startswith(("test_", "conftest", "setup.")):
        return False
    return entry.is_file()  # no pipe, which nobody may write to, and no link that leads nowhere


class _Module:
    """One file: what its names were imported as, and what its top level makes."""

    def __init__(self, name, tree):
        self._name = name
        self._tree = tree
        self._origin = {}  # local name → dotted name it was imported as
        self._values = {}  # top-level name → the expression it was given last
        self._classes = {}  # top-level class → the framework whose instances run
        self._functions = {}  # top-level function → its definition
        self._makes = {}  # top-level function → the framework of what it returns, or None
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
        for node, sure in self._statements(self._tree.body, True):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                self._functions[node.name] = node
                found[node.name] = self._function(node)
            if isinstance(node, ast.ClassDef):
                self._class(node, found)
            for target in self._targets(node):
                candidate = self._object(target, node)
                if candidate or sure or not found.get(target):  # not: … except ImportError: graph = None
                    self._values[target] = node.value
                    found[target] = candidate
        for name, candidate in found.items():
            if candidate and name in self._values:
                inside = {one.id for one in ast.walk(self._values[name]) if isinstance(one, ast.Name)}
                for part in inside - {name}:
                    if found.get(part):
                        found[part]["part"] = True
        return [candidate for candidate in found.values() if candidate]

    def _statements(self, body, sure):
        """Yield the statements of a file, and whether they run in any case."""
        for node in body:
            if isinstance(node, ast.With):
                yield from self._statements(node.body, sure)
            elif isinstance(node, (ast.If, ast.Try)):
                if not (isinstance(node, ast.If) and _main_guard(node.test)):
                    yield from self._statements(node.body, False)
                for handler in getattr(node, "handlers", []):
                    yield from self._statements(handler.body, False)
                yield from self._statements(node.orelse, False)
                yield from self._statements(getattr(node, "finalbody", []), sure)
            else:
                yield node, sure

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
        framework = self._made(node.value, 0)
        if name.startswith("_") or framework is None:
            return None
        return self._candidate(name, node.lineno, framework)

    def _candidate(self, name, line, framework):
        return {
            "file": self._name, "name": name, "line": line, "kind": "object", "framework": framework,
            "streams": framework not in PLAIN, "part": False,
            "async": False, "generator": False, "annotated": False, "params": [], "required": [],
        }  # fmt: skip

    def _class(self, node, found):
        """Remember a class whose instances run, and find the crew of a @CrewBase."""
        for base in node.bases:
            base = base.value if isinstance(base, ast.Subscript) else base  # Flow[State]
            framework = self._home(self._dotted(base), BASES)
            if framework:
                self._classes[node.name] = framework
        if any(self._dotted(one).startswith("crewai.") for one in node.decorator_list):
            for method in node.body:
                decorators = getattr(method, "decorator_list", [])
                if any(self._dotted(one).rpartition(".")[2] == "crew" for one in decorators):
                    name = node.name + "." + method.name
                    found[name] = self._candidate(name, method.lineno, "crewai")

    def _made(self, value, depth):
        """Return the framework of what an expression makes, or None."""
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
        if isinstance(callee, ast.Subscript):
            callee = callee.value  # Agent[Context](…)
        if isinstance(callee, ast.Name) and callee.id in self._classes:
            return self._classes[callee.id]
        if isinstance(callee, ast.Name) and callee.id in self._functions:
            return self._returned(callee.id, depth)
        if isinstance(callee, ast.Attribute) and callee.attr == "compile":
            return "langgraph" if self._graph(callee.value, depth) else None
        if isinstance(callee, ast.Attribute) and callee.attr.startswith("with_"):
            return self._made(callee.value, depth + 1)  # graph.with_config(…)
        return self._maker(callee)

    def _returned(self, name, depth):
        """Return the framework of what a function of the file makes and returns, or None."""
        if name not in self._makes:
            self._makes[name] = None  # for one that calls itself
            nodes = list(_own_nodes(self._functions[name]))
            outer, self._values = self._values, dict(self._values)
            for node in nodes:
                self._values.update((target, node.value) for target in self._targets(node))
            made = [self._made(node.value, depth + 1) for node in nodes if isinstance(node, ast.Return)]
            self._values = outer
            self._makes[name] = next(filter(None, made), None)
        return self._makes[name]

    def _maker(self, callee):
        dotted = self._dotted(callee)
        framework = self._home(dotted, MAKERS)
        if framework or not isinstance(callee, ast.Attribute) or not callee.attr.startswith("as_"):
            return framework
        for package, framework in MAKERS.get(callee.attr, {}).items():
            if self._imports(package):  # a method of what can't be seen
                return framework
        return None

    @staticmethod
    def _home(dotted, makers):
        """Return the framework of a dotted name by the package that it is of, or None."""
        for package, framework in makers.get(dotted.rpartition(".")[2], {}).items():
            if dotted.startswith(package + "."):
                return framework
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
        return "langchain" if dotted.startswith("langchain") else None

    def _function(self, node):
        kind = "function"
        if any(self._dotted(getattr(one, "func", one)) == "langgraph.func.entrypoint" for one in node.decorator_list):
            return None if node.name.startswith("_") else self._candidate(node.name, node.lineno, "langgraph")
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
            "framework": "default", "streams": False, "part": False,
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
    return any(isinstance(node, (ast.Yield, ast.YieldFrom)) for node in _own_nodes(function))


def _own_nodes(function):
    """Yield the nodes of a function's own body in their order, and none of one nested in it."""
    stack = function.body[::-1]
    while stack:
        node = stack.pop()
        yield node
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)):
            stack.extend(reversed(list(ast.iter_child_nodes(node))))


if __name__ == "__main__":
    main()
