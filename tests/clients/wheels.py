"""Gets the wheels of a real client into the build folder, once."""

import os
import subprocess
import sys


def install(packages, folder):
    """Makes the packages importable. Ends the test as skipped where they can't be had."""
    here = os.path.dirname(os.path.abspath(__file__))
    fetch = os.path.join(here, "..", "..", "third_party", "fetch_wheels.sh")
    ready = os.path.join(folder, "ready")
    if not os.path.exists(ready):
        if subprocess.run([fetch, os.path.join(here, packages), folder], check=False).returncode != 0:
            print(f"skipped: the wheels of tests/clients/{packages} can't be fetched")
            sys.exit(77)
        with open(ready, "w", encoding="utf-8"):
            pass
    sys.path.insert(0, folder)
