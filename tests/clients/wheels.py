"""Gets a real client and what it needs from PyPI into the build folder, once."""

import os
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
FETCH = os.path.join(HERE, "..", "..", "third_party", "fetch_wheels.sh")
PYTHONS = ((3, 11), (3, 12), (3, 13))  # the lists have the wheels of these


def skip(reason):
    print("skipped:", reason, flush=True)
    sys.exit(77)


def install(packages, folder):
    """Makes the packages of a list importable. Where PyPI can't be reached the test is skipped; a wheel of another hash fails it."""
    if sys.version_info[:2] not in PYTHONS:
        skip(f"tests/clients/{packages} has no wheels for Python {sys.version_info[0]}.{sys.version_info[1]}")
    listed = os.path.join(HERE, packages)
    with open(listed, encoding="utf-8") as file:
        wanted = file.read()
    if not os.path.isdir(folder) or had(folder) != wanted:
        partial = folder + ".partial"
        for old in (folder, partial):
            shutil.rmtree(old, ignore_errors=True)
        os.makedirs(partial)
        done = subprocess.run([FETCH, listed, partial], stderr=subprocess.PIPE, text=True, check=False)
        if done.returncode != 0:
            print(done.stderr)
            assert "DO NOT MATCH THE HASHES" not in done.stderr, "a wheel isn't the one that is pinned"
            skip(f"the wheels of tests/clients/{packages} can't be fetched")
        with open(os.path.join(partial, "ready"), "w", encoding="utf-8") as file:
            file.write(wanted)
        os.rename(partial, folder)
    sys.path.insert(0, folder)


def had(folder):
    try:
        with open(os.path.join(folder, "ready"), encoding="utf-8") as file:
            return file.read()
    except OSError:
        return None
