#!/usr/bin/env python3
"""The device code that was built: what its registers, memory and instructions say about its speed, without a GPU.

  device_code_test.py libglm_cuda.so SHARED_MEMORY_PROGRAM ARCHITECTURES NVCC

Status 77, with the reason, where there is no cuobjdump.
"""
import os
import re
import shutil
import subprocess
import sys

LARGEST_LIBRARY = 4 << 20  # bytes
KERNELS = [f"linear<{f}, {c}>" for f in ("bf16", "fp8", "int8", "int4") for c in (1, 2)]
KERNELS += ["attention", "norm<4>", "norm<8>", "sample"]
TENSOR_CORE = [k for k in KERNELS if k.startswith("linear") or k == "attention"]

# Blocks that share a multiprocessor of an H100 as planned. What doesn't fit begins when another block has ended, so that
# memory waits. A product's launch is named by its format and the width of x; kernels<…, 1> have up to 8 rows.
ON_H100 = [
    ("the next product fills its queue while attention runs and a product ends", ["bf16-4096", "bf16-4096", "attention"]),
    ("likewise between layers, beside the widest x", ["bf16-13696", "bf16-4096", "norm"]),
]
for narrow in ("fp8", "int8", "int4"):
    ON_H100 += [
        ("narrow formats have two blocks a processor, and attention comes beside them", [narrow + "-4096"] * 2 + ["attention"]),
        ("likewise a norm, beside the widest x", [narrow + "-13696"] * 2 + ["norm"]),
    ]
REGISTERS, THREADS, SHARED = 65536, 2048, 228 << 10
RESERVED = 1024  # bytes of shared memory that the system takes of each block


def cuobjdump(nvcc):
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    places = [os.path.dirname(nvcc), os.path.join(root, ".deps/cuda-tools/nvidia/cu13/bin")]
    for path in [os.environ.get("PATH", "")] + places:
        found = shutil.which("cuobjdump", path=path)
        if found and shutil.which("nvdisasm", path=os.path.dirname(found)):
            return found
    return None


def short(symbol):
    """linear<bf16, 1> of the mangled name."""
    if m := re.search(r"linear_kernel\w*?(Bf16|Fp8|Int8|Int4)FormatELi(\d)", symbol):
        return f"linear<{m[1].lower()}, {m[2]}>"
    if m := re.search(r"norm_kernelILi(\d)", symbol):
        return f"norm<{m[1]}>"
    if m := re.search(r"\d(attention|sample)_kernel", symbol):
        return m[1]
    return symbol


def parse_resources(text):
    """{(architecture, kernel): {"REG": …, "STACK": …, …}}"""
    found, arch, kernel = {}, None, None
    for line in text.splitlines():
        if m := re.match(r"arch = (\S+)", line):
            arch = m[1]
        elif m := re.match(r" *Function (\S+?):?$", line):
            kernel = short(m[1])
        elif "REG:" in line:
            found[arch, kernel] = {name: int(value) for name, value in re.findall(r"\b([A-Z]+):(\d+)", line)}
    return found


def parse_instructions(text):
    """{(architecture, kernel): [(address, instruction), …]}"""
    found, arch, kernel = {}, None, None
    for line in text.splitlines():
        if m := re.match(r"arch = (\S+)", line):
            arch = m[1]
        elif m := re.match(r"\s*Function : (\S+)", line):
            kernel = found.setdefault((arch, short(m[1])), [])
        elif m := re.match(r"\s*/\*([0-9a-f]{4,})\*/\s+([^;]+);", line):
            kernel.append((int(m[1], 16), m[2].strip()))
    return found


def loops(instructions):
    """The instructions of each loop: what a branch back encloses."""
    for at, text in instructions:
        target = re.search(r"\bBRA\b.*\b0x([0-9a-f]+)$", text)
        if target and int(target[1], 16) < at:
            yield [t for a, t in instructions if int(target[1], 16) <= a <= at]


