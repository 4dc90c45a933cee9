"""Everything around the gateway is restarted, one after the other; it must come back by itself."""

import asyncio
import itertools
import signal
from dataclasses import dataclass
from decimal import Decimal

from checks import Report, expected
from hass import GONE, HomeAssistant, now
from home import Home, until

# Home Assistant and the broker are back, and a minute later everything has to be.
WITHIN_S = 60
# A meter that sends every second is given up after 15 s without a telegram.
SILENT_S = 30


@dataclass
class Around:
    report: Report
    home: Home
    hass: HomeAssistant
    want: dict
    found: dict

    def ids(self, meter=None):
        """Entity ids of one meter's sensors, or of all meters'."""
        return [self.found[uid]["entity_id"] for uid, entity in self.want.items()
                if entity.device_class != "connectivity" and meter in (None, entity.meter)]

    def connection(self):
        return next(self.found[uid]["entity_id"] for uid, entity in self.want.items()
                    if entity.device_class == "connectivity")

    async def in_state(self, entity_ids, gone):
        """Whether all of them are unavailable, or all have a value."""
        states = await self.hass.states()
        shown = [states.get(i, {}).get("state") for i in entity_ids]
        if gone:
            return all(state == "unavailable" for state in shown)
        return all(state not in GONE for state in shown)

    async def all_back(self, what):
        """Waits until every entity has a value, and the energies are those of now."""
        # Read before: what is shown later must not be less.
        least = expected(await self.home.state() or {"gateway": {"id": ""}, "meters": []})

        async def back():
            states = await self.hass.states()
            if states.get(self.connection(), {}).get("state") != "on":
                return False
            if any(states.get(i, {}).get("state") in GONE for i in self.ids()):
                return False
            return all(Decimal(states[self.found[uid]["entity_id"]]["state"]) >= entity.value
                       for uid, entity in least.items()
                       if entity.meter and entity.device_class == "energy")
        took = await until(what, WITHIN_S, back)
        detail = f"after {took:.1f} s" if took is not None else ""
        if took is None:
            states = await self.hass.states()
            detail = ", ".join(f"{i} {states.get(i, {}).get('state')}" for i in
                               [self.connection(), *self.ids()])
        self.report.check(what, took is not None, detail)

    async def same_ids(self):
        now_found = await self.hass.entities()
        now_ids = {uid: entity["entity_id"] for uid, entity in now_found.items()}
        before = {uid: entity["entity_id"] for uid, entity in self.found.items()}
        self.report.check("unique ids and entity ids are the same as before", now_ids == before,
                          f"only now {sorted(now_ids.items() - before.items())}"
                          if now_ids != before else "")


async def daemon(around):
    report, home = around.report, around.home
    await home.daemon.stop(signal.SIGKILL)

    async def gone():
        states = await around.hass.states()
        return (states[around.connection()]["state"] == "off"
                and await around.in_state(around.ids(), gone=True))
    took = await until("gone", 10, gone)
    report.check("killed: every sensor is unavailable, the gateway disconnected",
                 took is not None, f"after {took:.1f} s" if took is not None else "")
    home.daemon.start()
    await until("the API answers", 10, lambda: answers(home))
    await around.all_back("started: every sensor is back")
    await around.same_ids()
    await home.daemon.stop(signal.SIGTERM)
    took = await until("gone", 10, gone)
    report.check("ended by SIGTERM: the same", took is not None)
    home.daemon.start()
    await until("the API answers", 10, lambda: answers(home))
    await around.all_back("started: every sensor is back once more")


async def answers(home):
    return await home.state() is not None


async def broker(around):
    home = around.home
    await home.broker.stop()

    async def gone():
        return await around.in_state([around.connection(), *around.ids()], gone=True)
    took = await until("gone", 20, gone)
    around.report.check("stopped: Home Assistant shows everything as unavailable",
                        took is not None)
    # Long enough for the daemon to have tried in vain a few times.
    await asyncio.sleep(5)
    around.report.check("the daemon lives on without a broker", home.daemon.alive())
    await home.start_broker()
    await around.all_back("started: every sensor is back")
    await around.same_ids()


async def home_assistant(around):
    await around.hass.stop()
    took = await around.hass.start()
    around.report.check("it runs again", True, f"after {took:.0f} s")
    await around.all_back("every sensor is back")
    await around.same_ids()


async def every_order(around):
    home, hass = around.home, around.hass

    async def start_daemon():
        home.daemon.start()
        await until("the API answers", 20, lambda: answers(home))
    starts = {"broker": home.start_broker, "Home Assistant": hass.start, "daemon": start_daemon}
    for order in itertools.permutations(starts):
        await home.daemon.stop(signal.SIGTERM)
        await hass.stop()
        await home.broker.stop()
        for name in order:
            await starts[name]()
        await around.all_back(f"started as {', '.join(order)}: everything is back")
    await around.same_ids()


async def kills(around, times):
    home = around.home
    for _ in range(times):
        await home.daemon.stop(signal.SIGKILL)
        home.daemon.start()
        await until("the API answers", 20, lambda: answers(home))
    await around.all_back(f"after {times} kills everything is back")


async def meter(around):
    report, home = around.report, around.home
    ids, others = around.ids("electricity"), around.ids("heat-pump")
    start = now()
    await home.cable("unplug", "electricity")
    took = await until("gone", SILENT_S, lambda: around.in_state(ids, gone=True))
    report.check("pulled: its sensors are unavailable", took is not None,
                 f"after {took:.1f} s" if took is not None else "")

    async def only_it_is_gone(name):
        states = await around.hass.states()
        report.check(f"{name}: the gateway is connected",
                     states[around.connection()]["state"] == "on")
        still = await until("the other meter", 25, lambda: around.in_state(others, gone=False))
        report.check(f"{name}: the other meter is available", still is not None)
        report.check(f"{name}: the pulled meter's sensors are unavailable",
                     await around.in_state(ids, gone=True))
    await only_it_is_gone("pulled")
    await home.cable("plug", "electricity")
    await around.all_back("plugged in: every sensor is back")
    await around.same_ids()

    # The broker remembers that the meter was online. That must not make it look alive when it
    # was pulled while nobody watched.
    await home.daemon.stop(signal.SIGKILL)
    await home.cable("unplug", "electricity")
    home.daemon.start()

    async def connected():
        return (await around.hass.states())[around.connection()]["state"] == "on"
    await until("the gateway is connected", 20, connected)
    await asyncio.sleep(5)
    await only_it_is_gone("pulled while the daemon was down")
    await home.cable("plug", "electricity")
    await around.all_back("plugged in: every sensor is back")

    # An outage must not make the gateway more patient with the next one. Some telegrams first,
    # so that it knows how often the meter sends.
    await asyncio.sleep(5)
    await home.cable("unplug", "electricity")
    took = await until("gone", SILENT_S, lambda: around.in_state(ids, gone=True))
    report.check("pulled once more: unavailable as soon", took is not None,
                 f"after {took:.1f} s" if took is not None else "")
    await home.cable("plug", "electricity")
    await around.all_back("plugged in once more: every sensor is back")

    never_zero = [around.found[uid]["entity_id"] for uid, entity in around.want.items()
                  if entity.meter == "electricity" and entity.value != 0
                  and entity.device_class in ("energy", "voltage", "frequency")]
    states = await around.hass.history(never_zero, start)
    zeros = [i for i in never_zero
             if any(s not in GONE and float(s) == 0 for _, s in states.get(i, []))]
    report.check("no sensor showed a 0 that was not measured", not zeros, ", ".join(zeros))
