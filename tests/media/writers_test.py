"""Programs that write to one media store at once, and programs that are killed while they write.

writers_test.py media_writer two SECONDS     two programs write for so long; nothing is lost
writers_test.py media_writer killed TIMES    a program is killed at so many random points
"""
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time

WRITER = sys.argv[1]
BYTES = 30_000


def start(folder, count):
    return subprocess.Popen([WRITER, folder, str(count), str(BYTES)], stdout=subprocess.PIPE, text=True)


def kept(output):
    """The UUIDs of pictures, and of finished tasks, that a writer has told. A line without its end doesn't count."""
    lines = [line.split() for line in output.split("\n")[:-1]]
    return {a for a, b in lines if a != "done"}, {b for a, b in lines if a == "done"}


def check(folder, pictures, tasks):
    assert subprocess.run([WRITER, folder, "0", "0"], check=False).returncode == 0  # opens the store
    index = sqlite3.connect(os.path.join(folder, "index.sqlite"))
    lines = {uuid for (uuid,) in index.execute("SELECT uuid FROM pictures")}
    index.close()
    files = {name[:-4] for name in os.listdir(folder) if name.endswith(".png")}
    assert lines == files, f"lines without files: {lines - files}, files without lines: {files - lines}"
    assert pictures <= files, f"lost: {pictures - files}"
    for uuid in files:
        with open(os.path.join(folder, uuid + ".png"), "rb") as file:
            assert file.read() == uuid[0].encode() * BYTES, f"{uuid} isn't whole"
    for uuid in tasks:
        with open(os.path.join(folder, "tasks", uuid + ".json"), encoding="utf-8") as file:
            record = json.load(file)
        assert record["finished"] and record["content"] == "done", record
    return len(files)


def two(folder, seconds):
    writers = [start(folder, 10**9), start(folder, 10**9)]
    time.sleep(seconds)
    outputs = []
    for writer in writers:
        writer.send_signal(signal.SIGTERM)
    for writer in writers:
        outputs.append(writer.communicate()[0])
    pictures, tasks = set(), set()
    for output in outputs:
        own_pictures, own_tasks = kept(output)
        assert len(own_pictures) > 2 * seconds, f"only {len(own_pictures)} pictures of a writer"
        pictures |= own_pictures
        tasks |= own_tasks
    print(f"{check(folder, pictures, tasks)} pictures of two programs in {seconds} s")


def killed(folder, times):
    random.seed(7)
    all_pictures, all_tasks = set(), set()
    for _ in range(times):
        writer = start(folder, 10**9)
        time.sleep(random.uniform(0.002, 0.12))
        writer.kill()
        pictures, tasks = kept(writer.communicate()[0])
        all_pictures |= pictures
        all_tasks |= tasks
        check(folder, all_pictures, all_tasks)
    assert len(all_pictures) > times, f"only {len(all_pictures)} pictures were written"
    print(f"{len(all_pictures)} pictures, {times} programs killed, none lost")


with tempfile.TemporaryDirectory() as made:
    {"two": two, "killed": killed}[sys.argv[2]](os.path.join(made, "media"), int(sys.argv[3]))
