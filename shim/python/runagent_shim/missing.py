"""What to require for a module that is missing, or is of another version: packages often have other names."""

import sys

# Modules whose package is not called as they are; the longest name counts.
_PACKAGES = {
    "agents": "openai-agents",
    "attr": "attrs",
    "autogen": "ag2<1",
    "autogen_ext.models.openai": "autogen-ext[openai]",
    "bs4": "beautifulsoup4",
    "Crypto": "pycryptodome",
    "cv2": "opencv-python-headless",
    "dateutil": "python-dateutil",
    "discord": "discord.py",
    "distutils": "setuptools",
    "dns": "dnspython",
    "docx": "python-docx",
    "dotenv": "python-dotenv",
    "faiss": "faiss-cpu",
    "fitz": "pymupdf",
    "git": "GitPython",
    "github": "PyGithub",
    "gitlab": "python-gitlab",
    "google.adk": "google-adk",
    "google.auth": "google-auth",
    "google.genai": "google-genai",
    "google.generativeai": "google-generativeai",
    "google.protobuf": "protobuf",
    "googleapiclient": "google-api-python-client",
    "grpc": "grpcio",
    "jose": "python-jose",
    "jwt": "PyJWT",
    "langgraph_sdk": "langgraph-sdk",
    "llama_index": "llama-index",
    "magic": "python-magic",
    "multipart": "python-multipart",
    "MySQLdb": "mysqlclient",
    "OpenSSL": "pyOpenSSL",
    "opentelemetry.sdk": "opentelemetry-sdk",
    "PIL": "pillow",
    "pkg_resources": "setuptools",
    "pptx": "python-pptx",
    "psycopg2": "psycopg2-binary",
    "serpapi": "google-search-results",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "slack_bolt": "slack-bolt",
    "socks": "PySocks",
    "speech_recognition": "SpeechRecognition",
    "tavily": "tavily-python",
    "telegram": "python-telegram-bot",
    "weaviate": "weaviate-client",
    "websocket": "websocket-client",
    "whisper": "openai-whisper",
    "yaml": "PyYAML",
    "zmq": "pyzmq",
}

# Packages that come in parts, each part a package: llama_index.llms.openai is llama-index-llms-openai.
_PARTS = {"llama_index": 3, "google.cloud": 3, "langgraph.checkpoint": 3}
# Names under which many packages lie, and none of them is called so.
_SHARED = frozenset(("google", "opentelemetry"))


def hint(error):
    """Return words on what an ImportError wants, "" for other errors and where nothing helps."""
    name = getattr(error, "name", None)
    if not isinstance(error, ImportError) or not isinstance(name, str) or not name:
        return ""
    if not isinstance(error, ModuleNotFoundError):
        return _other_version(name)
    package = _known(name) or _known(_whole(error, name))
    top = name.partition(".")[0]
    there = _installed(top) if top in sys.modules and name != top else None
    if there and package in (None, there[0]):
        return _other_version(name)
    if package is None:
        if top in sys.modules or top in _SHARED or top in getattr(sys, "stdlib_module_names", ()):
            return ""  # of another version of Python, perhaps
        guess = top.replace("_", "-")
        return (
            ". If it is a package, add it to the agent's requirements: echo %s >> requirements.txt;"
            " a file of your own must lie in the agent's folder" % guess
        )
    return (
        ". Add %s to the agent's requirements: echo '%s' >> requirements.txt (in an environment of your own: pip install '%s')"
        % (package, package, package)
    )


def _other_version(name):
    """Return words on a package that is there, and has not what was imported from it."""
    found = _installed(name.partition(".")[0])
    if not found:
        return ""
    return (
        ". Installed is %s %s: the code may be written for another version;"
        " name the one it needs in the agent's requirements, as in '%s>=…'" % (found[0], found[1], found[0])
    )


def _installed(top):
    """Return (package, version) of the one that a module of that name comes from, None where there is none."""
    from importlib import metadata

    try:
        packages = getattr(metadata, "packages_distributions", dict)().get(top) or [top.replace("_", "-")]
        return packages[0], metadata.version(packages[0])
    except metadata.PackageNotFoundError:
        return None


def _whole(error, name):
    """Return all of the name that the failed line imports: Python tells only its first part that is missing."""
    import linecache
    import re

    step = error.__traceback__
    while step is not None and step.tb_next is not None:
        step = step.tb_next
    if step is None:
        return name
    line = linecache.getline(step.tb_frame.f_code.co_filename, step.tb_lineno)
    found = re.match(r"\s*(?:from|import)\s+(%s(?:\.\w+)*)(?:\s+import\s+(\w+))?" % re.escape(name), line)
    return ".".join(filter(None, found.groups())) if found else name


def _known(name):
    parts = name.split(".")
    for family, count in _PARTS.items():
        if name.startswith(family + ".") and len(parts) >= count and parts[1] != "core":
            return "-".join(parts[:count]).replace("_", "-")
    for end in range(len(parts), 0, -1):
        package = _PACKAGES.get(".".join(parts[:end]))
        if package is not None:
            return package
    return None
