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
FORMATS = ("bf16", "fp8", "int8", "int4", "autoround", "sdnq4", "sdnq5")
STEPS = [f"step<{f}, {c}>" for f in FORMATS for c in (1, 2)]
DECODER = [f"modulate<{v}>" for v in (1, 2, 4)] + ["heads", "chunk", "group_norm"]
KERNELS = STEPS + DECODER + ["sample", "picture"]

# Of a multiprocessor by architecture: shared memory in KB. A step's blocks share it, or the launch is refused.
SHARED_KB = {"80": 164, "86": 100, "89": 100, "90a": 228, "100a": 228, "120a": 100}
REGISTERS, RESERVED = 65536, 1024  # RESERVED: bytes of shared memory that the system takes of each block


def cuobjdump(nvcc):
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    places = [os.path.dirname(nvcc), os.path.join(root, ".deps/cuda-tools/nvidia/cu13/bin")]
    for path in [os.environ.get("PATH", "")] + places:
        found = shutil.which("cuobjdump", path=path)
        if found and shutil.which("nvdisasm", path=os.path.dirname(found)):
            return found
    return None


def short(symbol):
    """step<bf16, 1> of the mangled name."""
    if m := re.search(r"step_kernel\w*?\d(Bf16|Fp8|Int8|Int4|AutoRound|Sdnq4|Sdnq5)FormatELi(\d)", symbol):
        return f"step<{m[1].lower()}, {m[2]}>"
    if m := re.search(r"\d(modulate)_kernelILi(\d)", symbol):
        return f"{m[1]}<{m[2]}>"
    if m := re.search(r"\d(sample|heads|chunk|picture|group_norm)_kernel", symbol):
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
    if kernel in DECODER:
        if not has(texts, r"\bLDG\b.*\.128\b"):
            yield f"{name}: expected to read by 16 bytes (LDG….128), found no such instruction"
        if kernel != "chunk" and not has(texts, r"\bSTG\b.*\.128\b"):
            yield f"{name}: expected to write by 16 bytes (STG….128), found no such instruction"
    if not kernel.startswith("step"):
        return
    inner = [loop for loop in loops(instructions) if has(loop, r"\bHMMA\b.*\bBF16\b") and has(loop, r"\bLDGSTS\b")]
    inner = min(inner, key=len, default=[])
    if not inner:
        yield f"{name}: expected a loop of tensor-core products of bf16 (HMMA) that queues weights (LDGSTS), found none"
    elif not has(inner, r"\bLDGSTS\b.*\.128\b"):
        yield f"{name}: expected the products' loop to queue weights by 16 bytes (LDGSTS….128), found none there"
    if has(inner, r"\b(I2F|MUFU)\b"):
        yield f"{name}: a division by a number that isn't constant in the products' loop"


def check_residency(arch, threads, shared, resources):
    for kernel in STEPS:
        registers = (resources.get((f"sm_{arch}", kernel), {}).get("REG", 0) + 7) // 8 * 8 * threads
        for what, needed, there in (("registers", registers, REGISTERS),
                                    ("bytes of shared memory", shared + RESERVED, SHARED_KB[arch] << 10)):
            if needed > there:
                yield f"sm_{arch} {kernel}: a block needs {needed} {what} of {there}"


def main():
    library, program, architectures, nvcc = sys.argv[1:]
    tool = cuobjdump(nvcc)
    if tool is None:
        print("skipped: no cuobjdump with nvdisasm on PATH, beside nvcc or in .deps/cuda-tools (third_party/install.sh --tests)")
        return 77
    dump = lambda what: subprocess.run([tool, what, library], check=True, capture_output=True, text=True).stdout
    resources = parse_resources(dump("--dump-resource-usage"))
    instructions = parse_instructions(dump("-sass"))
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
    names = [arch.removeprefix("sm_") for arch in wanted]
    for line in subprocess.run([program, *names], check=True, capture_output=True, text=True).stdout.splitlines():
        arch, threads, shared = line.split()
        if arch in SHARED_KB:
            problems += check_residency(arch, int(threads), int(shared), resources)

    for kernel in KERNELS:
        print(f"{kernel:16} registers", *(f"{a} {resources.get((a, kernel), {}).get('REG')}" for a in wanted))
    print(f"{size} bytes, {len(resources)} kernels")
    print(*problems, sep="\n")
    return 1 if problems else 0


sys.exit(main())
