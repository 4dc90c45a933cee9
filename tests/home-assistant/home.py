"""The programs under test and what they need: mosquitto, the simulated home, the daemon."""

import asyncio
import ctypes
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from decimal import Decimal
from pathlib import Path

import aiohttp

HERE = Path(__file__).resolve().parent
TEMPLATE = HERE.parent / "sim" / "household"


# Days of readings before the test begins, and appliances that are found in them.
DAYS = 10
APPLIANCES = 3
# Gas and water, heard through a receiver that is a program.
AIR = """
[[receiver]]
name = "air"
port = "exec:{sim} air"
kind = "hex"

[[meter]]
name = "gas"
medium = "gas"
protocol = "wmbus"
id = "11111111"

[[meter]]
name = "water"
medium = "water"
protocol = "wmbus"
id = "22222222"
"""


# A plug behind a simulated Zigbee stick, the first device of the stick's home.
PLUG = "00124b0000000001"
ZIGBEE = f"""
[zigbee]
port = "{{stick}}"

[[meter]]
name = "plug"
protocol = "zigbee"
id = "{PLUG}"
role = "submeter"
"""


class Failed(Exception):
    """Something without which there is nothing to look at."""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


async def until(what, seconds, condition, every=0.25):
    """Waits until `condition()`, a coroutine, is true; how long it took, or None for too long."""
    began = time.monotonic()
    while True:
        if await condition():
            return time.monotonic() - began
        if time.monotonic() - began > seconds:
            return None
        await asyncio.sleep(every)


async def need(what, seconds, condition):
    """As `until`, for things that the rest builds on."""
    took = await until(what, seconds, condition)
    if took is None:
        raise Failed(f"not within {seconds} s: {what}")
    return took


def end_with_parent():
    """Runs in the child: the kernel ends it should this program be killed."""
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)


class Program:
    """A child process that can be started again. Its output is added to one log."""

    running = []

    def __init__(self, folder, name, argv, env=None):
        self.name, self.argv, self.env = name, [str(word) for word in argv], env
        self.log = folder / f"{name}.log"
        self.child = None

    def start(self):
        with open(self.log, "ab") as log:
            self.child = subprocess.Popen(
                self.argv, stdin=subprocess.PIPE, stdout=log, stderr=log,
                env=self.env, start_new_session=True, preexec_fn=end_with_parent)
        Program.running.append(self)

    def alive(self):
        return self.child is not None and self.child.poll() is None

    async def stop(self, sent=signal.SIGTERM, patience=30):
        """Sends a signal and waits for the end."""
        if self.alive():
            self.child.send_signal(sent)
            took = await until(f"{self.name} ends", patience, self.has_ended, every=0.05)
            if took is None:
                self.child.kill()
                self.child.wait()
        if self in Program.running:
            Program.running.remove(self)

    async def has_ended(self):
        return not self.alive()

    def says(self, words):
        return self.log.exists() and words in self.log.read_text(errors="replace")

    def tail(self, lines=15):
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return "\n".join("   | " + line for line in text.splitlines()[-lines:])

    @classmethod
    def ended_by_themselves(cls):
        """Names of those that were not stopped here and yet have ended, with their status."""
        return [f"{program.name} ({program.child.returncode})"
                for program in cls.running if not program.alive()]

    @classmethod
    async def stop_all(cls):
        for program in reversed(list(cls.running)):
            await program.stop(patience=10)


