#!/usr/bin/env python3
"""Runs the tests of a build folder side by side by ctest, and tells at the end what was skipped, what failed and what took
how long.

  run.py BUILD [--took PART=SECONDS]… [-R PATTERN] [options of ctest]
  run.py BUILD --list                                                   the names of all tests

-R PATTERN, a regular expression, takes the tests whose own name matches (Dit, WholePicture.*nano) and all of those that ctest
knows by a name that does (engine_tests, style). Exit status 0 only when all passed or were skipped with a reason.
"""
import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

from one import list_tests, read_arguments, shard_of


def ctest(build, *options):
    return ["ctest", "--test-dir", build, *options]


def end_group(process):
    """Ends ctest with all that it has started: one.py and tidy.py end their own processes when they get this signal."""
    try:
        os.killpg(process.pid, signal.SIGTERM)
    except ProcessLookupError:
        pass


def known_tests(build):
    """For each name that ctest knows the tests behind it: a shard's, or the name itself of what is a command."""
    lists, known = {}, {}
    shown = subprocess.run(ctest(build, "--show-only=json-v1"), stdout=subprocess.PIPE, text=True, check=False).stdout
    for test in json.loads(shown)["tests"]:
        command = test.get("command", [])
        known[test["name"]] = [test["name"]]
        if "--shard" in command:
            a = read_arguments(command[command.index("--shard"):])
            whole = (a.command[0], a.filter)
            if whole not in lists:
                lists[whole] = list_tests(*whole)
            known[test["name"]] = shard_of(lists[whole], a.shard)
    return known


def run_ctest(build, pattern, options, records, log):
    """ctest's exit status. Tests' lines come here at once, what ctest itself says goes to the file `log`."""
    shutil.rmtree(records, ignore_errors=True)
    os.makedirs(records)
    if pattern is not None:
        names = [name for name, tests in known_tests(build).items() if any(re.search(pattern, text) for text in [name, *tests])]
        options = [*options, "-R", f"^({'|'.join(map(re.escape, names))})$"]
    lines = os.dup(1)
    surroundings = {**os.environ, "GLM_TEST_RECORDS": records, "GLM_TEST_LINES": str(lines), "GLM_TEST_PATTERN": pattern or ""}
    command = ctest(build, "--no-tests=error", "-j", str(len(os.sched_getaffinity(0))), *options)
    with open(log, "w", encoding="utf-8") as file:
        process = subprocess.Popen(command, env=surroundings, pass_fds=[lines], stdout=file, stderr=subprocess.STDOUT,
                                   start_new_session=True)
        try:
            return process.wait()
        finally:
            end_group(process)


def read_records(folder):
    records = []
    for name in sorted(os.listdir(folder)):
        with open(os.path.join(folder, name), encoding="utf-8") as file:
            records.append(json.load(file))
    return records


def not_told(log, records):
    """What ctest has run without a record of it, and what failed without a test that did. A test that tells nothing itself
    would be missing above, whatever became of it."""
    told = {record["name"]: any(test["result"] == "FAILED" for test in record["tests"]) for record in records}
    with open(log, encoding="utf-8", errors="replace") as file:
        ended = re.findall(r"Test +#\d+: (\S+) \.*[ *]*(\S.*?) +[\d.]+ sec", file.read())
    return [f"{name}: ctest says {how}, runner/one.py nothing" for name, how in ended
            if name not in told or (how not in ("Passed", "Skipped") and not told[name])]


def show_skipped(tests):
    reasons = {}
    for test in tests:
        if test["result"] == "skipped":
            reasons.setdefault(test["reason"], []).append(test["name"])
    if reasons:
        print("\nskipped")
    for reason, names in sorted(reasons.items()):
        print(f"{len(names):6}  {reason}: {names[0]}" + (f" and {len(names) - 1} more" if len(names) > 1 else ""))


def show_times(records, took):
    """Of the parts, and of each program's processes together."""
    print("\nwhat took how long")
    for part, seconds in took:
        print(f"{seconds:8.0f} s  {part}")
    programs = {}
    for record in records:
        sums = programs.setdefault(record["program"], [0, 0.0, 0.0])
        for i, value in enumerate((len(record["tests"]), record["seconds"], record["processor"])):
            sums[i] += value
    for program, (count, seconds, processor) in sorted(programs.items(), key=lambda item: -item[1][1]):
        print(f"{seconds:18.1f} s  {program}: {count} test{'' if count == 1 else 's'}, {processor:.1f} s of a core")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
                                     allow_abbrev=False)
    parser.add_argument("build")
    parser.add_argument("--took", action="append", default=[])
    parser.add_argument("-R", "--tests-regex")
    parser.add_argument("--list", action="store_true")
    arguments, options = parser.parse_known_args()
    if arguments.list:
        print("\n".join(name for names in known_tests(arguments.build).values() for name in names))
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    begin = time.monotonic()
    records_folder = os.path.abspath(os.path.join(arguments.build, "Testing/records"))
    log = os.path.join(arguments.build, "Testing/ctest.log")
    status = run_ctest(arguments.build, arguments.tests_regex, options, records_folder, log)
    records = read_records(records_folder)
    tests = [test for record in records for test in record["tests"]]
    if not tests:  # no test matches, or an option that only asks ctest something
        with open(log, encoding="utf-8", errors="replace") as file:
            print(file.read(), end="")
        return status
    failed = [test["name"] for test in tests if test["result"] == "FAILED"] + not_told(log, records)
    if status and not failed:
        failed = [f"ctest, with status {status}: see {log}"]
    show_skipped(tests)
    if failed:
        print("\nFAILED")
        for name in failed:
            print(f"        {name}")
    took = [(part, float(seconds)) for part, seconds in (text.rsplit("=", 1) for text in arguments.took)]
    show_times(records, [*took, ("tests and lint, side by side:", time.monotonic() - begin)])
    passed, skipped = (sum(test["result"] == result for test in tests) for result in ("passed", "skipped"))
    print(f"\n{passed} passed, {skipped} skipped, {len(failed)} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
