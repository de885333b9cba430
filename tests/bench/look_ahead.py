"""How many tokens a pass look-ahead writes, and how long they take, on the CPU with a checkpoint of your own.

  look_ahead.py PROGRAM CHECKPOINT [--size WxH] [--seeds N] [--prompt TEXT ...] [--rows off 4 8 16 auto]

Every picture is drawn in one step and thrown away. A row is printed for each prompt's and seed's --look-ahead, and the
medians at the end. The tokens are compared: look-ahead may change none.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile

PROMPTS = ["a red apple on a table", 'A poster that says "OPEN 24 HOURS"', "two blue cars in the snow"]


def tokens_of(dump):
    """The bytes of ar.generated in a safetensors file."""
    with open(dump, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        begin, end = json.loads(file.read(length))["ar.generated"]["data_offsets"]
        file.seek(8 + length + begin)
        return file.read(end - begin)


def draw(arguments, prompt, seed, rows, folder):
    dump = os.path.join(folder, "dump.safetensors")
    run = subprocess.run(
        [arguments.program, "generate", prompt, "-m", arguments.checkpoint, "--device", "cpu", "--steps", "1", "-s", str(seed),
         "--size", arguments.size, "--look-ahead", rows, "--json", "-y", "-o", os.path.join(folder, "picture.png"), "--dump", dump],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    if run.returncode != 0:
        sys.exit(run.stderr)
    said = json.loads(run.stdout)
    return said["tokens"], said["token_passes"], said["seconds"]["tokens"], tokens_of(dump)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("checkpoint")
    parser.add_argument("--size", default="auto")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--prompt", nargs="+", default=PROMPTS)
    parser.add_argument("--rows", nargs="+", default=["off", "2", "4", "8", "16", "auto"])
    arguments = parser.parse_args()
    a_pass, seconds = {}, {}
    with tempfile.TemporaryDirectory() as folder:
        for prompt in arguments.prompt:
            for seed in range(arguments.seeds):
                first = None
                for rows in arguments.rows:
                    tokens, passes, took, written = draw(arguments, prompt, seed, rows, folder)
                    first = first or written
                    if written != first:
                        sys.exit(f"the tokens of seed {seed} with --look-ahead {rows} are others")
                    a_pass.setdefault(rows, []).append((tokens - 1) / passes)
                    seconds.setdefault(rows, []).append(took)
                    print(f"{prompt[:30]:30} seed {seed} {rows:>4}: {passes:5} passes, {a_pass[rows][-1]:5.2f} tokens a pass, {took:.3f} s",
                          flush=True)
    print("\n| --look-ahead | tokens a pass | seconds |\n|---|---|---|")
    for rows in arguments.rows:
        print(f"| {rows} | {statistics.median(a_pass[rows]):.2f} | {statistics.median(seconds[rows]):.3f} |")


if __name__ == "__main__":
    main()
