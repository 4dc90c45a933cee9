"""Does a real Home Assistant find the simulated home's meters, and keep them through restarts?

Starts mosquitto, the simulated home, the daemon and Home Assistant on loopback, checks what Home
Assistant makes of it, and ends all of them. tests/home-assistant/run calls it with the Python of
Home Assistant's virtual environment; it needs nothing beyond that.
"""

import argparse
import asyncio
import shutil
import signal
import sys
import tempfile
import time
from decimal import Decimal
from pathlib import Path

import aiohttp

import restarts
from checks import RELAY, Report, expected, matches, print_table, without_state
from hass import GONE, HomeAssistant, now
from home import Failed, Home, Program, until

# How long nothing is touched, to see whether anything comes and goes by itself: more than two
# readouts of the slow meter.
QUIET_S = 40


async def discovery(report, home, hass):
    """Everything the API knows is there, with the right properties, and nothing else."""
    want = expected(await home.state())

    async def all_there():
        found = await hass.entities()
        return all(uid in found and found[uid]["state"] not in GONE for uid in want)
    took = await until("every register is an entity with a state", 60, all_there)
    found = await hass.entities()
    print_table(found)
    missing = [uid for uid in want
               if uid not in found or found[uid]["state"] in GONE]
    report.check("every register of the API is an entity with a value", not missing,
                 f"{len(want)} entities, {took:.1f} s after MQTT was added" if took is not None
                 else f"missing: {missing}")
    surplus = sorted(set(found) - set(want) - without_state(await home.state()))
    report.check("there is no entity beyond them", not surplus, ", ".join(surplus))
    for uid, entity in want.items():
        wrong = [f"{key} {found[uid][key]!r}, not {value!r}"
                 for key, value in entity.properties().items()
                 if uid in found and found[uid][key] != value]
        if uid in found:
            report.check(f"{found[uid]['entity_id']}: class, state class and unit", not wrong,
                         "; ".join(wrong))
    energies = [e for e in want.values() if e.meter and e.device_class == "energy"]
    for direction in ("import", "export"):
        report.check(f"energy {direction} is among them",
                     any(e.direction == direction for e in energies))
    report.check("power is among them", any(e.device_class == "power" for e in want.values()))
    status = next(uid for uid, e in want.items() if e.device_class == "connectivity")
    report.check("the gateway is connected", found.get(status, {}).get("state") == "on")
    return want, found


async def devices(report, home, hass, found):
    state = await home.state()
    gateway_id = f"wattle_{state['gateway']['id']}"
    registry = await hass.devices()
    by_id = {i[1]: d for d in registry.values() for i in d["identifiers"] if i[0] == "mqtt"}
    gateway = by_id.get(gateway_id)
    report.check("the gateway is a device", gateway is not None, sorted(by_id))
    if gateway is None:
        return
    report.check("its version is the API's", gateway["sw_version"] == state["gateway"]["version"])
    for meter in state["meters"]:
        device = next((d for d in registry.values() if d["serial_number"] == meter["id"]), None)
        if not report.check(f"meter {meter['name']} is a device with its serial number",
                            device is not None):
            continue
        report.check(f"meter {meter['name']} is behind the gateway",
                     device["via_device_id"] == gateway["id"], f"via {device['via_device_id']}")
        report.check(f"meter {meter['name']} has its maker",
                     device["manufacturer"] == meter.get("manufacturer"))
        uids = [uid for uid in found if found[uid]["device"] == device["id"]]
        told = "fields" if meter["protocol"] == "wmbus" else "registers"
        beside = len(RELAY) if meter["protocol"] == "zigbee" else 0
        report.check(f"meter {meter['name']} has its {told}, no others",
                     len(uids) == len(meter[told]) + beside
                     and all(uid.startswith(f"{gateway_id}_{meter['id'].lower()}_")
                             for uid in uids), f"{len(uids)} entities")


