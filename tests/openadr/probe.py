#!/usr/bin/env python3
"""The daemon as a node of OpenLEADR's VTN.

    probe.py WATTLE VTN POSTGRES-FOLDER SOURCES-OF-THE-VTN

Prints a line for each thing that is right and ends with 1 at the first that is not.
"""
import base64
import datetime
import http.client
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

WATTLE, VTN, POSTGRES, SOURCES = sys.argv[1:]
PATIENCE_S = 30
TARIFF = """version = 1
name = "utility"
currency = "EUR"
zone = "Europe/Berlin"
[source]
format = "openadr3"
file = "event.json"
"""


def check(what, got, want):
    if got != want:
        sys.exit(f"FAILED: {what}: {got!r}, and not {want!r}")
    print(f"ok: {what}")


def eventually(what, question):
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        answer = question()
        if answer is not None:
            print(f"ok: {what}")
            return answer
        time.sleep(0.1)
    sys.exit(f"FAILED: {what}: not within {PATIENCE_S} s")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Database:
    """A PostgreSQL of its own, in a folder that nobody else uses."""

    def __init__(self, folder):
        self.folder, self.port = os.path.join(folder, "postgres"), free_port()
        os.mkdir(self.folder)
        self.user = None
        if os.getuid() == 0:
            self.user = "postgres"
            os.chmod(folder, 0o711)
            os.chown(self.folder, pwd.getpwnam(self.user).pw_uid, -1)
        self.run("initdb", "-D", self.folder, "-U", "wattle", "--auth=trust", "--no-sync")
        options = f"-p {self.port} -k {self.folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        self.run("pg_ctl", "-D", self.folder, "-o", options, "-l", self.folder + "/log", "-w", "start")
        self.url = f"postgres://wattle@127.0.0.1:{self.port}/postgres"
        self.migrate(os.path.join(SOURCES, "migrations"))

    def migrate(self, folder):
        """The VTN's own migrations want PostgreSQL 16, which names a subquery by itself."""
        for name in sorted(os.listdir(folder)):
            with open(os.path.join(folder, name), encoding="utf-8") as file:
                text = file.read().replace("(SELECT unnest(_scopes) AS scope)", "(SELECT unnest(_scopes) AS scope) AS named")
            self.sql("-c", text)

    def run(self, program, *arguments):
        quiet = subprocess.DEVNULL
        command = [os.path.join(POSTGRES, program), *arguments]
        subprocess.run(command, check=True, user=self.user, stdout=quiet, cwd="/")

    def sql(self, *arguments):
        command = ["psql", self.url, "-At", "-v", "ON_ERROR_STOP=1", *arguments]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        return done.stdout.strip()

    def stop(self):
        self.run("pg_ctl", "-D", self.folder, "-m", "immediate", "stop")


class Server:
    """The VTN, and what a utility does there."""

    def __init__(self, folder, database):
        self.url = f"http://127.0.0.1:{(port := free_port())}"
        environment = {
            **os.environ, "PORT": str(port), "DATABASE_URL": database.url,
            "OAUTH_TYPE": "INTERNAL", "OAUTH_TOKEN_URL": f"{self.url}/auth/token",
            "OAUTH_BASE64_SECRET": base64.b64encode(os.urandom(32)).decode(),
        }
        log = open(os.path.join(folder, "vtn.log"), "w", encoding="utf-8")
        self.process = subprocess.Popen([VTN], env=environment, stdout=log, stderr=log)
        eventually("the VTN answers", lambda: self.ask("GET", "/health", None, False) and True)
        database.sql("-f", os.path.join(SOURCES, "src/api/fixtures/users.sql"))
        form = {"grant_type": "client_credentials", "client_id": "bl-client", "client_secret": "bl-client"}
        request = urllib.request.Request(f"{self.url}/auth/token", urllib.parse.urlencode(form).encode())
        with urllib.request.urlopen(request, timeout=10) as answer:
            self.token = json.load(answer)["access_token"]

    def ask(self, method, path, body=None, token=True):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, method=method)
        request.add_header("Content-Type", "application/json")
        if token:
            request.add_header("Authorization", f"Bearer {self.token}")
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.read()
        except urllib.error.HTTPError as error:
            sys.exit(f"FAILED: {method} {path}: {error.code} {error.read().decode()}")
        except OSError:
            return None

    def make(self, path, body):
        return json.loads(self.ask("POST", path, body))["id"]