def has(instructions, pattern):
    return any(re.search(pattern, text) for text in instructions)


def check_kernel(name, kernel, resources, instructions):
    """What is wrong with a kernel, in sentences."""
    for kind in ("STACK", "LOCAL"):
        if resources.get(kind) != 0:
            yield f"{name}: expected {kind}:0, found {resources.get(kind)} bytes: a local array or spilled registers"
    texts = [text for _, text in instructions]
    if has(texts, r"\b(LDL|STL)\b"):
        yield f"{name}: reads or writes local memory"
    if kernel in TENSOR_CORE and not has(texts, r"\bHMMA\b.*\bBF16\b"):
        yield f"{name}: expected tensor-core products of bf16 (HMMA), found none"
    if kernel.startswith("linear"):
        inner = [loop for loop in loops(instructions) if has(loop, r"\bHMMA\b")]
        inner = min(inner, key=len, default=[])
        if not has(inner, r"\bLDGSTS\b.*\.128\b"):
            yield f"{name}: expected the products' loop to queue weights by 16 bytes (LDGSTS….128), found none there"
        if has(inner, r"\b(I2F|MUFU)\b"):
            yield f"{name}: a division by a number that isn't constant in the products' loop"


def check_residency(launches, resources):
    for reason, blocks in ON_H100:
        registers = threads = shared = 0
        for block in blocks:
            kernel = {"attention": "attention", "norm": "norm<4>"}.get(block, f"linear<{block.split('-')[0]}, 1>")
            block_threads, block_shared = launches[block]
            used = resources.get(("sm_90a", kernel), {}).get("REG", 0)
            registers += (used + 7) // 8 * 8 * block_threads  # a warp gets them by 256
            threads += block_threads
            shared += block_shared + RESERVED
        for what, needed, there in (("registers", registers, REGISTERS), ("threads", threads, THREADS),
                                    ("bytes of shared memory", shared, SHARED)):
            if needed > there:
                yield f"sm_90a: {' + '.join(blocks)} need {needed} {what} of {there} ({reason})"


def main():
    library, program, architectures, nvcc = sys.argv[1:]
    tool = cuobjdump(nvcc)
    if tool is None:
        print("skipped: no cuobjdump with nvdisasm on PATH, beside nvcc or in .deps/cuda-tools (third_party/install.sh --tests)")
        return 77
    dump = lambda what: subprocess.run([tool, what, library], check=True, capture_output=True, text=True).stdout
    resources = parse_resources(dump("--dump-resource-usage"))
    instructions = parse_instructions(dump("-sass"))
    launches = {name: (int(threads), int(shared)) for name, threads, shared in
                (line.split() for line in subprocess.run([program], check=True, capture_output=True, text=True).stdout.splitlines())}

    problems = []
    size = os.path.getsize(library)
    if size > LARGEST_LIBRARY:
        problems.append(f"{library}: expected at most {LARGEST_LIBRARY} bytes, found {size}")
    wanted = ["sm_" + a.removesuffix("-real") for a in re.split("[;,]", architectures) if re.match(r"\d+[a-z]?(-real)?$", a)]
    wanted = wanted or sorted({arch for arch, _ in resources})  # "native" and its like
    for arch in wanted:
        for kernel in KERNELS:
            if (arch, kernel) not in resources or not instructions.get((arch, kernel)):
                problems.append(f"{arch} {kernel}: not in the library")
    for (arch, kernel), used in resources.items():
        problems += check_kernel(f"{arch} {kernel}", kernel, used, instructions.get((arch, kernel), []))
    if "sm_90a" in wanted:
        problems += check_residency(launches, resources)

    for kernel in KERNELS:
        print(f"{kernel:16} registers", *(f"{a} {resources.get((a, kernel), {}).get('REG')}" for a in wanted))
    print(f"{size} bytes, {len(resources)} kernels")
    print(*problems, sep="\n")
    return 1 if problems else 0


sys.exit(main())
