#!/usr/bin/env python3
"""Each name in backticks in a README.md and in CONTRIBUTING.md exists.  readme_names.py [TREE]

A text in backticks is read word by word:

  Suite.Name, style.name   a test of GoogleTest that CMake builds, or a command that CMake adds as a test
  --name, -n               an option of the program, or of a script at the top of the tree or in the README's folder; after
                           a script's name an option that this script knows
  a path                   from the README's folder, the top of the tree or include/. A file's name alone may lie anywhere,
                           and a suffix may be left out. <x>, {x}, NAME and * stand for anything, {a,b} for each of these.
                           Of what git ignores (build/, .deps/) each part stands in a source
  step{k}.cond.out         a tensor of a golden or of a checkpoint; {k} is a number
  Class::member            one tracked source has both words
  GLM_IMAGE_NAME           an option of the program
  any other word           stands in a tracked source. Numbers, single letters and placeholders like FILE aren't looked up

Fences of `cpp` and `c` are read in the same way, and lines of others that call a script. The target of a link exists. What
comes from elsewhere and stands in no source is in OUTSIDE.
"""
import bisect
import fnmatch
import itertools
import json
import os
import posixpath
import re
import struct
import subprocess
import sys

OUTSIDE = {"evict_first", "UR1", "prefetch.global.L1"}  # instructions of a GPU, and a register
# Of pkg-config, cmake, GoogleTest and the compiler.
OUTSIDE_OPTIONS = {"--cflags", "--libs", "--install", "--prefix", "--gtest_filter", "-fsanitize", "-fno-sanitize-recover"}
SUFFIX = (r"\.(cc|h|c|cpp|cu|cuh|py|sh|md|txt|cmake|json|toml|in|map|model|safetensors|index|png|jpg|jpeg|webp|bmp|gif|jinja|"
          r"clang-tidy|clang-format|gitignore)")
SOURCES = re.compile(r"\.(cc|h|c|cpp|cu|cuh|py|sh|cmake|in|map)$|(^|/)(CMakeLists\.txt|requirements\.txt|rules\.json|run)$")
ADDED = re.compile(r"(?:glm_add_command_test\(|add_test\(NAME |glm_add_tests\(|glm_register_tests\(\w+ NAME )([\w.${}]+)")
SCRIPT = re.compile(r"\.(py|sh)$")
WORD = re.compile(r"\b[A-Za-z_][A-Za-z0-9_]*")


class Tree:
    """What is tracked, and what stands in it."""

    def __init__(self):
        listed = subprocess.run(["git", "ls-files", "-z"], stdout=subprocess.PIPE, text=True, check=True).stdout
        self.files = [path for path in listed.split("\0") if path and os.path.exists(path)]
        folders = {posixpath.dirname(path) for path in self.files}
        while True:
            above = {posixpath.dirname(folder) for folder in folders} - folders
            if not above:
                break
            folders |= above
        self.folders = folders - {""}
        self.paths = set(self.files) | self.folders
        own = {"tests/style/readme_names.py", "tests/style/readme_names_test.sh"}  # they know names that aren't there
        self.sources = {path: read(path) for path in self.files if SOURCES.search(path) and path not in own}
        self.words = {path: set(WORD.findall(text)) for path, text in self.sources.items()}
        self.all_words = set().union(*self.words.values()) | set(WORD.findall(" ".join(self.files)))
        self.all_text = "\n".join(self.sources.values())
        self.tests = self.find_tests()
        self.options = set()
        table = self.sources.get("cli/options.cc", "")
        for name, letter in re.findall(r'\b(?:flag|value|one_of_these)\(\s*"([a-z0-9-]+)"(?:,\s*(\'\w\'|0))?', table):
            self.options |= {"--" + name} | ({"-" + letter[1]} if letter.startswith("'") else set())
        for name in re.findall(r'\bflag\("([a-z-]+)"', table):  # a switch has its opposite
            self.options.add("--" + (name[3:] if name.startswith("no-") else "no-" + name))
        self.options.add("--help")
        self.tensors = sorted(self.find_tensors())

    def find_tests(self):
        """Each test of GoogleTest whose file CMake builds, each command that CMake adds, as patterns."""
        tests = set()
        for path, text in self.sources.items():
            folder, name = posixpath.split(path)
            if name == "CMakeLists.txt":
                # nano.${part}, of a loop in the same file
                for test in ADDED.findall(text):
                    loop = re.search(r"foreach\(\w+ (?:IN ITEMS )?([^)]*)\)", text)
                    for part in loop.group(1).split() if "${" in test and loop else [""]:
                        tests.add(re.sub(r"\$\{\w+\}", part, test))
            elif path.endswith((".cc", ".cpp")) and re.search(rf"\b{re.escape(name)}\b", self.sources.get(folder + "/CMakeLists.txt", "")):
                tests |= {f"{suite}.{test}" for suite, test in re.findall(r"\bTEST(?:_F|_P)?\((\w+),\s*(\w+)\)", text)}
        return tests

    def find_tensors(self):
        for path in self.files:
            if path.endswith(".safetensors"):
                with open(path, "rb") as file:
                    size = struct.unpack("<Q", file.read(8))[0]
                    yield from json.loads(file.read(size)).keys()

    def has_word(self, word):
        return word in self.all_words

    def has_text(self, text):
        """Does it stand in a source, and isn't part of a longer name?"""
        return re.search(rf"(?<![\w.-]){re.escape(text)}(?![\w-])", self.all_text) is not None