async def values(report, home, hass, want):
    """What Home Assistant shows is what the API said at that time.

    The API is asked before and after, closer together than telegrams come: a value that Home
    Assistant shows in the middle must be one of those, exactly."""
    samples, shown = [], None
    for turn in range(40):
        samples.append(expected(await home.state()))
        if turn == 20:
            shown = await hass.entities()
        await asyncio.sleep(0.2)
    for uid, entity in want.items():
        if entity.value is None or uid not in shown:
            continue
        said = [sample[uid].value for sample in samples]
        report.check(f"{shown[uid]['entity_id']}: the API's value",
                     any(matches(shown[uid]["state"], value) for value in said),
                     f"{shown[uid]['state']}; API {min(said)} to {max(said)}")
        if entity.device_class == "energy":
            report.check(f"{shown[uid]['entity_id']}: the API's value never falls",
                         said == sorted(said))


async def dsmr_reader(report, home, hass):
    """Home Assistant's own integration of DSMR-reader reads the same meter."""
    await hass.add_dsmr_reader()
    meter = (await home.state())["meters"][0]
    codes = {register["obis"].removesuffix("*255").split(":")[1] for register in meter["registers"]}
    # The integration's entity -> the register that must be there, its class and its unit.
    want = {"electricity_delivered_1": ("1.8.1", "energy", "kWh"),
            "electricity_delivered_2": ("1.8.2" if "1.8.1" in codes else "1.8.0", "energy", "kWh"),
            "electricity_returned_2": ("2.8.2" if "2.8.1" in codes else "2.8.0", "energy", "kWh"),
            "electricity_currently_delivered": ("16.7.0", "power", "kW"),
            "electricity_currently_returned": ("16.7.0", "power", "kW")}
    want = {f"sensor.dsmr_reading_{name}": what for name, what in want.items() if what[0] in codes}

    async def all_there():
        states = await hass.states()
        return all(states.get(i, {}).get("state") not in GONE for i in want)
    took = await until("DSMR-reader's entities have values", 30, all_there)
    states = await hass.states()
    report.check("the registers it knows have values", took is not None and len(want) >= 3,
                 ", ".join(f"{i} {states.get(i, {}).get('state')}" for i in want))
    for entity_id, (_, device_class, unit) in want.items():
        attributes = states.get(entity_id, {}).get("attributes", {})
        report.check(f"{entity_id}: class and unit",
                     (attributes.get("device_class"), attributes.get("unit_of_measurement"))
                     == (device_class, unit))


async def price(report, home, hass, found):
    """The price and the lists that automations plan with."""
    state = await home.state()
    entity_id = next(e["entity_id"] for uid, e in found.items() if uid.endswith("_price_price_now"))
    shown = (await hass.states())[entity_id]
    report.check("the price now is the API's",
                 matches(shown["state"], Decimal(state["price"]["now"]["per_kwh"])),
                 shown["state"])
    for name, slots in (("next", state["price"]["slots"]),
                        ("today", state["price"]["days"][0]["slots"]),
                        ("tomorrow", state["price"]["days"][1]["slots"])):
        listed = shown["attributes"].get(name) or []
        report.check(f"prices of {name}: as many as the API has, at the same prices",
                     [Decimal(str(slot["price"])) for slot in listed]
                     == [Decimal(slot["per_kwh"]) for slot in slots], f"{len(listed)}")


async def plug(report, home, hass, want, found):
    """Home Assistant's switch switches the plug: its power says so."""
    def entity(ending):
        return next(found[uid]["entity_id"] for uid, e in want.items()
                    if e.meter == "plug" and uid.endswith(ending))
    power = next(found[uid]["entity_id"] for uid, e in want.items()
                 if e.meter == "plug" and e.device_class == "power")
    switch = entity("_switch")
    report.check("the switch is on", (await hass.states())[switch]["state"] == "on")
    for service, wanted in (("turn_off", "off"), ("turn_on", "on")):
        await hass.call("switch", service, switch)

        async def switched():
            states = await hass.states()
            if states[switch]["state"] != wanted or states[power]["state"] in GONE:
                return False
            return (Decimal(states[power]["state"]) == 0) == (wanted == "off")
        took = await until(service, 30, switched)
        report.check(f"{service}: the switch is {wanted}, the power follows", took is not None,
                     f"after {took:.1f} s" if took is not None else "")


