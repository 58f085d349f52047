"""Looks at an agent's files without running them.

Run as a script: one JSON object on stdin, one on stdout.

in:  {"dir", "entrypoints": [{"file", "module", "tag", "type"}], "imports": bool}
out: {"entrypoints": [{"tag", "file", "ok", "problem"?, "message"?, "line"?,
      "column"?, "names", "nearest"?, "kind"?, "async", "generator"}],
      "imports": [names], "python": "3.11.7"}

``problem`` is one of missing_file, unreadable, syntax, missing_name,
missing_method. ``kind`` is function, class, variable, import or unknown.
This file imports nothing of its package, so that any interpreter can run it.
"""

import ast
import json
import os
import sys
import warnings

MAX_FILES = 2000


class Problem(Exception):
    """A file or name that is not as the manifest says."""

    def __init__(self, kind, message, line=None, column=None):
        super().__init__(message)
        self.fields = {"problem": kind, "message": message}
        if line:
            self.fields.update(line=line, column=column or 1)


def main(source=None, sink=None):
    """Answer the request on stdin."""
    request = json.load(source or sys.stdin)
    json.dump(inspect_agent(request), sink or sys.stdout)


def inspect_agent(request):
    """Return what the files say about the request's entrypoints."""
    folder = os.path.realpath(request["dir"])
    parsed = {}
    entrypoints = request.get("entrypoints") or []
    out = {
        "entrypoints": [_entrypoint(folder, entry, parsed) for entry in entrypoints],
        "imports": [],
        "python": "%d.%d.%d" % sys.version_info[:3],
    }
    if request.get("imports"):
        files = [os.path.join(folder, entry["file"]) for entry in entrypoints if entry.get("file")]
        out["imports"] = outside_imports(folder, files)
    return out


def _entrypoint(folder, entry, parsed):
    out = {"tag": entry.get("tag", ""), "file": entry.get("file", ""), "names": []}
    out.update({"ok": True, "async": False, "generator": False})
    try:
        path = os.path.join(folder, out["file"])
        if path not in parsed:
            parsed[path] = _Names(parse(path, out["file"]))
        names = parsed[path]
        out["names"] = sorted(names.found)
        out.update(names.look_up(entry.get("module") or "", out["file"]))
    except Problem as problem:
        out["ok"] = False
        out.update(problem.fields)
        if problem.fields["problem"] == "missing_name":
            first = (entry.get("module") or "").partition(".")[0]
            out["nearest"] = _nearest(first, out["names"])
    return out


def _nearest(name, names):
    import difflib  # takes longer to load than a small file to parse

    near = difflib.get_close_matches(name, names, 1)
    return near[0] if near else ""


def parse(path, name):
    """Return the syntax tree of a file, raising Problem."""
    try:
        with open(path, "rb") as file:
            source = file.read()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        raise Problem("missing_file", "file %s does not exist" % name) from None
    except OSError as error:
        raise Problem("unreadable", "can't read %s: %s" % (name, error.strerror)) from None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(source, name)
    except SyntaxError as error:
        raise Problem("syntax", error.msg, error.lineno, error.offset) from None
    except (ValueError, RecursionError, MemoryError) as error:  # null bytes; endless nesting
        raise Problem("syntax", str(error) or type(error).__name__, 1, 1) from None


