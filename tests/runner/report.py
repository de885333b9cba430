"""What a test's process tells: a line for each test as it ends, the output of one that failed, and a record for run.py.

Lines go to the descriptor that GLM_TEST_LINES names, which run.py opens, else to standard output. The record goes to the
folder GLM_TEST_RECORDS, as one file for each process.
"""
import json
import os
import resource
import sys
import time

RESULTS = ("passed", "skipped", "FAILED")


def line(result, seconds, where, name, reason=""):
    return f"{result:8}{seconds:8.2f} s  {where}  {name}" + (f": {reason}" if reason else "")


class Report:
    """Of the process `name`, as ctest calls it; `program` is what the summary counts it under."""

    def __init__(self, name, program):
        self.name, self.program, self.tests = name, program, []
        self.begin = time.monotonic()
        self.lines = int(os.environ.get("GLM_TEST_LINES", "1"))

    def test(self, name, result, seconds, reason="", output=""):
        """A test has ended. One write, so that two processes' lines never mix."""
        assert result in RESULTS
        self.tests.append({"name": name, "result": result, "seconds": seconds, "reason": reason})
        text = line(result, seconds, self.program, name, reason) + "\n"
        if result == "FAILED":
            text += "".join(f"    {row}\n" for row in output.splitlines())
        sys.stdout.flush()
        data = text.encode(errors="replace")
        while data:
            data = data[os.write(self.lines, data):]

    def end(self):
        """Writes the record. Returns the process's exit status: 77 says to ctest that all was skipped."""
        used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        record = {"name": self.name, "program": self.program, "tests": self.tests,
                  "seconds": time.monotonic() - self.begin, "processor": sum(u.ru_utime + u.ru_stime for u in used)}
        folder = os.environ.get("GLM_TEST_RECORDS")
        if folder:
            with open(os.path.join(folder, self.name.replace("/", "%") + ".json"), "w", encoding="utf-8") as file:
                json.dump(record, file)
        found = {test["result"] for test in self.tests}
        return 1 if "FAILED" in found else 77 if found == {"skipped"} else 0
