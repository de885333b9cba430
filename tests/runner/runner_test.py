#!/usr/bin/env python3
"""The runner itself: each way a test can end is told as what it is, and the rest runs.  runner_test.py CASES_PROGRAM"""
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
CASES = os.path.abspath(sys.argv.pop())
ALL = ["Ends.Well", "Ends.Badly", "Ends.Skipped", "Ends.InACrash", "Ends.TheProgram", "Ends.Never", "Ends.ButNotWhatItStarted",
       "Numbers/Named.ByItsParameter/0", "Numbers/Named.ByItsParameter/1", "Numbers/Named.ByItsParameter/2"]


class One(unittest.TestCase):
    def run_one(self, *arguments, **environment):
        """Exit status, what was printed, and the record's tests by their names."""
        with tempfile.TemporaryDirectory() as folder:
            surroundings = {k: v for k, v in os.environ.items() if not k.startswith("GLM_TEST_")}
            run = subprocess.run([sys.executable, os.path.join(HERE, "one.py"), *arguments], text=True, check=False,
                                 stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                 env={**surroundings, "GLM_TEST_RECORDS": folder, **environment})
            with open(os.path.join(folder, os.listdir(folder)[0]), encoding="utf-8") as file:
                tests = json.load(file)["tests"]
        self.assertEqual(len({test["name"] for test in tests}), len(tests), "a test is told twice")
        return run.returncode, run.stdout, {test["name"]: test for test in tests}

    def test_each_end_is_told_and_the_rest_runs(self):
        status, printed, tests = self.run_one("--shard", "1/1", "--seconds", "2", "cases/1", CASES)
        self.assertEqual(status, 1)
        self.assertEqual(sorted(tests), sorted(ALL))
        expected = {"Ends.Badly": "", "Ends.InACrash": "ended by SIGSEGV in this test",
                    "Ends.TheProgram": "ended with status 0 in this test", "Ends.Never": "took more than 2.0 s in this test",
                    "Numbers/Named.ByItsParameter/1": "where GetParam() = 2"}
        for name, test in tests.items():
            result = "FAILED" if name in expected else "skipped" if name == "Ends.Skipped" else "passed"
            self.assertEqual(test["result"], result, name)
            self.assertEqual(test["reason"], expected.get(name, "no moon over this machine" if result == "skipped" else ""))
            self.assertRegex(printed, rf"(?m)^{result} .* cases  {name}(: |$)".replace("cases", os.path.basename(CASES)))
        for text in ("printed before", "said in the assertion", "printed before the crash"):
            self.assertIn("    " + text, printed)
        self.assertNotIn("no line break", printed, "what a test that passed has printed")

    def test_shards_have_each_test_once(self):
        seen = []
        for shard in ("1/3", "2/3", "3/3"):
            seen += self.run_one("--shard", shard, "--filter=-*Never", "cases", CASES)[2]
        self.assertEqual(sorted(seen), sorted(set(ALL) - {"Ends.Never"}))

    def test_a_pattern_takes_what_it_matches(self):
        run = ("--shard", "1/1", "--filter", "Numbers*", "cases/1", CASES)
        self.assertEqual(list(self.run_one(*run, GLM_TEST_PATTERN="Named.*/2")[2]), [ALL[-1]])
        self.assertEqual(len(self.run_one(*run, GLM_TEST_PATTERN="cases")[2]), 3, "its name for ctest matches")

    def test_only_skipped_is_skipped(self):
        self.assertEqual(self.run_one("--shard", "1/1", "--filter", "*Skipped", "cases", CASES)[0], 77)
        self.assertEqual(self.run_one("--shard", "1/1", "--filter", "*Skipped:*Well", "cases", CASES)[0], 0)

    def test_a_program_that_fails_outside_its_tests(self):
        status, _, tests = self.run_one("--shard", "1/1", "--filter", "*Well", "cases", CASES, CASES_EXIT="1")
        self.assertEqual((status, tests["Ends.Well"]["result"]), (1, "passed"))
        self.assertEqual(tests["outside its tests"]["reason"], "ended with status 3")

    def test_a_program_that_does_not_start(self):
        status, printed, _ = self.run_one("--shard", "1/1", "cases", CASES, CASES_NO_START="1")
        self.assertEqual(status, 1)
        self.assertIn("expected a list of tests, found status 4", printed)
        self.assertEqual(self.run_one("--shard", "1/1", "cases", "/nonexistent")[0], 1)

    def test_a_shard_without_tests(self):
        for shard in (("--shard", "1/1", "--filter", "Nonsuch*"), ("--shard", "3/3", "--filter", "*Well:*Skipped")):
            status, printed, _ = self.run_one(*shard, "cases", CASES)
            self.assertEqual(status, 1)
            self.assertRegex(printed, "expected tests in shard ./. of .*, found none")

    def test_commands(self):
        for script, status, result, reason in (("exit 0", 0, "passed", ""),
                                               ("echo skipped: no moon; exit 77", 77, "skipped", "no moon"),
                                               ("echo why; exit 3", 1, "FAILED", "ended with status 3"),
                                               ("kill -9 $$", 1, "FAILED", "ended by SIGKILL"),
                                               ("sleep 1000 & sleep 1000", 1, "FAILED", "took more than 2.0 s")):
            found, printed, tests = self.run_one("--seconds", "2", "part.command", "sh", "-c", script)
            self.assertEqual((found, tests["part.command"]["result"], tests["part.command"]["reason"]), (status, result, reason))
            self.assertEqual("why" in printed, "why" in script)


