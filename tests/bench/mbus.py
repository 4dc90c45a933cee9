"""Runs the readers of wireless M-Bus telegrams over the same files: see tests/bench/mbus."""

import gzip
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from decimal import Decimal

SLICE = 2_000


def measure(command, out):
    """User and system seconds, peak memory in MB."""
    peak = 0
    with open(out, "wb") as stdout:
        child = subprocess.Popen(command, stdout=stdout, stderr=subprocess.DEVNULL)
        # The kernel's own maximum of a child begins with what this interpreter holds: its status is asked
        # while it runs.
        while True:
            ended, status, used = os.wait4(child.pid, os.WNOHANG)
            if ended:
                break
            with open(f"/proc/{child.pid}/status", encoding="ascii") as lines:
                told = (line.split()[1] for line in lines if line.startswith("VmHWM:"))
                peak = max(peak, int(next(told, 0)))
            time.sleep(0.0005)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        sys.exit(f"{command[0]} ended with {child.returncode}")
    return used.ru_utime + used.ru_stime, peak / 1000


def instructions(command):
    if not shutil.which("valgrind"):
        return None
    with tempfile.TemporaryDirectory() as folder:
        counts = os.path.join(folder, "counts")
        subprocess.run(
            ["valgrind", "--tool=callgrind", f"--callgrind-out-file={counts}", *command],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True,
        )
        with open(counts, encoding="utf-8", errors="replace") as lines:
            return next(int(line.split()[1]) for line in lines if line.startswith(("totals:", "summary:")))


def objects(path):
    with open(path, encoding="utf-8", errors="replace") as lines:
        return [json.loads(line, parse_float=Decimal, parse_int=Decimal) for line in lines if line.startswith("{")]


def compare(ours, theirs):
    if [one["name"] for one in ours] != [one["name"] for one in theirs]:
        sys.exit(f"wattle printed {len(ours)} objects, wmbusmeters {len(theirs)}, or of other meters")
    numbers = 0
    for one, other in zip(ours, theirs):
        for key, value in other.items():
            if isinstance(value, Decimal) and key in one:
                numbers += 1
                if one[key] != value:
                    sys.exit(f"{one['name']}: {key} is {one[key]} and {value}")
    print(f"  wattle and wmbusmeters: {len(ours)} objects, {numbers} numbers, all equal")


def main():
    corpus, runs, wattle, parser, peer = sys.argv[1], int(sys.argv[2]), *sys.argv[3:6]
    os.environ["TZ"] = "UTC"
    with open(f"{corpus}/household_wattle_args.txt", encoding="utf-8") as text:
        ours = [wattle, "decode", "wmbus", "--format", "wmbusmeters", "--only-configured", *text.read().split()]
    with open(f"{corpus}/household_args.txt", encoding="utf-8") as text:
        household = text.read().split()
    with tempfile.TemporaryDirectory() as folder:
        for name in ("household", "neighbourhood"):
            file, short = f"{folder}/simulation_{name}.txt", f"{folder}/simulation_{name}_short.txt"
            with gzip.open(f"{corpus}/simulation_{name}_20k.txt.gz", "rt") as packed:
                lines = packed.readlines()
            for path, some in ((file, lines), (short, lines[:SLICE])):
                with open(path, "w", encoding="utf-8") as text:
                    text.writelines(some)
            programs = {"wattle": lambda path: [*ours, path]}
            if peer:
                programs["wmbusmeters"] = lambda path: [
                    peer, "--format=json", "--ignoreduplicates=false", path, *household,
                ]
            programs["m-bus-parser"] = lambda path: [parser, path]
            print(f"{name}: {len(lines)} telegrams, {runs} runs in turn")
            taken = {program: [] for program in programs}
            for _ in range(runs):
                for program, command in programs.items():
                    taken[program].append(measure(command(file), f"{folder}/{program}"))
            for program, command in programs.items():
                seconds = statistics.median(second for second, _ in taken[program])
                memory = max(memory for _, memory in taken[program])
                # What starting up costs is taken off.
                one = f"{folder}/simulation_one.txt"
                with open(one, "w", encoding="utf-8") as text:
                    text.writelines(lines[:1])
                counted, start = instructions(command(short)), instructions(command(one))
                each = f"{(counted - start) // (SLICE - 1):>9} instructions each" if counted and start else ""
                print(
                    f"  {program:<13} {seconds:6.3f} s of processor time, {len(lines) / seconds:>9.0f} telegrams/s, "
                    f"{memory:5.1f} MB, {each}"
                )
            if peer:
                compare(objects(f"{folder}/wattle"), objects(f"{folder}/wmbusmeters"))


main()
