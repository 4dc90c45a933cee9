"""Home Assistant: started without a screen on loopback, and asked through its own interfaces."""

import os
import re
import sys
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

import aiohttp

from home import Failed, Program, free_port, need

CONFIGURATION = """\
homeassistant:
  name: Test home
  latitude: 52.5
  longitude: 13.4
  elevation: 34
  unit_system: metric
  currency: EUR
  country: DE
  time_zone: Europe/Berlin
http:
  server_host: 127.0.0.1
  server_port: {port}
api:
auth:
config:
websocket_api:
history:
energy:
recorder:
  commit_interval: 1
logger:
  default: warning
  logs:
    homeassistant.components.mqtt: info
"""
GONE = ("unavailable", "unknown", None)


def now():
    return datetime.now(timezone.utc)


class HomeAssistant:
    def __init__(self, folder, mqtt_port):
        self.mqtt_port = mqtt_port
        config = folder / "home-assistant"
        config.mkdir()
        port = free_port()
        (config / "configuration.yaml").write_text(CONFIGURATION.format(port=port))
        self.url = f"http://127.0.0.1:{port}"
        bin_dir = Path(sys.executable).parent
        env = dict(os.environ, PATH=f"{bin_dir}:{os.environ['PATH']}")
        # --skip-pip: everything is installed, nothing is to be fetched while it runs.
        self.program = Program(folder, "hass", [
            bin_dir / "hass", "--skip-pip", "--ignore-os-check", "--log-no-color",
            "-c", config], env=env)
        self.session = aiohttp.ClientSession(base_url=self.url)
        self.token = None
        self.socket = None
        self.number = 0

    async def close(self):
        await self.session.close()

    async def http(self, method, path, **more):
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        async with self.session.request(method, path, headers=headers, **more) as answer:
            if answer.status not in (200, 201):
                text = (await answer.text())[:300]
                raise Failed(f"Home Assistant answers {method} {path} with {answer.status}: {text}")
            return await answer.json()

    async def ask(self, kind, **more):
        """One command over its websocket."""
        self.number += 1
        await self.socket.send_json({"id": self.number, "type": kind, **more})
        while True:
            answer = await self.socket.receive_json()
            if answer.get("id") == self.number and answer["type"] == "result":
                if not answer["success"]:
                    raise Failed(f"Home Assistant refuses {kind}: {answer['error']['message']}")
                return answer["result"]

    async def start(self):
        """Starts it and waits until it runs; the first time it is set up as well. Seconds."""
        began = time.monotonic()
        self.program.start()

        async def answers():
            if not self.program.alive():
                raise Failed(f"Home Assistant has ended:\n{self.program.tail()}")
            try:
                async with self.session.get("/api/onboarding") as answer:
                    return answer.status == 200
            except aiohttp.ClientError:
                return False

        async def runs():
            return (await self.http("GET", "/api/config"))["state"] == "RUNNING"

        if self.token is None:
            await need("Home Assistant answers", 180, answers)
            await self.make_owner()
        else:
            async def knows_us():
                try:
                    return await self.http("GET", "/api/config") is not None
                except (aiohttp.ClientError, Failed):
                    return False
            await need("Home Assistant answers", 180, knows_us)
        await need("Home Assistant runs", 120, runs)
        self.socket = await self.session.ws_connect("/api/websocket")
        await self.socket.receive_json()
        await self.socket.send_json({"type": "auth", "access_token": self.token})
        if (await self.socket.receive_json())["type"] != "auth_ok":
            raise Failed("Home Assistant refuses its own token")
        return time.monotonic() - began

    async def stop(self):
        await self.socket.close()
        await self.program.stop(patience=60)

    async def make_owner(self):
        client = self.url + "/"
        owner = {"client_id": client, "name": "Test", "username": "test",
                 "password": "only on loopback", "language": "en"}
        code = (await self.http("POST", "/api/onboarding/users", json=owner))["auth_code"]
        grant = {"client_id": client, "grant_type": "authorization_code", "code": code}
        self.token = (await self.http("POST", "/auth/token", data=grant))["access_token"]

    async def add_mqtt(self):
        """Adds the MQTT integration as a user would, through its form."""
        flows = "/api/config/config_entries/flow"
        flow = await self.http("POST", flows, json={"handler": "mqtt"})
        form = {"broker": "127.0.0.1", "port": self.mqtt_port}
        made = await self.http("POST", f"{flows}/{flow['flow_id']}", json=form)
        if made["type"] != "create_entry":
            raise Failed(f"Home Assistant does not take the broker: {made.get('errors')}")

    async def add_dsmr_reader(self):
        """Adds the integration of DSMR-reader, which listens to the topics `dsmr/...`."""
        flows = "/api/config/config_entries/flow"
        flow = await self.http("POST", flows, json={"handler": "dsmr_reader"})
        made = await self.http("POST", f"{flows}/{flow['flow_id']}", json={})
        if made["type"] != "create_entry":
            raise Failed(f"Home Assistant does not take DSMR-reader: {made}")

    async def version(self):
        return (await self.http("GET", "/api/config"))["version"]

    async def states(self):
        return {state["entity_id"]: state for state in await self.http("GET", "/api/states")}

    async def entities(self):
        """All entities made through MQTT, by unique id, with their states."""
        states = await self.states()
        found = {}
        for entry in await self.ask("config/entity_registry/list"):
            if entry["platform"] != "mqtt":
                continue
            state = states.get(entry["entity_id"]) or {"state": None, "attributes": {}}
            found[entry["unique_id"]] = {
                "entity_id": entry["entity_id"],
                "device": entry["device_id"],
                "state": state["state"],
                **{key: state["attributes"].get(key) for key in
                   ("device_class", "state_class", "unit_of_measurement", "friendly_name")},
            }
        return found

    async def devices(self):
        return {device["id"]: device for device in await self.ask("config/device_registry/list")}

    async def call(self, domain, service, entity_id):
        """Calls a service for an entity."""
        await self.ask("call_service", domain=domain, service=service,
                       target={"entity_id": entity_id})

    async def history(self, entity_ids, start, end=None):
        """Every state from `start` on, [(when, state)] by entity; it includes the one at `start`."""
        query = {"filter_entity_id": ",".join(entity_ids), "significant_changes_only": "0",
                 "minimal_response": "", "no_attributes": "",
                 "end_time": (end or now()).isoformat()}
        rows = await self.http("GET", f"/api/history/period/{start.isoformat()}", params=query)
        return {row[0]["entity_id"]: [(state["last_changed"], state["state"]) for state in row]
                for row in rows if row}

    async def dashboard(self, imports, exports, devices, price, volumes):
        """Gives the energy dashboard these meters; its objections as text."""
        no_cost = {"entity_energy_price": None, "number_energy_price": None}
        cost = {**no_cost, "entity_energy_price": price}
        grid = {
            "type": "grid", "cost_adjustment_day": 0.0,
            "flow_from": [{"stat_energy_from": i, "stat_cost": None, **cost} for i in imports],
            "flow_to": [{"stat_energy_to": e, "stat_compensation": None, **no_cost}
                        for e in exports],
        }
        others = [{"type": medium, "stat_energy_from": entity, "stat_cost": None, **no_cost}
                  for medium, entity in volumes.items()]
        await self.ask("energy/save_prefs", energy_sources=[grid, *others],
                       device_consumption=[{"stat_consumption": d} for d in devices])
        return await self.objections()

    async def objections(self):
        verdict = await self.ask("energy/validate")
        return [f"{issue['type']}: {issue.get('affected_entities')}"
                for found in (*verdict["energy_sources"], *verdict["device_consumption"])
                for issue in found]

    async def statistics(self, entity_ids, start):
        """Rows of five minutes, from the one that `start` is in."""
        since = (start - timedelta(minutes=5)).isoformat()
        return await self.ask("recorder/statistics_during_period", start_time=since,
                              statistic_ids=entity_ids, period="5minute", types=["state", "sum"])

    def complaints(self, but="$^"):
        """Warnings and errors of its log that have to do with us."""
        ours = re.compile(r" (WARNING|ERROR|CRITICAL) .*(mqtt|sensor|energy|wattle)")
        return [line for line in self.program.log.read_text(errors="replace").splitlines()
                if ours.search(line) and not re.search(but, line)]
