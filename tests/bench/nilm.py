"""Processor time, time and memory of `wattle nilm replay`, and of other programs on the same files.

nilm.py WATTLE [BASELINES.py CORPUS]
"""

import glob
import os
import random
import subprocess
import sys
import tempfile
import time

DAYS = 30
DAY = 86_400
OWNED = "fridge,kettle,dishwasher,washing_machine,microwave,shower"


def run(command):
    """Seconds, processor seconds and peak megabytes of a command."""
    begun = time.monotonic()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(child.pid, 0)
    if status != 0:
        raise SystemExit(f"{' '.join(command)}: ended with {status}")
    return time.monotonic() - begun, used.ru_utime + used.ru_stime, used.ru_maxrss / 1000


def month(path):
    """A generated month of a home, one row a second: noise, a fridge and loads of an evening."""
    chance = random.Random(1)
    with open(path, "w", encoding="ascii") as out:
        out.write("ts,aggregate_w\n")
        for day in range(DAYS):
            power = [150.0] * DAY
            for start in range(chance.randrange(2000), DAY, 3300):
                for second in range(start, min(start + 1200, DAY)):
                    power[second] += 85
            loads = [(chance.randrange(DAY - 200), 150, 2150) for _ in range(6)]
            loads += [(chance.randrange(DAY - 200), 100, 1250) for _ in range(3)]
            loads += [(chance.randrange(DAY - 400), 360, 8500)]
            wash = chance.randrange(DAY - 6000)
            loads += [(wash, 900, 2000), (wash + 2400, 600, 2000)]
            for start, length, watts in loads:
                for second in range(start, start + length):
                    power[second] += watts
            for second, watts in enumerate(power):
                noise = chance.gauss(0, 4)
                out.write(f"{1_700_000_000 // DAY * DAY + day * DAY + second},{watts + noise:.1f}\n")


def told(what, seconds, cpu, memory):
    print(f"{what:52} {seconds:7.1f} s, processor {cpu:7.1f} s, {memory:6.1f} MB", flush=True)


def main():
    wattle, given = sys.argv[1], sys.argv[2:]
    print("load of the machine:", *os.getloadavg(), f"on {os.cpu_count()} processors")
    with tempfile.TemporaryDirectory() as folder:
        rows = os.path.join(folder, "month.csv")
        month(rows)
        replay = [wattle, "nilm", "replay", "--appliances", OWNED, "--out", os.devnull, "--in"]
        seconds, cpu, memory = run([*replay, rows])
        told(f"{DAYS} generated days of 1 s data", seconds, cpu, memory)
        print(f"  live at 1 Hz: {100 * cpu / (DAYS * DAY):.4f} % of a core, everything included")
        print(f"  a day with its re-fit: {cpu / DAYS:.2f} s")
        if not given:
            return
        baselines, corpus = given
        for home in sorted(glob.glob(os.path.join(corpus, "*_60s.csv.gz"))):
            name = os.path.basename(home)
            told(f"{name} wattle", *run([*replay, home]))
            for method in ("mean", "hart", "co", "rf", "fhmm"):
                only = ["--only", name.split(".")[0], "--method", method, "--period", "60"]
                command = [sys.executable, baselines, "--corpus", corpus, "--out", folder, *only]
                told(f"{name} {method}, fitted and decoded", *run(command))


main()