async def quiet(report, hass, want, found):
    """Nothing becomes unavailable while nothing is touched."""
    start = now()
    await asyncio.sleep(QUIET_S)
    ids = [found[uid]["entity_id"] for uid in want]
    history = await hass.history(ids, start)
    for entity_id in ids:
        gone = [row for row in history.get(entity_id, []) if row[1] in GONE]
        report.check(f"{entity_id}: available for {QUIET_S} s", not gone,
                     f"{len(gone)} times not, first at {gone[0][0]}" if gone else "")


async def energy_dashboard(report, hass, want, found):
    def ids(meter, direction):
        return [found[uid]["entity_id"] for uid, e in want.items()
                if e.device_class == "energy" and (e.meter, e.direction) == (meter, direction)]
    prices = [found[uid]["entity_id"] for uid in want if uid.endswith("_price_price_now")]
    # Heat pump and plug are behind the house's meter: devices, not further sources.
    volumes = {medium: found[uid]["entity_id"] for uid, e in want.items()
               for medium in ("gas", "water")
               if e.meter == medium and e.device_class == medium}
    appliances = [found[uid]["entity_id"] for uid in want
                  if "_appliance_" in uid and uid.endswith("_energy_kwh")]
    report.check("gas, water and three appliances are among them",
                 len(volumes) == 2 and len(appliances) >= 3, f"{len(appliances)} appliances")
    objections = await hass.dashboard(ids("electricity", "import"), ids("electricity", "export"),
                                      ids("heat-pump", "import") + ids("plug", "import")
                                      + appliances, prices[0], volumes)
    # Statistics exist from the next full five minutes on; the end of this program waits for them.
    others = [text for text in objections if "statistics_not_defined" not in text]
    report.check("the energy dashboard has no objection", not others, "; ".join(others))


async def history(report, home, hass, want, found, start):
    """Over everything that was done to it, no meter ever fell or read 0."""
    energies = {found[uid]["entity_id"]: e for uid, e in want.items()
                if e.meter and e.device_class == "energy"}
    recorded = await hass.history(list(energies), start)
    for entity_id, entity in energies.items():
        numbers = [float(state) for _, state in recorded[entity_id] if state not in GONE]
        falls = [(a, b) for a, b in zip(numbers, numbers[1:]) if b < a]
        report.check(f"{entity_id}: never fell over all restarts", not falls and len(numbers) > 0,
                     f"{len(numbers)} states from {numbers[0]} to {numbers[-1]}"
                     + (f"; fell {falls}" if falls else ""))
        said = expected(await home.state())
        most = next(float(said[uid].value) for uid in want if found[uid]["entity_id"] == entity_id)
        report.check(f"{entity_id}: never showed more than the meter has counted",
                     max(numbers) <= most, f"{max(numbers)} of {most}")
        if entity.value != 0:
            report.check(f"{entity_id}: never read 0", 0.0 not in numbers)


async def statistics(report, hass, want, found, start):
    """The statistics that the dashboard adds up count what the meter counted, once."""
    energies = [found[uid]["entity_id"] for uid, e in want.items()
                if e.meter and e.device_class == "energy"]
    first = await hass.history(energies, start)
    wait = 300 - time.time() % 300 + 75
    print(f"-- waiting up to {wait:.0f} s for Home Assistant's five-minute statistics", flush=True)

    begun = now()

    async def compiled():
        rows = await hass.statistics(energies, start)
        # `end` is in milliseconds: statistics that reach beyond the last restart.
        return all(i in rows and rows[i][-1]["end"] / 1000 >= begun.timestamp() for i in energies)
    if not report.check("statistics are compiled",
                        await until("statistics", wait, compiled, every=2) is not None):
        return
    rows = await hass.statistics(energies, start)
    for entity_id in energies:
        opening = next(float(s) for _, s in first[entity_id] if s not in GONE)
        last = rows[entity_id][-1]
        grown = last["state"] - opening
        report.check(f"{entity_id}: the statistics' sum is what the meter counted",
                     abs(last["sum"] - grown) < 1e-6, f"{last['sum']:.6f} and {grown:.6f} kWh")
    objections = await hass.objections()
    report.check("the energy dashboard has no objection, with statistics", not objections,
                 "; ".join(objections))


