#!/usr/bin/env python3
"""Runs what ctest knows as one test, and prints a line for each test in it.

  one.py [--seconds N] NAME COMMAND…                           a command: 0 passed, 77 skipped, anything else failed
  one.py [--seconds N] --shard I/N [--filter F] NAME PROGRAM   every N-th test of a GoogleTest program, in one process

A test may take --seconds (600). One that crashes, hangs or ends the program is reported as failed, and the rest goes on in
a new process. GLM_TEST_PATTERN, a regular expression: only the tests whose own name or whose NAME matches.
"""
import argparse
import os
import queue
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time

from report import Report

RUNS = re.compile(r"^\[ RUN      \] (\S+)$")
ENDS = re.compile(r"\[(       OK |  FAILED  |  SKIPPED )\] (\S+?)(?:, (where .*))? \((\d+) ms\)$")
RESULT = {"       OK ": "passed", "  FAILED  ": "FAILED", "  SKIPPED ": "skipped"}


def list_tests(program, test_filter="*"):
    """Names of the tests of a GoogleTest program, in its order."""
    listed = subprocess.run([program, "--gtest_list_tests", f"--gtest_filter={test_filter}"], timeout=120, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, errors="replace", check=False)
    if listed.returncode:
        raise RuntimeError(f"expected a list of tests, found status {listed.returncode}:\n{listed.stdout}{listed.stderr}")
    names, suite = [], ""
    for row in listed.stdout.splitlines():
        text = row.split("  #")[0].rstrip()
        if not row.startswith(" "):
            suite = text
        elif suite.endswith("."):
            names.append(suite + text.strip())
    return names


def shard_of(names, shard):
    """The shard's tests: every n-th, so that each shard has its share of a suite's long ones."""
    index, count = (int(part) for part in shard.split("/"))
    return names[index - 1::count]


def wanted(names, whole):
    """Those that GLM_TEST_PATTERN matches; all when it matches `whole`."""
    pattern = re.compile(os.environ.get("GLM_TEST_PATTERN", ""))
    return names if pattern.search(whole) else [name for name in names if pattern.search(name)]


def how_it_ended(status):
    return f"ended by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"


class Process:
    """A command in a process group of its own, with its output line by line."""

    def __init__(self, command):
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                        text=True, errors="replace", start_new_session=True)
        self.lines = queue.SimpleQueue()
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for row in self.process.stdout:
            self.lines.put(row.rstrip("\n"))
        self.lines.put(None)

    def next_line(self, deadline):
        """The next line; None at the end. Throws TimeoutError after `deadline`."""
        while time.monotonic() < deadline:
            try:
                return self.lines.get(timeout=1)
            except queue.Empty:
                if self.process.poll() is not None:
                    self.kill()  # what the program started and left behind holds its output open
        raise TimeoutError

    def kill(self):
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass

    def end(self):
        self.kill()
        return self.process.wait()


def run_command(command, seconds, report):
    begin = time.monotonic()
    process, output, status = Process(command), [], None
    try:
        while (row := process.next_line(begin + seconds)) is not None:
            output.append(row)
        status = process.process.wait()
        reason = "" if status == 0 else how_it_ended(status)
    except TimeoutError:
        reason = f"took more than {seconds} s"
    finally:
        process.end()
    result = {0: "passed", 77: "skipped"}.get(status, "FAILED")
    if result == "skipped":
        reason = output[-1].removeprefix("skipped: ") if output else "without a reason"
    report.test(report.name, result, time.monotonic() - begin, reason, "\n".join(output))


class Shard:
    """Runs tests of one program until each has a result."""

    def __init__(self, program, seconds, report):
        self.program, self.seconds, self.report = program, seconds, report
        self.current, self.began, self.output = None, 0.0, []

    def run(self, names):
        left = list(names)
        while left:
            done = self.run_process(left)
            if not done:
                return
            left = [name for name in left if name not in done]

    def finish(self, result, seconds, reason=""):
        if result == "skipped":
            reason = " ".join("\n".join(self.output).partition(": Skipped\n")[2].split()) or "without a reason"
        self.report.test(self.current, result, seconds, reason, "\n".join(self.output))
        self.current, self.output = None, []

    def take(self, row, done):
        """One line of the program's output."""
        begins, ends = RUNS.search(row), ENDS.search(row)
        if begins:
            self.current, self.began, self.output = begins[1], time.monotonic(), []
        elif ends and ends[2] == self.current:
            self.output.append(row[:ends.start()])
            done.add(self.current)
            self.finish(RESULT[ends[1]], int(ends[4]) / 1000, ends[3] or "")
        else:
            self.output.append(row)

    def run_process(self, names):
        """Returns the tests that now have a result; none when going on is of no use."""
        done = set()
        self.current, self.output, self.began = None, [], time.monotonic()
        with tempfile.NamedTemporaryFile("w", prefix="glm_tests_", suffix=".flags") as flags:
            flags.write(f"--gtest_filter={':'.join(names)}\n")
            flags.flush()
            process = Process([self.program, f"--gtest_flagfile={flags.name}", "--gtest_color=no"])
            try:
                while (row := process.next_line(self.began + self.seconds)) is not None:
                    self.take(row, done)
                    if self.current is None:
                        self.began = time.monotonic()
                status = process.process.wait()
                reason = how_it_ended(status)
            except TimeoutError:
                status, reason = None, f"took more than {self.seconds} s"
            finally:
                process.end()
        if self.current is not None:
            done.add(self.current)
            self.finish("FAILED", time.monotonic() - self.began, reason + " in this test")
        elif set(names) - done or (status != 0 and not self.failed(done)):
            self.current = "outside its tests"
            missing = sorted(set(names) - done)
            without = f"; {len(missing)} tests have no result, such as {missing[0]}" if missing else ""
            self.finish("FAILED", 0.0, reason + without)
            return set()
        return done

    def failed(self, names):
        return any(test["result"] == "FAILED" and test["name"] in names for test in self.report.tests)


def read_arguments(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", help="what ctest calls it")
    parser.add_argument("--shard", help="I/N, from 1/N to N/N")
    parser.add_argument("--filter", default="*", help="of GoogleTest's: what the shards share")
    parser.add_argument("--seconds", type=float, default=600, help="that a test may take")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    return parser.parse_args(arguments)


def main():
    a = read_arguments(sys.argv[1:])
    # ctest ends what takes too long by SIGTERM; our processes are in groups of their own and have to hear of it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if a.shard is None:
        report = Report(a.name, a.name.split(".")[0])
        run_command(a.command, a.seconds, report)
        return report.end()
    program = a.command[0]
    report = Report(a.name, os.path.basename(program))
    try:
        names = shard_of(list_tests(program, a.filter), a.shard)
        if not names:
            raise RuntimeError(f"expected tests in shard {a.shard} of {a.filter}, found none")
    except (RuntimeError, OSError, subprocess.TimeoutExpired) as error:
        report.test("its list of tests", "FAILED", 0.0, "", str(error))
        return report.end()
    Shard(program, a.seconds, report).run(wanted(names, a.name))
    return report.end()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
