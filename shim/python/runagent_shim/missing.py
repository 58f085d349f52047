"""What to require for a module that is missing, or is of another version: packages often have other names."""

import sys

# Modules whose package is not called as they are; the longest name counts.
_PACKAGES = {
    "agents": "openai-agents",
    "attr": "attrs",
    "autogen": "ag2<1",
    "autogen_ext.models.openai": "autogen-ext[openai]",
    "bs4": "beautifulsoup4",
    "bson": "pymongo",
    "Crypto": "pycryptodome",
    "cv2": "opencv-python-headless",
    "dateutil": "python-dateutil",
    "decouple": "python-decouple",
    "discord": "discord.py",
    "distutils": "setuptools",
    "dns": "dnspython",
    "docx": "python-docx",
    "dotenv": "python-dotenv",
    "faiss": "faiss-cpu",
    "ffmpeg": "ffmpeg-python",
    "firecrawl": "firecrawl-py",
    "fitz": "pymupdf",
    "gi": "PyGObject",
    "git": "GitPython",
    "github": "PyGithub",
    "gitlab": "python-gitlab",
    "google.adk": "google-adk",
    "google.api_core": "google-api-core",
    "google.auth": "google-auth",
    "google.genai": "google-genai",
    "google.generativeai": "google-generativeai",
    "google.oauth2": "google-auth",
    "google.protobuf": "protobuf",
    "googleapiclient": "google-api-python-client",
    "googlesearch": "googlesearch-python",
    "gridfs": "pymongo",
    "grpc": "grpcio",
    "haystack": "haystack-ai",
    "jose": "python-jose",
    "jwt": "PyJWT",
    "langgraph_sdk": "langgraph-sdk",
    "ldap": "python-ldap",
    "llama_index": "llama-index",
    "magic": "python-magic",
    "mem0": "mem0ai",
    "mpl_toolkits": "matplotlib",
    "multipart": "python-multipart",
    "MySQLdb": "mysqlclient",
    "nacl": "PyNaCl",
    "newspaper": "newspaper3k",
    "OpenGL": "PyOpenGL",
    "OpenSSL": "pyOpenSSL",
    "opentelemetry.sdk": "opentelemetry-sdk",
    "opentelemetry.trace": "opentelemetry-api",
    "pdfminer": "pdfminer.six",
    "PIL": "pillow",
    "pkg_resources": "setuptools",
    "pptx": "python-pptx",
    "psycopg2": "psycopg2-binary",
    "pysqlite3": "pysqlite3-binary",
    "pythoncom": "pywin32",
    "ruamel.yaml": "ruamel.yaml",
    "serial": "pyserial",
    "serpapi": "google-search-results",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "slack_bolt": "slack-bolt",
    "slugify": "python-slugify",
    "snowflake.connector": "snowflake-connector-python",
    "socks": "PySocks",
    "speech_recognition": "SpeechRecognition",
    "tavily": "tavily-python",
    "telegram": "python-telegram-bot",
    "usb": "pyusb",
    "vertexai": "google-cloud-aiplatform",
    "weaviate": "weaviate-client",
    "websocket": "websocket-client",
    "whisper": "openai-whisper",
    "wikipediaapi": "wikipedia-api",
    "win32api": "pywin32",
    "win32com": "pywin32",
    "wx": "wxPython",
    "Xlib": "python-xlib",
    "yaml": "PyYAML",
    "zmq": "pyzmq",
}
# Packages that are called as their modules are, and that agents often begin with.
_PACKAGES.update(
    (name, name.replace("_", "-"))
    for name in (
        "ag2 agno anthropic autogen_agentchat autogen_core autogen_ext crewai crewai_tools fastapi httpx langchain langchain_anthropic"
        " langchain_community langchain_core langchain_openai langgraph letta_client litellm mcp numpy openai pandas pydantic pydantic_ai"
        " requests smolagents tiktoken"
    ).split()
)

# Packages that come in parts, each part a package: llama_index.llms.openai is llama-index-llms-openai.
_PARTS = {"azure": 2, "llama_index": 3}
_PARTS.update((family, 3) for family in ("google.cloud", "langgraph.checkpoint", "opentelemetry.exporter", "opentelemetry.instrumentation"))
_PARTS.update(("azure." + name, 3) for name in ("ai", "data", "keyvault", "mgmt", "search", "storage"))
# Parts that come with the whole, and where they are once that is installed.
_WITHIN = {"llama_index.core": "llama-index-core"}
_WITHIN.update(("langgraph.checkpoint." + part, "langgraph-checkpoint") for part in ("base", "memory", "serde"))
# Names under which many packages lie, and none of them is called so.
_SHARED = frozenset(("google", "opentelemetry"))


