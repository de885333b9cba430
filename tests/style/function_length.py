#!/usr/bin/env python3
"""No function has more than 60 lines, from the line with its name to its closing brace.  function_length.py [TREE]

Measured by universal-ctags in every C and C++ file and every kernel. A table is not counted: the lines inside of
`return { … };` or of `… = { … };` in a test, where the cases of a suite are listed.
"""
import os
import re
import subprocess
import sys

LIMIT = 60
FOLDERS = ("include", "base", "kernels", "tokenizer", "pictures", "network", "media", "engine", "tasks", "api", "cli", "tests")
ENDINGS = (".h", ".cc", ".cu", ".cuh", ".c", ".cpp")


def table_lines(body):
    """Lines within the initializer lists of a function's text."""
    return sum(match[2].count("\n") for match in re.finditer(r"^( *)(?:return|\S[^\n;]* =) \{\n(.*?)^\1\};$", body, re.M | re.S))


def functions(files):
    """(file, line, name, lines) of every function."""
    run = subprocess.run(["ctags", "--language-force=C++", "--kinds-C++=f", "--fields=+ne", "--sort=no", "-f", "-", "-L", "-"],
                         input="\n".join(files), stdout=subprocess.PIPE, text=True, check=True)
    for row in run.stdout.splitlines():
        if row.startswith("!"):
            continue
        name, file, *fields = row.split("\t")
        values = dict(field.split(":", 1) for field in fields if ":" in field)
        yield file, int(values["line"]), name, int(values["end"]) - int(values["line"]) + 1


def main():
    os.chdir(sys.argv[1] if len(sys.argv) > 1 else ".")
    files = sorted(os.path.join(folder, name) for top in FOLDERS for folder, _, names in os.walk(top) for name in names
                   if name.endswith(ENDINGS))
    long, count = [], 0
    for file, line, name, lines in functions(files):
        count += 1
        if lines > LIMIT and file.startswith("tests/"):
            with open(file, encoding="utf-8") as opened:
                lines -= table_lines("".join(opened.readlines()[line - 1:line - 1 + lines]))
        if lines > LIMIT:
            long.append(f"{file}:{line}: {name}: expected at most {LIMIT} lines, found {lines}")
    print("\n".join(long) if long else f"{count} functions in {len(files)} files have at most {LIMIT} lines")
    return 1 if long or not count else 0


if __name__ == "__main__":
    sys.exit(main())
