#!/usr/bin/env python3
"""What termineter and tshark say of the simulated ANSI meter and of our messages.

    probe.py DEBUG-FOLDER TERMINETER

Prints a line for each thing that is right and ends with 1 at the first that is not.
"""
import json
import os
import struct
import subprocess
import sys
import tempfile
import time

import serial
from c1218.connection import Connection
from c1218.errors import C1218ReadTableError
from c1219.access.general import C1219GeneralAccess

KEY = "01020304050607080102030405060708"
BASE = "2.16.124.113620.1.22.0"
# Sunday 2023-01-01 00:00 UTC+1: the simulated meters stood at zero.
INSTALLED = 1_672_527_600
LINE = {
    "parity": serial.PARITY_NONE, "baudrate": 9600, "bytesize": serial.EIGHTBITS, "xonxoff": False,
    "interCharTimeout": None, "rtscts": False, "timeout": 2, "stopbits": serial.STOPBITS_ONE,
    "dsrdtr": False, "writeTimeout": None,
}


def check(what, got, want):
    if got != want:
        sys.exit(f"FAILED: {what}: {got!r}, and not {want!r}")
    print(f"ok: {what}")


class Meter:
    """A simulated meter behind a pty, while the block runs."""

    def __init__(self, debug, folder, *options):
        self.port = os.path.join(folder, "ansi")
        self.command = [os.path.join(debug, "wattle-sim"), "ansi", "--pty", self.port, *options]

    def __enter__(self):
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(self.command, stdin=pipe, stdout=pipe, text=True)
        check("the meter is ready", json.loads(self.process.stdout.readline())["ready"], True)
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(10)


def read(meter, big_endian):
    """termineter's libraries read tables of every kind."""
    line = Connection(meter.port, serial_settings=LINE)
    check("identify and negotiate", line.start(), True)
    check("logon and security", line.login("reader", 2, "SECRET"), True)
    general = C1219GeneralAccess(line)
    found = (general.manufacturer, general.ed_model, general.mfg_serial_no, general.device_id)
    check("identity", found, ("WSM", "SIM-18", "1234567890", "SIMULATED METER"))
    check("byte order", line.get_table_data(0)[0] & 1, int(big_endian))
    table = line.get_table_data(23)
    check("table 23 has its length", len(table), 22)
    number = int.from_bytes(table[1:7], "big" if big_endian else "little")
    # No home draws less than 50 W or more than 20 kW for years.
    hours = (time.time() - INSTALLED) / 3600
    check("the register is plausible", 50 * hours < number < 20_000 * hours, True)
    profile = line.get_table_data(64)
    check("a table of many packets", len(profile), 8 * (5 + 96 * 6))
    check("part of a table", line.get_table_data(64, 60, 1000), profile[1000:1060])
    try:
        line.get_table_data(99)
        sys.exit("FAILED: table 99 is there")
    except C1218ReadTableError as error:
        check("a table that is not there", error.code, 4)
    line.set_table_data(7, b"\x00\x00\x01")
    print("ok: a write")
    check("terminate", line.stop(), True)
    line.close()


def console(meter, termineter):
    """termineter itself, as one uses it."""
    commands = (
        f"set SERIAL_CONNECTION {meter.port}\nset USERNAME reader\nset USER_ID 2\n"
        "set PASSWORD SECRET\nset PASSWORD_HEX false\nconnect\nuse get_info\nrun\nexit\n"
    )
    run = subprocess.run([termineter], input=commands, capture_output=True, text=True, timeout=120)
    for part in ("WSM", "SIM-18", "1234567890"):
        check(f"termineter shows {part}", part in run.stdout, True)


def capture(path, messages):
    """A pcap file of one UDP datagram to port 1153 for each message."""
    with open(path, "wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101))
        for message in messages:
            udp = struct.pack(">HHHH", 40000, 1153, 8 + len(message), 0) + message
            home = bytes([127, 0, 0, 1])
            head = (0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, home, home)
            packet = struct.pack(">BBHHHBBH4s4s", *head) + udp
            file.write(struct.pack("<IIII", 0, 0, len(packet), len(packet)) + packet)


def tshark(path, key):
    fields = ("c1222.crypto_good", "c1222.cmd", "c1222.err", "_ws.expert.message", "_ws.malformed")
    command = ["tshark", "-r", path, "-o", f"c1222.baseoid:{BASE}", "-o", "c1222.decrypt:TRUE"]
    command += ["-o", f'uat:c1222_decryption_table:"2",{key}', "-T", "fields"]
    for field in fields:
        command += ["-e", field]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    return [line.split("\t") for line in run.stdout.splitlines()]


def messages(debug, folder):
    example = os.path.join(debug, "examples", "c1222_messages")
    run = subprocess.run([example], capture_output=True, text=True, timeout=30, check=True)
    path = os.path.join(folder, "c1222.pcap")
    capture(path, [bytes.fromhex(line) for line in run.stdout.split()])
    asked = "0x50,0x51,0x30,0x3f,0x70"
    check("tshark decodes our messages and finds their EAX' checks right", tshark(path, KEY), [
        ["", asked, "", "", ""],
        ["1", asked, "", "", ""],
        ["1", asked, "", "", ""],
        ["1", "", "0x00", "", ""],
        ["1", "", "0x00,0x00,0x00,0x00,0x00", "", ""],
    ])
    wrong = [row[0] for row in tshark(path, "5a" * 16)]
    check("and wrong with another key", wrong, ["", "0", "0", "0", "0"])


def main():
    debug, termineter = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        for big_endian in (False, True):
            with Meter(debug, folder, *(["--big-endian"] if big_endian else [])) as meter:
                read(meter, big_endian)
        with Meter(debug, folder) as meter:
            console(meter, termineter)
        messages(debug, folder)
    print("termineter and tshark agree with us")


if __name__ == "__main__":
    main()