def hint(error):
    """Return words on what an ImportError wants, "" for other errors and where nothing helps."""
    name = getattr(error, "name", None)
    if not isinstance(error, ImportError) or not isinstance(name, str) or not name:
        return ""
    hidden = _hidden(name, error.path)
    if hidden:
        return hidden
    if not isinstance(error, ModuleNotFoundError):
        return _other_version(_installed(name))
    package = _known(_whole(error, name)) or _known(name)
    if package is not None:
        there = _version(package)  # None of one with extras or bounds, too
        return _other_version((package, there)) if there else _add(package)
    top, _, inner = name.partition(".")
    there = _installed(name)
    if there or (inner and top in sys.modules):
        return _other_version(there) or _absent(name)
    if top in _SHARED or top in getattr(sys, "stdlib_module_names", ()):
        return ""  # of another version of Python, perhaps
    return (
        ". If it is a package, add it to the agent's requirements: echo %s >> requirements.txt;"
        " a file of your own must lie in the agent's folder%s" % (top.replace("_", "-"), _near(top, _folder(error)))
    )


def _add(package):
    return ". Add %s to the agent's requirements: echo '%s' >> requirements.txt (in an environment of your own: pip install '%s')" % (
        package,
        package,
        package,
    )


def _other_version(found):
    """Return words on a package that is there, (name, version), and has not what was imported from it."""
    if not found:
        return ""
    return (
        ". Installed is %s %s: the code may be written for another version;"
        " name the one it needs in the agent's requirements, as in '%s==…'" % (found[0], found[1], found[0])
    )


def _hidden(name, path):
    """Return words on a file that is imported in the place of a package that is installed, "" where there is none.

    path is the file from which a name could not be imported, None if it was a module.
    """
    import os

    top = name.partition(".")[0]
    file = path or getattr(sys.modules.get(top), "__file__", None)
    found = file and _installed(top)
    if not found:
        return ""
    from importlib import metadata

    package = metadata.distribution(found[0])
    home = os.path.realpath(str(package.locate_file("")))
    if os.path.realpath(file).startswith(home + os.sep) or "editable" in (package.read_text("direct_url.json") or ""):
        return ""
    return ". Installed is %s %s, but %s is imported in its place: give that file another name" % (*found, file)


def _absent(name):
    """Return words on a module of the agent's own that is not where it is imported from."""
    parent, _, last = name.rpartition(".")
    for folder in getattr(sys.modules.get(parent), "__path__", None) or ():
        return ". There is no %s.py and no folder %s in %s%s" % (last, last, folder, _near(last, folder))
    return ""


def _near(name, folder):
    """Return "; did you mean …?" for the module in a folder that is called almost so, or ""."""
    import os

    from .validate import nearest

    try:
        names = {entry.name[:-3] if entry.name.endswith(".py") else entry.name for entry in os.scandir(folder)}
    except (OSError, TypeError, ValueError):
        return ""
    return nearest(name, sorted(one for one in names if one.isidentifier()))


def _folder(error):
    """Return the folder of the file whose import failed."""
    import os

    step = _innermost(error)
    return None if step is None else os.path.dirname(step.tb_frame.f_code.co_filename)


def _installed(name):
    """Return (package, version) of the one that a module of that name comes from, None where there is none.

    Of several that lie under one name it is the one whose own is the longest
    that the module's begins with, llama-index-core of llama_index.core.agent,
    and none where no name fits.
    """
    from importlib import metadata

    top, spelled = name.partition(".")[0], _plain(name) + "-"
    packages = getattr(metadata, "packages_distributions", dict)().get(top) or [top.replace("_", "-")]
    if len(packages) > 1:
        packages = sorted((one for one in packages if spelled.startswith(_plain(one) + "-")), key=len)
    version = _version(packages[-1]) if packages else None
    return (packages[-1], version) if version else None


def _version(package):
    from importlib import metadata

    try:
        return metadata.version(package)
    except (metadata.PackageNotFoundError, ValueError):
        return None


def _plain(name):
    return name.lower().replace("_", "-").replace(".", "-")


def _whole(error, name):
    """Return all of the name that the failed line imports: Python tells only its first part that is missing."""
    import linecache
    import re

    step = _innermost(error)
    if step is None:
        return name
    line = linecache.getline(step.tb_frame.f_code.co_filename, step.tb_lineno)
    found = re.match(r"\s*(?:from|import)\s+(%s(?:\.\w+)*)(?:\s+import\s+(\w+))?" % re.escape(name), line)
    return ".".join(filter(None, found.groups())) if found else name


def _innermost(error):
    step = error.__traceback__
    while step is not None and step.tb_next is not None:
        step = step.tb_next
    return step


def _known(name):
    parts = name.split(".")
    for whole, package in _WITHIN.items():
        if (name + ".").startswith(whole + "."):
            return package if _version(package) else _PACKAGES[parts[0]]
    for family in sorted(_PARTS, key=len, reverse=True):
        part = ".".join(parts[: _PARTS[family]])
        if part.startswith(family + ".") and part.count(".") == _PARTS[family] - 1:
            return _plain(part)
    for end in range(len(parts), 0, -1):
        package = _PACKAGES.get(".".join(parts[:end]))
        if package is not None:
            return package
    return None
