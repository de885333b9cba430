#!/usr/bin/env python3
"""tidy.py reads what differs from its record and nothing else. In a small tree, with a clang-tidy of our own."""
import ctypes
import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
FILES = {"base/low.h": "", "include/glm/out.h": '#include "base/low.h"\n', "base/low.cc": '#include "base/low.h"\n',
         "engine/deep/high.cc": '#include <vector>\n#include "glm/out.h"\n', "cli/alone.cc": "", ".clang-tidy": "Checks: '*'\n",
         "tests/style/none": ""}
SOURCES = ["base/low.cc", "cli/alone.cc", "engine/deep/high.cc"]


class Tidy(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        for name, text in FILES.items():
            self.write(name, text)
        self.write("bin/cmake", "#!/bin/sh\n")
        self.version("14.0.6")

    def tearDown(self):
        self.folder.cleanup()

    def write(self, name, text):
        path = os.path.join(self.folder.name, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, 0o755)

    def version(self, version):
        """A clang-tidy of this version, which finds the word BAD in a source."""
        self.write("bin/clang-tidy-14", f'#!/bin/sh\n[ "$1" = --version ] && {{ echo "LLVM version {version}"; exit 0; }}\n'
                   'echo "$4" >>read\n! grep BAD "$4"\n')

    def lint(self, *options):
        """Exit status and the sources that were read."""
        log = os.path.join(self.folder.name, "read")
        if os.path.exists(log):
            os.remove(log)
        surroundings = {k: v for k, v in os.environ.items() if not k.startswith("GLM_TEST_")}
        run = subprocess.run([sys.executable, os.path.join(HERE, "tidy.py"), "build", *options], cwd=self.folder.name, check=False,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                             env={**surroundings, "PATH": os.path.join(self.folder.name, "bin") + ":" + os.environ["PATH"]})
        self.printed = run.stdout
        if not os.path.exists(log):
            return run.returncode, []
        with open(log, encoding="utf-8") as file:
            return run.returncode, sorted(file.read().split())

    def test_without_a_record_all_are_read(self):
        self.assertEqual(self.lint(), (0, SOURCES))
        self.assertEqual(self.lint(), (0, SOURCES), "only --all writes the record")

    def test_what_changes_is_read_with_its_includers(self):
        self.assertEqual(self.lint("--all"), (0, SOURCES))
        self.assertEqual(self.lint(), (0, []))
        self.assertIn("3 of 3 sources are as the full lint", self.printed)
        for changed, expected in (("cli/alone.cc", ["cli/alone.cc"]), ("base/low.h", ["base/low.cc", "engine/deep/high.cc"]),
                                  ("include/glm/out.h", ["engine/deep/high.cc"]), (".clang-tidy", SOURCES)):
            self.write(changed, FILES[changed] + "# changed\n")
            self.assertEqual(self.lint(), (0, expected), changed)
            self.write(changed, FILES[changed])
            self.assertEqual(self.lint(), (0, []), changed)
        self.version("14.0.7")
        self.assertEqual(self.lint(), (0, SOURCES), "another clang-tidy")
        self.assertEqual(self.lint("--all"), (0, SOURCES))
        self.assertEqual(self.lint(), (0, []))

    def test_a_new_source_is_read(self):
        self.lint("--all")
        self.write("pictures/new.cc", "")
        self.assertEqual(self.lint(), (0, ["pictures/new.cc"]))

    def test_what_has_findings_is_never_recorded(self):
        self.write("cli/alone.cc", "BAD\n")
        for options in ((), ("--all",), ("--all",)):
            self.assertEqual(self.lint(*options), (1, SOURCES))
            self.assertRegex(self.printed, r"(?m)^FAILED .* style.tidy/cli/alone.cc\n    BAD$")
            self.assertRegex(self.printed, r"(?m)^passed .* style.tidy/base/low.cc$")
        self.assertEqual(self.lint(), (1, ["cli/alone.cc"]))
        self.write("cli/alone.cc", "")
        self.assertEqual(self.lint(), (0, ["cli/alone.cc"]))

    def test_an_end_from_outside_leaves_nothing_running(self):
        self.write("bin/clang-tidy-14", '#!/bin/sh\n[ "$1" = --version ] && { echo "LLVM version 14.0.6"; exit 0; }\n'
                   'echo $$ >>read\nexec sleep 1000\n')
        log = os.path.join(self.folder.name, "read")
        # A signal may go to another thread than Python's first, and then the first isn't woken. It has to notice all the same.
        for number, takes_it in ((signal.SIGINT, 0), (signal.SIGTERM, 0), (signal.SIGINT, -1)):
            run = subprocess.Popen([sys.executable, os.path.join(HERE, "tidy.py"), "build"], cwd=self.folder.name,
                                   env={**os.environ, "PATH": os.path.join(self.folder.name, "bin") + ":" + os.environ["PATH"]})
            deadline = time.monotonic() + 30
            while not os.path.exists(log):
                self.assertLess(time.monotonic(), deadline)
                time.sleep(0.05)
            thread = sorted(map(int, os.listdir(f"/proc/{run.pid}/task")))[takes_it]
            self.assertEqual(ctypes.CDLL(None).tgkill(run.pid, thread, number), 0)
            self.assertEqual(run.wait(30), 128 + number)
            with open(log, encoding="utf-8") as file:
                pids = file.read().split()
            os.remove(log)
            while any(os.path.exists(f"/proc/{pid}") for pid in pids):
                self.assertLess(time.monotonic(), deadline, "clang-tidy is still running")
                time.sleep(0.05)
            self.assertFalse(os.path.exists(log), "another source was begun")


if __name__ == "__main__":
    unittest.main()
