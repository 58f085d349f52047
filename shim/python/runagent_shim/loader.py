"""Importing the agent's modules: from the snapshot, each file once.

A module comes from the snapshot's copy of its file but has the name and path
that it has in the agent's folder, so that tracebacks and __file__ are true.
Compiled files lie beside the copy and are bound to what it holds (PEP 552), not
to its time: times count whole seconds, and two saves fit into one.

A file is one module whichever way it is named. Files of packages have their
dotted name, and other names that lead to the same file give the same object.
"""

import importlib
import importlib.util
import itertools
import linecache
import marshal
import os
import re
import sys
from importlib.machinery import EXTENSION_SUFFIXES, ExtensionFileLoader, FileFinder, ModuleSpec, SourceFileLoader
from types import CodeType, ModuleType

_CHECKED_HASH = (0b11).to_bytes(4, "little")
_RELATIVE_IMPORT = re.compile(rb"^[ \t]*from[ \t]+\.", re.MULTILINE)
# Folders within the agent's folder that hold others' code.
_FOREIGN = {"site-packages", "dist-packages", "node_modules", "__pycache__"}


class Modules:
    """The modules of one agent's folder."""

    def __init__(self, directory, snapshot):
        self.directory = os.path.abspath(directory)
        self._snapshot = os.path.abspath(snapshot) if snapshot else None
        real = os.path.realpath(self.directory)
        self._roots = tuple({self.directory + os.sep, real + os.sep})
        self._names = {}  # file -> the one name it is imported by
        self._package = None  # the name of the folder itself, where it is a package

    def install(self):
        """Make `import` find the agent's modules, before all others."""
        sys.path.insert(0, self.directory)
        sys.path_hooks.insert(0, self._finder)
        for path in [p for p in sys.path_importer_cache if self.owns(p)]:
            del sys.path_importer_cache[path]
        if self._snapshot:
            _show_lines_of(self)

    def load(self, file):
        """Import the agent's file, a path below the folder, and return its module."""
        path = os.path.normpath(os.path.join(self.directory, file))
        folder = os.path.dirname(path)
        name = self._choose_name(path)
        if folder != self.directory and folder not in sys.path:
            # As if the file were executed: it may import its neighbours by name.
            sys.path.insert(1, folder)
        self._names[path] = name
        loaded = sys.modules.get(name)
        if "." not in name and loaded is not None and not self._is(loaded, path):
            name = self._names[path] = name + "_agent"  # a library has taken the name
        if name.rpartition(".")[2] + ".py" == os.path.basename(path) or os.path.basename(path) == "__init__.py":
            return importlib.import_module(name)
        return self._load_as(name, path)

    def check(self, files, before):
        """Raise for one of files that does not compile, and did so as it was in the folder before.

        It may be imported by a call only: too late to keep the code that worked.
        """
        for file in files:
            path = os.path.join(self.directory, file)
            try:
                self._loader("", path).get_code("")
            except (SyntaxError, ValueError):
                if _compiles(os.path.join(before, file)):
                    raise

    def owns(self, path):
        """Say whether path is the agent's own, and not of an environment in its folder."""
        if not isinstance(path, str):
            return False
        path += os.sep
        for root in self._roots:
            if path.startswith(root):
                parts = path[len(root) :].split(os.sep)
                return not any(p in _FOREIGN or p.startswith(".") for p in parts if p)
        return False

    def foreign(self, known=0):
        """Return the names of modules loaded from outside the folder, but for the first known.

        To look at a module costs the memory that it shares with the zygote.
        """
        names = []
        for name in list(itertools.islice(reversed(sys.modules), max(0, len(sys.modules) - known))):
            module = sys.modules.get(name)  # another thread may have taken it out
            spec = getattr(module, "__spec__", None)
            places = getattr(spec, "submodule_search_locations", None) or ()
            file = getattr(module, "__file__", None) or next(iter(places), None)
            if spec is not None and not _is_ours(name) and not (file and self.owns(file)):
                names.append(name)
        return sorted(names)

    def copy_of(self, path):
        """Return where path's content is read from."""
        if self._snapshot:
            for root in self._roots:
                if os.path.join(path, "").startswith(root):
                    return os.path.join(self._snapshot, path[len(root) :])
        return path

    def name_of(self, path):
        """Return the one name that the file at path is imported by, None if any will do."""
        if path in self._names:
            return self._names[path]
        folder, base = os.path.split(path)
        parts = [] if base == "__init__.py" else [os.path.splitext(base)[0]]
        while folder != self.directory and self._has_init(folder):
            folder, base = os.path.split(folder)
            parts.insert(0, base)
        if folder == self.directory and self._package:
            parts.insert(0, self._package)
        elif len(parts) < 2 or folder not in sys.path:
            return None
        return ".".join(parts)

    def _choose_name(self, path):
        name = self.name_of(path)
        if name is not None:
            return name
        stem = os.path.splitext(os.path.relpath(path, self.directory))[0]
        if not self._imports_relatively(path):
            return os.path.basename(stem).replace(".", "_")
        if os.sep in stem:
            return stem.replace(os.sep, ".")
        self._make_package()
        return self.name_of(path)

    def _imports_relatively(self, path):
        with open(self.copy_of(path), "rb") as file:
            return _RELATIVE_IMPORT.search(file.read()) is not None

    def _make_package(self):
        """Treat the folder as a package: a file in it imports its neighbours relatively."""
        name = re.sub(r"\W", "_", os.path.basename(self.directory))
        while name in sys.modules or not name.isidentifier():
            name = "agent_" + name
        self._package = name
        if self._has_init(self.directory):
            self._load_as(name, os.path.join(self.directory, "__init__.py"), [self.directory])
            return
        package = sys.modules[name] = ModuleType(name)
        package.__path__ = [self.directory]
        package.__spec__ = ModuleSpec(name, None, is_package=True)
        package.__spec__.submodule_search_locations = package.__path__

    def _load_as(self, name, path, places=None):
        loader = self._loader(name, path)
        spec = importlib.util.spec_from_file_location(name, path, loader=loader, submodule_search_locations=places)
        module = sys.modules[name] = importlib.util.module_from_spec(spec)
        try:
            spec.loader.exec_module(module)
        except BaseException:
            sys.modules.pop(name, None)
            raise
        return module

    def _is(self, module, path):
        return getattr(module, "__file__", None) == path

    def _has_init(self, folder):
        return os.path.isfile(os.path.join(self.copy_of(folder), "__init__.py"))

    def _loader(self, name, path):
        return _Loader(name, path, self.copy_of(path)) if self._snapshot else SourceFileLoader(name, path)

    def _finder(self, path):
        """The path hook."""
        if not self.owns(path) or not (os.path.isdir(self.copy_of(path)) or os.path.isdir(path)):
            raise ImportError("not the agent's", path=path)
        return _Finder(path, self)