class _Names:
    """The names that a module's top level binds."""

    def __init__(self, tree):
        self.found = {}  # name → the node that binds it last
        self.open = False  # a star import or an exec may bind more
        self._statements(tree.body)

    def look_up(self, dotted, file):
        """Return what a dotted path leads to, raising Problem."""
        steps = dotted.split(".")
        node = self.found.get(steps[0])
        if node is None:
            if self.open:
                return {"kind": "unknown"}
            raise Problem("missing_name", "%s has no %r at its top level" % (file, steps[0]))
        if isinstance(node, ast.ClassDef) and len(steps) > 1:
            return self._method(node, steps, file)
        if len(steps) > 1:
            return {"kind": "unknown", "line": node.lineno}
        return _describe(node)

    def _method(self, cls, steps, file):
        seen = set()
        for _ in range(20):
            body = _Names(ast.Module(body=cls.body, type_ignores=[]))
            seen.update(name for name in body.found if not name.startswith("__"))
            if steps[1] in body.found:
                return _describe(body.found[steps[1]]) if len(steps) == 2 else {"kind": "unknown"}
            bases = [self.found.get(getattr(base, "id", None)) for base in cls.bases]
            if cls.keywords or cls.decorator_list or body.open or _sets_attribute(cls, steps[1]):
                return {"kind": "unknown"}
            if not bases:
                break
            if len(bases) > 1 or not isinstance(bases[0], ast.ClassDef) or bases[0] is cls:
                return {"kind": "unknown"}
            cls = bases[0]
        near = _nearest(steps[1], sorted(seen))
        hint = "; did you mean %s?" % near if near else ""
        message = "class %s in %s has no method %r%s" % (steps[0], file, steps[1], hint)
        raise Problem("missing_method", message, cls.lineno, cls.col_offset + 1)

    def _statements(self, body):
        for node in body:
            self._statement(node)

    def _statement(self, node):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            self.found[node.name] = node
        elif isinstance(node, ast.Assign):
            for target in node.targets:
                self._target(target, node)
        elif isinstance(node, (ast.AnnAssign, ast.AugAssign)):
            if getattr(node, "value", None) is not None:
                self._target(node.target, node)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                self.found[alias.asname or alias.name.partition(".")[0]] = node
        elif isinstance(node, ast.ImportFrom):
            self._import_from(node)
        elif isinstance(node, ast.Delete):
            for target in node.targets:
                self.found.pop(getattr(target, "id", None), None)
        else:
            self._nested(node)

    def _import_from(self, node):
        for alias in node.names:
            if alias.name == "*":
                self.open = True
            else:
                self.found[alias.asname or alias.name] = node

    def _nested(self, node):
        """Look into if, try, with, for, while and match: any branch may bind."""
        if isinstance(node, (ast.For, ast.AsyncFor)):
            self._target(node.target, node)
        if isinstance(node, (ast.With, ast.AsyncWith)):
            for item in node.items:
                if item.optional_vars is not None:
                    self._target(item.optional_vars, node)
        for field in ("test", "value", "iter", "subject"):
            self._expression(getattr(node, field, None), node)
        for field in ("body", "orelse", "finalbody"):
            inner = getattr(node, field, None)
            if isinstance(inner, list):
                self._statements(inner)
        for part in list(getattr(node, "handlers", ())) + list(getattr(node, "cases", ())):
            self._statements(part.body)

    def _expression(self, expression, node):
        for child in ast.walk(expression) if isinstance(expression, ast.AST) else ():
            if isinstance(child, ast.NamedExpr):
                self._target(child.target, node)
            elif isinstance(child, ast.Call) and _binds_names(child.func):
                self.open = True

    def _target(self, target, node):
        if isinstance(target, ast.Name):
            self.found[target.id] = node
        elif isinstance(target, ast.Starred):
            self._target(target.value, node)
        elif isinstance(target, (ast.Tuple, ast.List)):
            for item in target.elts:
                self._target(item, node)
        elif isinstance(target, ast.Subscript) and isinstance(target.value, ast.Call):
            self.open = self.open or _binds_names(target.value.func)  # globals()["x"] = …


def _binds_names(func):
    """Say whether calling this may bind names that can't be seen."""
    if isinstance(func, ast.Attribute):  # globals().update(…)
        value = func.value
        return isinstance(value, ast.Call) and getattr(value.func, "id", "") in ("globals", "vars")
    return getattr(func, "id", "") in ("exec", "globals", "vars", "setattr")


def _sets_attribute(cls, name):
    """Say whether any method assigns self.<name>, or the class answers for any name."""
    for node in ast.walk(cls):
        if isinstance(node, ast.Attribute) and node.attr == name and isinstance(node.ctx, ast.Store):
            return True
        if isinstance(node, ast.FunctionDef) and node.name in ("__getattr__", "__getattribute__"):
            return True
    return False