class Together(unittest.TestCase):
    """run.py and ctest, on a folder with a few tests."""

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        one = f'"{sys.executable}" "{HERE}/one.py"'
        with open(os.path.join(self.folder.name, "CTestTestfile.cmake"), "w", encoding="utf-8") as file:
            for shard in ("1", "2"):
                file.write(f'add_test(cases/{shard} {one} "--shard" "{shard}/2" '
                           f'"--filter=-*Badly:*Crash:*Program:*Never:*Started" "cases/{shard}" "{CASES}")\n')
            file.write('set_tests_properties(cases/1 cases/2 PROPERTIES SKIP_RETURN_CODE 77)\n')
            file.write(f'add_test(part.good {one} "part.good" "true")\n')
            file.write('add_test(part.silent "false")\nadd_test(part.mute "true")\n')

    def tearDown(self):
        self.folder.cleanup()

    def run_all(self, *options):
        surroundings = {k: v for k, v in os.environ.items() if not k.startswith("GLM_TEST_")}
        run = subprocess.run([sys.executable, os.path.join(HERE, "run.py"), self.folder.name, *options], text=True, check=False,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=surroundings)
        return run.returncode, run.stdout

    def test_what_failed_was_skipped_and_took_how_long(self):
        status, printed = self.run_all("--took", "building=61.2")
        self.assertEqual(status, 1)
        self.assertIn("4 passed, 1 skipped, 3 failed", printed)
        self.assertRegex(printed, r"(?m)^ +61 s  building$")
        self.assertRegex(printed, r"(?m)^ +1  no moon over this machine: Ends.Skipped$")
        self.assertRegex(printed, r"(?ms)^FAILED\n +Numbers/Named.ByItsParameter/1\n")

        for name, how in (("silent", "Failed"), ("mute", "Passed")):
            self.assertRegex(printed, rf"(?m)^ +part.{name}: ctest says {how}, runner/one.py nothing$")

    def test_a_part(self):
        for options, status, told in ((("-R", "Named.*/[02]"), 0, "2 passed, 0 skipped, 0 failed"),
                                      (("-R", "Named.*/1"), 1, "0 passed, 0 skipped, 1 failed"),
                                      (("-R", "cases", "-E", "/2"), 0, "3 passed, 0 skipped, 0 failed"),
                                      (("-R", "part.good"), 0, "1 passed, 0 skipped, 0 failed")):
            found, printed = self.run_all(*options)
            self.assertEqual(found, status, printed)
            self.assertIn(told, printed)

    def test_the_list_has_every_name(self):
        status, printed = self.run_all("--list")
        self.assertEqual((status, sorted(printed.split())),
                         (0, sorted(["Ends.Well", "Ends.Skipped", *ALL[-3:], "part.good", "part.silent", "part.mute"])))

    def test_an_end_from_outside_leaves_nothing_running(self):
        pid_file = os.path.join(self.folder.name, "pid")
        with open(os.path.join(self.folder.name, "CTestTestfile.cmake"), "a", encoding="utf-8") as file:
            file.write(f'add_test(part.long "{sys.executable}" "{HERE}/one.py" "part.long" "sh" "-c" '
                       f'"echo $$ >{pid_file}.new; mv {pid_file}.new {pid_file}; exec sleep 1000")\n')
        for number, status in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
            run = subprocess.Popen([sys.executable, os.path.join(HERE, "run.py"), self.folder.name, "-R", "part.long"],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
            self.wait_until(lambda: os.path.exists(pid_file))
            with open(pid_file, encoding="utf-8") as file:
                pid = int(file.read())
            os.remove(pid_file)
            run.send_signal(number)
            self.assertEqual(run.wait(30), status)
            self.wait_until(lambda pid=pid: not os.path.exists(f"/proc/{pid}"))

    def wait_until(self, true):
        deadline = time.monotonic() + 30
        while not true():
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.05)

    def test_nothing_is_a_failure(self):
        status, printed = self.run_all("-R", "Nonsuch")
        self.assertNotEqual(status, 0)
        self.assertIn("No tests were found", printed)
        self.assertEqual(self.run_all("-N")[0], 0)


if __name__ == "__main__":
    unittest.main()
