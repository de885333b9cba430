#!/usr/bin/env python3
"""clang-tidy over the product's sources, side by side: those that have changed since the last full lint, or all of them.

  tidy.py TIDY_BUILD           the sources whose digest isn't in tests/style/linted
  tidy.py TIDY_BUILD --all     every source; what has no finding is written to tests/style/linted

A digest is of the source, the project's headers that it includes (and those that they include), .clang-tidy and
clang-tidy's version: where one is recorded, a full lint has read exactly this. TIDY_BUILD is a build folder without GCC's
precompiled header, which clang-tidy can't read; it is configured here when there is something to lint.
"""
import argparse
import concurrent.futures
import datetime
import hashlib
import os
import re
import signal
import subprocess
import sys
import threading
import time

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../runner"))
from report import Report  # noqa: E402  (the runner has no package of its own)

TIDY = "clang-tidy-14"
FOLDERS = ("include", "base", "kernels", "tokenizer", "pictures", "network", "media", "engine", "tasks", "api", "cli")
RECORD = "tests/style/linted"
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*["<]([^">]+)[">]', re.M)


def read(file):
    with open(file, encoding="utf-8") as opened:
        return opened.read()


def included(file, known):
    """The project's files that `file` includes, directly or through others, with itself. `known` keeps what was read."""
    found, left = set(), [file]
    while left:
        name = left.pop()
        if name in found:
            continue
        found.add(name)
        if name not in known:
            places = [os.path.normpath(os.path.join(folder, header)) for header in INCLUDE.findall(read(name))
                      for folder in (os.path.dirname(name), "include", "")]
            known[name] = [path for path in places if os.path.isfile(path)]
        left += known[name]
    return sorted(found)


def digests(sources, version):
    known, texts, result = {}, {}, {}
    for source in sources:
        digest = hashlib.sha256(f"{version}\n{read('.clang-tidy')}".encode())
        for name in included(source, known):
            if name not in texts:
                texts[name] = hashlib.sha256(read(name).encode()).hexdigest()
            digest.update(f"{name} {texts[name]}\n".encode())
        result[source] = digest.hexdigest()[:32]
    return result


def sources():
    return sorted(os.path.join(folder, name) for top in FOLDERS for folder, _, names in os.walk(top) for name in names
                  if name.endswith(".cc"))


def recorded():
    """Digest of each source that the last full lint had nothing to say of, and the commit it was of."""
    if not os.path.exists(RECORD):
        return {}, "none"
    rows = [row.split() for row in read(RECORD).splitlines() if not row.startswith("#")]
    commit = re.search(r"commit ([\w-]+)", read(RECORD))
    return {name: digest for digest, name in rows}, commit[1] if commit else "?"


def record(clean, version):
    git = subprocess.run(["git", "describe", "--always", "--dirty"], stdout=subprocess.PIPE, text=True, check=False)
    with open(RECORD, "w", encoding="utf-8") as file:
        file.write(f"# What clang-tidy {version} had nothing to say of at commit {git.stdout.strip()}, {datetime.date.today()}. Written by\n"
                   "# ./test.sh --lint-all: a digest of each source with the headers it includes, .clang-tidy and the version.\n")
        file.writelines(f"{digest} {name}\n" for name, digest in sorted(clean.items()))


def lint(build, source, starting, running):
    begin = time.monotonic()
    with starting:
        process = subprocess.Popen([TIDY, "-p", build, "--quiet", source], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                   text=True, errors="replace")
        running.append(process)
    output = process.communicate()[0]
    running.remove(process)
    return process.returncode, output, time.monotonic() - begin


def end_with(starting, running):
    """Ctrl-C, and SIGTERM from run.py: what runs is ended at once, and nothing of what waits begins."""
    def end(number, _):
        starting.acquire()
        for process in list(running):
            process.kill()
        os._exit(128 + number)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)


def configure(build):
    run = subprocess.run(["cmake", "-S", ".", "-B", build, "-G", "Ninja", "-DGLM_PCH=OFF"], stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT, text=True, check=False)
    return "" if run.returncode == 0 else run.stdout


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build")
    parser.add_argument("--all", action="store_true")
    arguments = parser.parse_args()
    report = Report("style.tidy", "lint")
    shown = subprocess.run([TIDY, "--version"], stdout=subprocess.PIPE, text=True, check=False).stdout
    version = re.search(r"version (\S+)", shown)[1]
    now = digests(sources(), version)
    before, commit = recorded()
    todo = [name for name in now if arguments.all or before.get(name) != now[name]]
    wrong = configure(arguments.build) if todo else ""
    if wrong:
        report.test("style.tidy", "FAILED", 0.0, "the build folder for clang-tidy can't be configured", wrong)
        return report.end()
    clean, starting, processes = {}, threading.Lock(), []
    end_with(starting, processes)
    with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        running = {pool.submit(lint, arguments.build, name, starting, processes): name for name in todo}
        while running:
            # Python may miss a signal that arrives just before it begins to wait. So it waits for a short time only, and looks again.
            for ended in concurrent.futures.wait(running, 0.2, concurrent.futures.FIRST_COMPLETED).done:
                (status, output, seconds), name = ended.result(), running.pop(ended)
                report.test(f"style.tidy/{name}", "FAILED" if status else "passed", seconds, "", output if status else "")
                if status == 0:
                    clean[name] = now[name]
    same = len(now) - len(todo)
    if same:
        report.test("style.tidy", "passed", 0.0, f"{same} of {len(now)} sources are as the full lint at {commit} read them")
    if arguments.all:
        record(clean, version)
    return report.end()


if __name__ == "__main__":
    sys.exit(main())