def read(path):
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


def alternatives(text):
    """x{a,b}y is xay and xby. {k} stays."""
    parts = re.split(r"(\{[^{}]*,[^{}]*\})", text)
    if len(parts) == 1:
        return [text]
    choices = [part[1:-1].split(",") if part.startswith("{") and "," in part else [part] for part in parts]
    return list(itertools.chain.from_iterable(alternatives("".join(choice)) for choice in itertools.product(*choices)))


def expanded(text):
    """As alternatives, for {a,block{i},c} too, whose inner braces hold no comma."""
    inner = re.sub(r"\{(\w)\}", "\1\\1\2", text)
    return [re.sub("\1(\\w)\2", r"{\1}", one) for one in alternatives(inner)]


class Page:
    def __init__(self, tree, path):
        self.tree, self.path, self.folder = tree, path, posixpath.dirname(path)
        self.scripts = [tree.sources[p] for p in tree.sources if (SCRIPT.search(p) or p.endswith("CMakeLists.txt")) and
                        (posixpath.dirname(p) == self.folder or p.startswith(self.folder + "/") or p in ("test.sh", "run.sh"))]

    def find(self, name):
        """The tracked paths that a name in this page may mean."""
        pattern = re.sub(r"<[^<>]*>|\{\w+\}|(?<![A-Za-z])[A-Z]{3,}(?![A-Za-z])", "*", name)
        if name in self.tree.paths:
            return [name]
        found = []
        for begin in (self.folder, "", "include"):
            path = posixpath.normpath(posixpath.join(begin, pattern))
            candidates = [path] if path in self.tree.paths else []
            if not candidates:
                candidates = [p for p in self.tree.paths if fnmatch.fnmatchcase(p, path) or fnmatch.fnmatchcase(p, path + ".*")]
            found += candidates
        if not found and "/" not in name:
            found = [p for p in self.tree.paths if fnmatch.fnmatchcase(posixpath.basename(p), pattern)]
        return found

    def path_problem(self, token):
        for name in expanded(token.rstrip("/") or token):
            if self.find(name):
                continue
            if name.startswith("~/"):
                name = name[2:]
            elif not re.match(r"(build|\.deps)\b", name) and not ignored(name):
                return f"no such path: {token}"
            parts = [part for part in name.split("/") if part not in ("build", ".deps")]
            if not ignored(name.split("/")[-1]) and not all(self.tree.has_text(part) for part in parts):
                return f"no tracked file names this path: {token}"
        return None

    def option_problem(self, token, script):
        name = re.match(r"--?[A-Za-z][\w-]*", token)
        if token.startswith("-D"):
            return None if self.tree.has_word(re.match(r"-D(\w+)", token).group(1)) else f"no such variable of CMake: {token}"
        name = name.group(0)
        if script is None and (name in self.tree.options or name in OUTSIDE_OPTIONS):
            return None
        texts = [self.tree.sources[path] for path in script] if script else self.scripts
        if any(re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text) for text in texts):
            return None
        if script and name in self.tree.options and any("glm-image" in text for text in texts):
            return None  # run.sh hands them on
        return f"no such option: {name}"

    def dotted_problem(self, token):
        """A test, a tensor, a module's member, or a name that stands so in a source."""
        if token in self.tree.tests:
            return None
        if re.fullmatch(r"[A-Z]\w*\.[A-Z]\w*", token):
            return f"no such test: {token}"
        for name in expanded(token):
            pattern = re.compile(re.sub(r"\\\{\w\\\}", r"\\d+", re.escape(name)).replace(r"\*", ".*"))
            begin = re.match(r"[^\\\[({]*", re.escape(name)).group(0)
            at = bisect.bisect_left(self.tree.tensors, begin)
            tensors = itertools.takewhile(lambda tensor, begin=begin: tensor.startswith(begin), self.tree.tensors[at:])
            if any(pattern.fullmatch(tensor) for tensor in tensors):
                continue
            module, _, member = name.partition(".")
            if any(posixpath.basename(p) == module + ".py" and member in self.tree.words[p] for p in self.tree.sources):
                continue
            # What no golden keeps, the second branch's insides, and patterns: part by part. All else as it stands.
            parts = "{" in token or ".*" in token
            if self.words_problem(re.sub(r"\{\w\}", "", name)) if parts else not self.tree.has_text(name):
                return f"no such test, tensor or name: {token}"
        return None

    def token_problem(self, token, script):
        if token in OUTSIDE or token in self.tree.tests or re.fullmatch(r"[0-9a-f]{32,}|[\W\d]*|/.*", token):
            return None
        if re.match(r"--?[A-Za-z]", token):
            problem = self.option_problem(token, script)
            value = re.search(r"=(.+)", token)
            return problem or (self.words_problem(value.group(1)) if value and not token.startswith("-D") else None)
        if re.match(r"GLM_IMAGE_[A-Z]", token) and "=" not in token:
            name = "--" + token[len("GLM_IMAGE_"):].lower().replace("_", "-")
            return None if name in self.tree.options else f"no such option: {token}"
        shard = re.fullmatch(r"(\w+)/\d+", token)
        if shard and shard.group(1) in self.tree.tests:
            return None
        plain = token.strip("\"'();,:…")
        if re.fullmatch(r"[\w.~*<>{}/,-]+", plain) and ("/" in plain or re.search(SUFFIX + "$|^\\.[a-z]", plain)):
            return self.path_problem(plain)
        if re.fullmatch(r"[A-Za-z_][\w{},]*(\.[\w{},*]+)+", plain):
            return self.dotted_problem(plain)
        return self.words_problem(token)

    def words_problem(self, text):
        pair = re.fullmatch(r"(?:glm::)?(\w+)::(\w+)(?:\(\))?", text)
        if pair and not any(set(pair.groups()) <= words for words in self.tree.words.values()):
            return f"no tracked source has both words: {text}"
        if re.search(r"\w_$|_\*$", text):
            begin = text.rstrip("*")
            return None if any(word.startswith(begin) for word in self.tree.all_words) else f"no name begins so: {text}"
        for word in WORD.findall(re.sub(r"%[ds]", "", text)):
            if len(word) > 1 and not re.fullmatch(r"[A-Z]+", word) and word not in OUTSIDE and not self.tree.has_word(word):
                return f"no tracked source has this word: {word}"
        return None

    def span_problem(self, span):
        span = re.sub(r"#include <([^>]+)>", r"\1", span)
        script = None
        for command in re.split(r"&&|(?<= )\|(?= )", span):
            for token in re.split(r"\\?\||\s+", command.strip()):
                problem = self.token_problem(token, script)
                if problem:
                    return problem
                name = token.strip("\"'").removeprefix("./")
                if SCRIPT.search(name):
                    script = [p for p in self.find(name) if p in self.tree.sources] or script
            script = None
        return None

    def problems(self):
        text = read(self.path)
        spans = []  # line, what to look up
        for fence in re.finditer(r"^```(\w*)\n(.*?)^```", text, re.S | re.M):
            line = text.count("\n", 0, fence.start()) + 1
            for number, row in enumerate(fence.group(2).splitlines(), line + 1):
                if fence.group(1) in ("cpp", "c"):
                    spans += [(number, word) for word in WORD.findall(re.sub(r'"[^"]*"', "", row))]
                elif re.match(r"(\./)?[\w/]+\.(sh|py)\b", row):
                    for command in row.split("#")[0].split("&&"):
                        first, *rest = command.split()
                        spans.append((number, " ".join([first, *(word for word in rest if re.match("--?[a-z]", word))])))
        plain = re.sub(r"^```.*?^```", lambda m: "\n" * m.group(0).count("\n"), text, flags=re.S | re.M)
        for span in re.finditer(r"(?<!`)`([^`]+)`", plain):
            spans.append((plain.count("\n", 0, span.start()) + 1, span.group(1)))
        for line, span in spans:
            problem = self.span_problem(span)
            if problem:
                yield f"{self.path}:{line}: `{span}`: {problem}"
        for link in re.finditer(r"\]\(([^)#]+)\)", plain):
            if "://" not in link.group(1) and not os.path.exists(os.path.join(self.folder, link.group(1))):
                line = plain.count("\n", 0, link.start()) + 1
                yield f"{self.path}:{line}: the link leads nowhere: {link.group(1)}"


def ignored(path):
    if re.search(r"[*~]|\.\./", path):
        return False
    return subprocess.run(["git", "check-ignore", "-q", path], check=False).returncode == 0


def main():
    os.chdir(sys.argv[1] if len(sys.argv) > 1 else ".")
    tree = Tree()
    pages = [path for path in tree.files if posixpath.basename(path) in ("README.md", "CONTRIBUTING.md")]
    found = [problem for path in pages for problem in Page(tree, path).problems()]
    print("\n".join(found) if found else f"every name in {len(pages)} pages exists")
    sys.exit(1 if found or not pages else 0)


main()