class Daemon:
    """wattle as a node, with its API."""

    def __init__(self, folder, server):
        self.socket = os.path.join(folder, "api.sock")
        secret, tariff = os.path.join(folder, "secret"), os.path.join(folder, "tariff.toml")
        config = os.path.join(folder, "wattle.toml")
        for path, text in [(secret, "ven-client\n"), (tariff, TARIFF), (config, f"""
[gateway]
time_zone = "Europe/Berlin"
state_dir = "{folder}/state"
[api]
socket = "{self.socket}"
[tariff]
file = "tariff.toml"
openadr = true
[openadr]
vtn = "{server.url}"
client_id = "ven-client-client-id"
client_secret = "file:{secret}"
ven_name = "home"
every_s = 10
""")]:
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
        log = open(os.path.join(folder, "wattle.log"), "w", encoding="utf-8")
        self.process = subprocess.Popen([WATTLE, "run", "--config", config], stdout=log, stderr=log)

    def ask(self, method, path, body=None):
        connection = http.client.HTTPConnection("wattle")
        connection.sock = socket.socket(socket.AF_UNIX)
        try:
            connection.sock.connect(self.socket)
            headers = {"Content-Type": "application/json"}
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            return answer.status, json.load(answer)
        except OSError:
            return None, None
        finally:
            connection.close()

    def state(self):
        return self.ask("GET", "/api/v1/state")[1] or {}


def main(folder):
    database = Database(folder)
    server = daemon = None
    try:
        server = Server(folder, database)
        daemon = Daemon(folder, server)
        walk(database, server, daemon)
    finally:
        for one in (daemon, server):
            if one:
                one.process.send_signal(signal.SIGTERM)
                one.process.wait(10)
        database.stop()


def walk(database, server, daemon):
    hour = datetime.datetime.now(datetime.timezone.utc).replace(minute=0, second=0, microsecond=0)
    at = lambda hours: (hour + datetime.timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M:%SZ")
    program = server.make("/programs", {"objectType": "PROGRAM", "programName": "peaks"})
    shed = {
        "objectType": "EVENT", "programID": program, "eventName": "peak day", "priority": 1,
        "intervalPeriod": {"start": at(1), "duration": "PT1H"},
        "intervals": [{"id": n, "payloads": [{"type": "SIMPLE", "values": [n + 1]}]} for n in range(2)],
    }
    event = server.make("/events", shed)
    prices = {
        "objectType": "EVENT", "programID": program, "eventName": "prices",
        "payloadDescriptors": [{"objectType": "EVENT_PAYLOAD_DESCRIPTOR", "payloadType": "PRICE", "units": "KWH", "currency": "EUR"}],
        "intervalPeriod": {"start": at(0), "duration": "PT1H"},
        "intervals": [{"id": n, "payloads": [{"type": "PRICE", "values": [value]}]} for n, value in enumerate([0.2125, 0.4])],
    }
    server.make("/events", prices)

    shown = eventually("the event is in the state", lambda: (daemon.state().get("grid_events") or [None])[0])
    want = {"id": f"openadr:{event}", "name": "peak day", "kind": "load_shed", "start": at(1), "end": at(3),
            "level": "1", "priority": 1, "opt": "in", "may_opt_out": True,
            "steps": [{"start": at(1), "end": at(2), "level": "1"}, {"start": at(2), "end": at(3), "level": "2"}]}
    check("and says what is asked for", shown, want)
    price = eventually("its prices are the tariff's", lambda: daemon.state().get("price", {}).get("now"))
    check("exactly", price["per_kwh"], "0.2125")
    vens = "select client_id from ven where ven_name = 'home'"
    check("the node is registered", database.sql("-c", vens), "ven-client-client-id")

    choose = lambda opt: daemon.ask("POST", "/api/v1/grid-events/choice", {"id": f"openadr:{event}", "opt": opt})
    reports = "select report_name, resources->0->'intervals'->0->'payloads'->0->'values'->>0 from report where event_id = '%s'" % event
    for opt, word in [("out", "RUNNING_OPTED_OUT"), ("in", "NORMAL")]:
        status, answer = choose(opt)
        check(f"the household opts {opt}", (status, answer["opt"]), (200, opt))
        told = f"wattle participation|{word}"
        eventually("and the VTN's database says so", lambda: database.sql("-c", reports) == told or None)

    shed["intervals"] = shed["intervals"][:1]
    server.ask("PUT", f"/events/{event}", shed)
    ended = lambda: [one["end"] for one in daemon.state()["grid_events"]] == [at(2)] or None
    eventually("a changed event is followed", ended)
    # One with reports cannot be withdrawn at this VTN.
    second = server.make("/events", {**shed, "eventName": "second"})
    names = lambda: [one["name"] for one in daemon.state()["grid_events"]]
    eventually("a second one comes", lambda: len(names()) == 2 or None)
    server.ask("DELETE", f"/events/{second}")
    eventually("and goes when it is withdrawn", lambda: names() == ["peak day"] or None)


if __name__ == "__main__":
    scratch = tempfile.mkdtemp(prefix="wattle-openadr-")
    try:
        main(scratch)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