def _describe(node):
    out = {"line": node.lineno, "column": node.col_offset + 1}
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        out["kind"] = "function"
        plain = not node.decorator_list  # a decorator may change both
        out["async"] = plain and isinstance(node, ast.AsyncFunctionDef)
        out["generator"] = plain and _yields(node)
    elif isinstance(node, ast.ClassDef):
        out["kind"] = "class"
    elif isinstance(node, (ast.Import, ast.ImportFrom)):
        out["kind"] = "import"
    else:
        out["kind"] = "variable"
    return out


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


def outside_imports(folder, files):
    """Return the sorted names that files, and what they import, import from outside.

    Names stand with their parents: ``a.b`` comes with ``a``. A name imported
    from a package may be a module or not, so only modules that are named as
    such are listed.
    """
    search = _Imports(folder)
    for path in files:
        search.add(path)
    return search.run()


class _Imports:
    def __init__(self, folder):
        self._folder = folder
        self._queue = []
        self._seen = set()
        self._outside = set()

    def add(self, path):
        path = os.path.realpath(path)
        if path not in self._seen and len(self._seen) < MAX_FILES:
            self._seen.add(path)
            self._queue.append(path)

    def run(self):
        while self._queue:
            path = self._queue.pop()
            try:
                tree = parse(path, path)
            except Problem:  # reported where the file is an entrypoint's
                continue
            for node in _imports(tree):
                self._import(node, path)
        return sorted(self._outside)

    def _import(self, node, path):
        if isinstance(node, ast.Import):
            for alias in node.names:
                self._module(alias.name, path)
        elif node.level:
            self._relative(node, path)
        else:
            self._module(node.module, path)
            for alias in node.names:  # from package import module
                self._inside(node.module.split(".") + [alias.name], path)

    def _relative(self, node, path):
        base = os.path.dirname(path)
        for _ in range(node.level - 1):
            base = os.path.dirname(base)
        steps = node.module.split(".") if node.module else []
        self._walk_down(base, steps)
        for alias in node.names:
            self._walk_down(base, steps + [alias.name])

    def _module(self, dotted, path):
        steps = dotted.split(".")
        if self._inside(steps, path):
            return
        for count in range(1, len(steps) + 1):
            self._outside.add(".".join(steps[:count]))

    def _inside(self, steps, path):
        """Follow a module into the folder; say whether its first part is there.

        An agent's file may also import its neighbours by their bare names.
        """
        return self._walk_down(self._folder, steps) or (
            os.path.dirname(path).startswith(self._folder)
            and self._walk_down(os.path.dirname(path), steps)
        )

    def _walk_down(self, base, steps):
        found = False
        for step in steps:
            base = os.path.join(base, step)
            if os.path.isfile(base + ".py"):
                self.add(base + ".py")
                return True
            if not os.path.isdir(base):
                return found
            init = os.path.join(base, "__init__.py")
            if os.path.isfile(init):
                self.add(init)
            elif not found and not _has_python(base):
                return False  # a folder of data that has a module's name
            found = True
        return found


def _has_python(folder):
    try:
        return any(
            name.endswith(".py") or os.path.isdir(os.path.join(folder, name))
            for name in os.listdir(folder)
        )
    except OSError:
        return False


def _imports(tree):
    """Yield the import statements of a module, in functions too, not those for type checkers."""
    stack = [tree]
    while stack:
        node = stack.pop()
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            yield node
        elif isinstance(node, ast.If) and _type_checking(node.test):
            stack.extend(node.orelse)
        elif isinstance(node, ast.If) and _main_guard(node.test):
            stack.extend(node.orelse)
        else:
            stack.extend(ast.iter_child_nodes(node))


def _type_checking(test):
    return getattr(test, "id", getattr(test, "attr", None)) == "TYPE_CHECKING"


def _main_guard(test):
    return isinstance(test, ast.Compare) and getattr(test.left, "id", None) == "__name__"


if __name__ == "__main__":
    main()