class _Finder(FileFinder):
    """Finds modules in one folder of the agent's."""

    def __init__(self, path, modules):
        compiled = (ExtensionFileLoader, EXTENSION_SUFFIXES)
        super().__init__(path, compiled, (modules._loader, [".py"]))
        self._modules = modules
        copy = modules.copy_of(self.path)
        self._copies = FileFinder(copy, (SourceFileLoader, [".py"])) if copy != self.path else None
        self._copy = copy

    def find_spec(self, fullname, target=None):
        """Find fullname in the snapshot, else among what only the folder itself has."""
        spec = None
        if self._copies is not None:
            spec = self._copied(fullname)
        if spec is None or spec.loader is None:
            spec = super().find_spec(fullname, target) or spec
        if spec is None or spec.loader is None or not spec.has_location:
            return spec
        name = self._modules.name_of(spec.origin)
        if name is None or name == fullname:
            return spec
        return ModuleSpec(fullname, _Alias(name), origin=spec.origin)

    def invalidate_caches(self):
        """Forget what the folders held."""
        super().invalidate_caches()
        if self._copies is not None:
            self._copies.invalidate_caches()

    def _copied(self, fullname):
        found = self._copies.find_spec(fullname)
        if found is None:
            return None
        if found.loader is None:  # a folder without __init__.py
            found.submodule_search_locations = [self._real(p) for p in found.submodule_search_locations]
            return found
        path = self._real(found.origin)
        loader = self._modules._loader(fullname, path)
        places = None if found.submodule_search_locations is None else [os.path.dirname(path)]
        return importlib.util.spec_from_file_location(fullname, path, loader=loader, submodule_search_locations=places)

    def _real(self, path):
        return os.path.join(self.path, os.path.relpath(path, self._copy))


