#!/usr/bin/env python3
"""Does each plausible mistake turn a test red?  tests/mutations/run.py [--only TEXT] [--table FILE]

Works in a scratch clone of HEAD (kept in build/mutations between runs): applies one mutation of mutations.py at a time,
builds, runs the fast suite in one go and prints which tests failed. Exit status 1 when one stayed green or didn't build.
Takes about a minute a mutation on two cores; not part of CI. Needs .deps/ (run ./test.sh once before).
"""
import argparse
import datetime
import os
import re
import subprocess
import sys

from mutations import MUTATIONS

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "../.."))
CLONE = os.path.join(ROOT, "build/mutations")
BUILD = os.path.join(CLONE, "build")
# Of the engine's tests the small pictures' cases: seconds for all.
FAST = {"engine_tests": "*a_words_*:*words_none*:*a_bf16_words*:*a_from_*:*FromReferences*:*ReferenceStore*:*AttentionToSequences*:*OtherHead*large*:*Pictures*:*AnySize*:PixelsToBytes*:FlowSchedule*:FaintInputs*:PriorGrid.U*",
        "files_tests": "*Quantised*", "kernels_tests": "*", "cuda_kernels_tests": "*LinearBody.Leaves*:*CodedLinear*:*PackedCodes*", "tokenizer_tests": "-Glm4*:*Megabyte*"}


def run(*command, **options):
    return subprocess.run(command, capture_output=True, text=True, **options)


def set_up():
    if not os.path.isdir(CLONE):
        run("git", "clone", "-q", ROOT, CLONE, check=True)
        os.symlink(os.path.join(ROOT, ".deps"), os.path.join(CLONE, ".deps"))
    run("git", "-C", CLONE, "fetch", "-q", check=True)
    head = run("git", "-C", ROOT, "rev-parse", "HEAD", check=True).stdout.strip()
    run("git", "-C", CLONE, "checkout", "-q", "-f", head, check=True)
    run("cmake", "-S", CLONE, "-B", BUILD, "-G", "Ninja", "-DGLM_TESTS=ON", check=True)
    return head


def build():
    return run("ninja", "-C", BUILD, *FAST)


def red_tests():
    """Names of the failed tests, or what a crashed program was at."""
    red = []
    for program, cases in FAST.items():
        result = run(os.path.join(BUILD, program), f"--gtest_filter={cases}", env={**os.environ, "OMP_NUM_THREADS": "1"})
        red += re.findall(r"^\[  FAILED  \] (\w[\w/]*\.\w[\w/]*)", result.stdout, re.M)
        if result.returncode < 0:
            red.append(f"{program} crashed at " + (re.findall(r"\[ RUN      \] (.*)", result.stdout) or ["its start"])[-1])
    return list(dict.fromkeys(red))


def suites(red):
    """Suite.Test without the cases' names."""
    names = dict.fromkeys(re.sub(r"^[A-Za-z0-9]+/|/[^/]*$", "", name) if "/" in name else name for name in red)
    return list(names)


def try_mutation(name, file, old, new):
    path = os.path.join(CLONE, file)
    with open(path, encoding="utf-8") as f:
        text = f.read()
    # Line breaks and indentation are clang-format's business.
    pattern = r"\s+".join(re.escape(word) for word in old.split())
    found = len(re.findall(pattern, text))
    if found != 1:
        return f"its text stands {found} times in {file}", []
    with open(path, "w", encoding="utf-8") as f:
        f.write(re.sub(pattern, lambda _: new, text))
    try:
        result = build()
        if result.returncode:
            return "doesn't build: " + "".join(re.findall(r"error: .*", result.stdout)[:1]), []
        return "", red_tests()
    finally:
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="mutations whose name holds this text")
    parser.add_argument("--table", help="write the table to this file (Markdown)")
    arguments = parser.parse_args()
    head = set_up()
    if build().returncode or red_tests():
        sys.exit("the unchanged tree doesn't build or isn't green; run ./test.sh")
    rows, green = [], 0
    for name, *edit in MUTATIONS:
        if arguments.only not in name:
            continue
        problem, red = try_mutation(name, *edit)
        green += not red
        shown = suites(red)
        rows.append(f"| {name} | {problem or len(red)} | " + (", ".join(f"`{s}`" for s in shown[:3]) + (" …" if len(shown) > 3 else "") or "**none**") + " |")
        print(rows[-1], flush=True)
    if arguments.table:
        with open(arguments.table, "w", encoding="utf-8") as f:
            f.write(f"# Mutations\n\nMade by `tests/mutations/run.py` at commit {head[:12]} on {datetime.date.today()}: "
                    f"{len(rows)} mistakes, {len(rows) - green} red.\n\n| mistake | red tests | among them |\n|---|---|---|\n" + "\n".join(rows) + "\n")
    sys.exit(1 if green else 0)


if __name__ == "__main__":
    main()
