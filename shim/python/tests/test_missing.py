"""What is said of modules that are missing: the package to require, or the file that is meant."""

import importlib
import os
import runpy
import shutil
import sys
import tempfile
import unittest
from importlib import metadata
from pathlib import Path
from unittest import mock

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from runagent_shim import missing


class TestMissing(unittest.TestCase):
    def test_a_name_that_an_installed_package_has_not(self):
        with mock.patch.object(missing, "_installed", lambda name: ("Some-Package", "1.2") if name.startswith("some") else None):
            words = missing.hint(ImportError("cannot import name 'x' from 'some.part'", name="some.part"))
            self.assertIn("Installed is Some-Package 1.2", words)
            self.assertEqual(missing.hint(ImportError("cannot import name 'x' from 'own'", name="own")), "")
            self.assertEqual(missing.hint(ImportError("no name")), "")

    def test_packages_that_share_a_name(self):
        for line, package in (
            ("from nowhere_google.adk.agents import Agent", "google-adk"),
            ("from nowhere_google import genai", "google-genai"),
            ("import nowhere_google.auth as g", "google-auth"),
            ("import nowhere_google.other", ""),
        ):
            with tempfile.TemporaryDirectory() as folder:
                path = os.path.join(folder, "main.py")
                with open(path, "w", encoding="utf-8") as file:
                    file.write(line + "\n")
                words = self.hint_of(path)
            self.assertEqual(("Add " + package) in words if package else not words, True, (line, words))

    def put(self, **files):
        """Write files into a folder that is imported from, and return that."""
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder)
        for path, text in files.items():
            path = os.path.join(folder, path)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
        sys.path.insert(0, folder)
        self.addCleanup(sys.path.remove, folder)
        importlib.invalidate_caches()
        return folder

    def importing(self, line):
        """Return the hint of a line whose import fails; modules that came with it are forgotten."""
        before = set(sys.modules)
        try:
            exec(line)
        except ImportError as error:
            return missing.hint(error)
        finally:
            for name in set(sys.modules) - before:
                del sys.modules[name]
        return None

    @unittest.skipUnless(hasattr(metadata, "packages_distributions"), "Python does not tell where modules come from")
    def test_of_packages_under_one_name_that_of_the_module_is_told(self):
        names = ("family", "family-part", "family-part-more", "family-other")
        self.put(**{"%s-1.dist-info/%s" % (name.replace("-", "_"), file): text for name in names for file, text in (
            ("METADATA", "Metadata-Version: 2.1\nName: %s\nVersion: 1\n" % name), ("top_level.txt", "family\n"))},
            **{"family/graph.py": "", "family/part/agent.py": ""})
        for line, package in (
            ("import family.nope", "family"),
            ("from family.graph import nope", "family"),
            ("import family.part.nope", "family-part"),
            ("from family.part.agent import nope", "family-part"),
        ):
            self.assertIn("Installed is %s 1:" % package, self.importing(line), line)

    def test_a_package_that_is_installed_without_the_module(self):
        self.put(**{"ag2-0.14.dist-info/METADATA": "Metadata-Version: 2.1\nName: ag2\nVersion: 0.14\n"})
        self.assertIn("Installed is ag2 0.14: the code may be written for another version", self.importing("import ag2"))
        self.assertIn("echo 'ag2<1' >> requirements.txt", self.importing("import autogen"))

    def test_a_file_that_hides_a_package(self):
        self.put(**{"%s-2.dist-info/METADATA" % name: "Metadata-Version: 2.1\nName: %s\nVersion: 2\n" % name for name in ("hidden", "veiled")})
        folder = self.put(**{"hidden.py": "from hidden import Agent", "veiled.py": ""})
        for line, name in (("import hidden", "hidden"), ("from veiled import Agent", "veiled"), ("import veiled.part", "veiled")):
            words = "Installed is %s 2, but %s is imported in its place" % (name, os.path.join(folder, name + ".py"))
            self.assertIn(words, self.importing(line), line)

    def test_a_file_that_is_misspelt(self):
        folder = self.put(**{"ownpart/__init__.py": "", "ownpart/search.py": "", "ownpart/deep/x.py": ""})
        absent = ". There is no serch.py and no folder serch in %s; did you mean search?" % os.path.join(folder, "ownpart")
        self.assertEqual(self.importing("from ownpart.serch import x"), absent)
        with open(os.path.join(folder, "main_of_test.py"), "w", encoding="utf-8") as file:
            file.write("import ownpartt")
        self.assertTrue(self.importing("import main_of_test").endswith("must lie in the agent's folder; did you mean ownpart?"))

    def test_packages_that_come_in_parts(self):
        for name, package in (
            ("azure.identity.aio", "azure-identity"),
            ("azure.storage.blob", "azure-storage-blob"),
            ("google.cloud.storage", "google-cloud-storage"),
            ("llama_index.llms.anthropic", "llama-index-llms-anthropic"),
            ("langgraph.checkpoint.sqlite.aio", "langgraph-checkpoint-sqlite"),
            ("langgraph.checkpoint.memory", "langgraph"),
            ("llama_index.core.agent", "llama-index"),
        ):
            with mock.patch.object(missing, "_version", lambda package: None):
                self.assertEqual(missing._known(name), package)
            if name.startswith("llama_index.core"):
                with mock.patch.object(missing, "_version", lambda package: "1"):
                    self.assertEqual(missing._known(name), "llama-index-core")

    def hint_of(self, path):
        """Return the hint of a file whose import fails, with "google" for the name that is nowhere."""
        known = {name.replace("google.", "nowhere_google."): package for name, package in missing._PACKAGES.items()}
        shared = frozenset(("nowhere_google",))
        with mock.patch.object(missing, "_PACKAGES", known), mock.patch.object(missing, "_SHARED", shared):
            try:
                runpy.run_path(path)
            except ModuleNotFoundError as error:
                return missing.hint(error)
        return None


if __name__ == "__main__":
    unittest.main()