class _Loader(SourceFileLoader):
    """Reads a module's source from its copy, and the code that was compiled of it."""

    def __init__(self, fullname, path, copy):
        super().__init__(fullname, path)
        self._copy = copy

    def get_code(self, fullname):
        """Return the code of the source, from the first instance that has compiled it if there was one.

        To read it touches a third of the memory that compiling does.
        """
        if not os.path.exists(self._copy):
            return super().get_code(fullname)
        source = self.get_data(self.path)
        compiled = importlib.util.cache_from_source(self._copy)
        head = importlib.util.MAGIC_NUMBER + _CHECKED_HASH + importlib.util.source_hash(source)
        code = self._read(compiled, head)
        if code is None:
            code = self.source_to_code(source, self.path)
            _keep(compiled, head + marshal.dumps(code))
        return code

    def _read(self, compiled, head):
        try:
            with open(compiled, "rb") as file:
                data = file.read()
            code = marshal.loads(memoryview(data)[len(head) :]) if data.startswith(head) else None
        except (OSError, EOFError, ValueError, TypeError):
            return None
        return code if isinstance(code, CodeType) and code.co_filename == self.path else None

    def path_stats(self, path):
        """Refuse: without times, nothing compiled is read or written."""
        raise OSError("no compiled files")

    def get_data(self, path):
        """Return the content of path, of the copy if path is the module's file."""
        if path == self.path and os.path.exists(self._copy):
            path = self._copy
        return super().get_data(path)


def _keep(compiled, data):
    """Write a compiled file whole, where the snapshot can be written."""
    part = "%s.%d" % (compiled, os.getpid())
    try:
        os.makedirs(os.path.dirname(compiled), exist_ok=True)
        with open(part, "xb") as file:
            file.write(data)
        os.replace(part, compiled)
    except OSError:
        return  # the next instance compiles it again


class _Alias:
    """Gives another name to a module."""

    def __init__(self, name):
        self._name = name
        self._spec = None

    def create_module(self, spec):
        """Return the module itself."""
        module = importlib.import_module(self._name)
        self._spec = module.__spec__
        return module

    def exec_module(self, module):
        """Execute nothing; undo what the import system has put over the module."""
        module.__spec__ = self._spec


def _compiles(path):
    try:
        with open(path, "rb") as file:
            compile(file.read(), path, "exec", dont_inherit=True)
    except (OSError, SyntaxError, ValueError):
        return False
    return True


def _is_ours(name):
    return name.startswith(("runagent_shim", "runagent_context", "__m"))


def _show_lines_of(modules):
    """Have tracebacks and inspect show the lines of the snapshot."""
    update = linecache.updatecache

    def updatecache(filename, module_globals=None):
        copy = modules.copy_of(filename) if modules.owns(filename) else filename
        if copy == filename or not os.path.isfile(copy):
            return update(filename, module_globals)
        lines = update(copy)
        entry = linecache.cache.pop(copy, None)
        if entry is not None:
            # Without a time the entry is never compared with the file.
            linecache.cache[filename] = (entry[0], None, lines, filename)
        return lines

    linecache.updatecache = updatecache