async def run(report, folder, given):
    home = Home(folder, given.bin_dir)
    hass = HomeAssistant(folder, home.mqtt_port)
    try:
        await home.start()
        print("-- the simulated home runs; starting Home Assistant", flush=True)
        took = await hass.start()
        print(f"-- Home Assistant {await hass.version()} runs after {took:.0f} s", flush=True)
        start = now()
        await hass.add_mqtt()
        report.part("Discovery")
        want, found = await discovery(report, home, hass)
        await devices(report, home, hass, found)
        report.part("Values")
        await values(report, home, hass, want)
        await price(report, home, hass, found)
        report.part("The plug")
        await plug(report, home, hass, want, found)
        report.part("DSMR-reader's integration")
        await dsmr_reader(report, home, hass)
        report.part("Energy dashboard")
        await energy_dashboard(report, hass, want, found)
        report.part("Left alone")
        await quiet(report, hass, want, found)
        complaints = hass.complaints()
        report.check("Home Assistant's log has no complaint", not complaints,
                     "\n".join(complaints[:5]))
        around = restarts.Around(report, home, hass, want, found)
        report.part("The daemon is killed and started again")
        await restarts.daemon(around)
        report.part("The broker is restarted, and has forgotten everything")
        await restarts.broker(around)
        report.part("Home Assistant is restarted")
        await restarts.home_assistant(around)
        report.part("Broker, Home Assistant and daemon are restarted in every order")
        await restarts.every_order(around)
        report.part("A meter's cable is pulled")
        await restarts.meter(around)
        report.part(f"The daemon is killed {given.kills} times")
        await restarts.kills(around, given.kills)
        report.part("Over all of it")
        # A broker that ends while something is on its way to it resets the connection.
        complaints = hass.complaints(but="(Disconnected from|Failed to connect to) MQTT server"
                                         "|failed to receive on socket")
        report.check("Home Assistant's log has no complaint beyond the lost broker",
                     not complaints, "\n".join(complaints[:5]))
        await history(report, home, hass, want, found, start)
        await statistics(report, hass, want, found, start)
    finally:
        await hass.close()


def main():
    words = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    words.add_argument("--bin-dir", type=Path, required=True, help="where wattle and wattle-sim are")
    words.add_argument("--keep", action="store_true", help="keep the folder with all logs")
    words.add_argument("--kills", type=int, default=50, help="kill the daemon so often (50)")
    given = words.parse_args()
    # A short path: that of a Unix socket has at most 107 bytes.
    folder = Path(tempfile.mkdtemp(prefix="wattle-ha-", dir="/tmp"))
    report = Report()

    async def all_of_it():
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, task.cancel)
        try:
            await run(report, folder, given)
        except (Failed, aiohttp.ClientError, OSError) as error:
            report.check("the test comes to its end", False, f"{type(error).__name__}: {error}")
        finally:
            ended = Program.ended_by_themselves()
            report.check("no program ended that was not told to", not ended, ", ".join(ended))
            await Program.stop_all()

    try:
        asyncio.run(all_of_it())
    except (asyncio.CancelledError, KeyboardInterrupt):
        report.check("the test comes to its end", False, "it was interrupted")
    finally:
        if given.keep or report.failed:
            print(f"The logs are in {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    print(report.summary())
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
