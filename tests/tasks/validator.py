"""The independent validator of JSON Schemas: Debian's python3-jsonschema."""

import os
import sys

try:
    from jsonschema import Draft202012Validator
except ImportError:  # another Python comes first in PATH; the package is the distribution's
    if sys.executable == "/usr/bin/python3":
        raise
    os.execv("/usr/bin/python3", ["/usr/bin/python3", *sys.argv])

__all__ = ["Draft202012Validator"]