class Home:
    """Broker, simulated meters and daemon in one folder."""

    def __init__(self, folder, bin_dir):
        self.folder = folder
        self.mqtt_port = free_port()
        self.socket = folder / "api.sock"
        ports = folder / "ports"

        mosquitto = shutil.which("mosquitto", path=os.environ["PATH"] + ":/usr/sbin")
        if mosquitto is None:
            raise Failed("mosquitto is not installed: apt-get install mosquitto")
        conf = folder / "mosquitto.conf"
        # Nothing is kept over a restart of the broker: the harder case.
        conf.write_text(f"listener {self.mqtt_port} 127.0.0.1\n"
                        "allow_anonymous true\npersistence false\n")
        self.broker = Program(folder, "mosquitto", [mosquitto, "-c", conf])

        self.meters = Program(folder, "meters",
                              [bin_dir / "wattle-sim", "household", "--dir", ports])

        self.stick = Program(folder, "stick", [bin_dir / "wattle-sim-zigbee",
                                               "--pty", ports / "stick", "--devices", "1"])

        config = (TEMPLATE / "wattle.toml").read_text()
        shutil.copy(TEMPLATE / "tariff.toml", folder / "tariff.toml")
        for mark, path in (("@PORTS@", ports), ("@STATE@", folder / "state"),
                           ("@SOCKET@", self.socket)):
            config = config.replace(mark, str(path))
        config += f'\n[mqtt]\nhost = "127.0.0.1"\nport = {self.mqtt_port}\n'
        config += 'modes = ["home-assistant", "dsmr"]\n'
        config += 'commands = ["switch", "permit-join"]\n'
        config += AIR.format(sim=bin_dir / "wattle-sim")
        config += ZIGBEE.format(stick=ports / "stick")
        self.history = [bin_dir / "examples" / "lived_in", folder / "state", DAYS]
        (folder / "wattle.toml").write_text(config)
        self.daemon = Program(folder, "wattle",
                              [bin_dir / "wattle", "run", "--config", folder / "wattle.toml"])

    async def start(self):
        await self.start_broker()
        self.meters.start()
        self.stick.start()
        print(f"-- making {DAYS} days of readings, so that appliances are known", flush=True)
        (self.folder / "state").mkdir()
        await asyncio.to_thread(subprocess.run, [str(word) for word in self.history], check=True)

        async def meters_ready():
            return self.meters.says('"ready":true') and self.stick.says('"ready":true')
        await need("the simulated meters start", 20, meters_ready)
        self.daemon.start()

        async def joins():
            return await self.post("/api/v1/zigbee/join", {"seconds": 200})
        await need("the Zigbee network lets the plug in", 60, joins)

        async def all_heard():
            if not self.daemon.alive():
                raise Failed(f"the daemon has ended:\n{self.daemon.tail()}")
            meters = (await self.state() or {}).get("meters", [])
            return len(meters) == 5 and all(meter["registers"] for meter in meters)
        await need("the daemon reads all meters", 60, all_heard)

        async def known():
            appliances = (await self.state() or {}).get("appliances") or {}
            return len(appliances.get("appliances", [])) >= APPLIANCES
        await need(f"{APPLIANCES} appliances are known", 240, known)

    async def start_broker(self):
        self.broker.start()

        async def listens():
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", self.mqtt_port)
                writer.close()
                return True
            except OSError:
                return False
        await need("mosquitto listens", 10, listens)

    async def cable(self, verb, meter):
        """Pulls a meter's cable (`unplug`) or puts it back (`plug`)."""
        order = f"{verb} {meter}"
        done = json.dumps({"done": order}, separators=(",", ":"))
        before = self.meters.log.read_text().count(done)
        self.meters.child.stdin.write(f"{order}\n".encode())
        self.meters.child.stdin.flush()

        async def carried_out():
            return self.meters.log.read_text().count(done) > before
        await need(order, 5, carried_out)

    async def post(self, path, body):
        """Asks the API for something; whether it was done."""
        try:
            connector = aiohttp.UnixConnector(path=str(self.socket))
            async with aiohttp.ClientSession(connector=connector) as session:
                async with session.post(f"http://wattle{path}", json=body) as answer:
                    return answer.status < 300
        except (aiohttp.ClientError, OSError):
            return False

    async def state(self):
        """What the API says now, with exact numbers; None while it does not answer."""
        try:
            connector = aiohttp.UnixConnector(path=str(self.socket))
            async with aiohttp.ClientSession(connector=connector) as session:
                async with session.get("http://wattle/api/v1/state") as answer:
                    answer.raise_for_status()
                    return json.loads(await answer.text(), parse_float=Decimal)
        except (aiohttp.ClientError, OSError):
            return None
