"""What is to be seen in Home Assistant, worked out from the API, and the report of what was."""

from dataclasses import dataclass
from decimal import Decimal

# COSEM's unit -> Home Assistant's device class, state class, unit, and how many of the meter's
# units make one. Written from Home Assistant's rules, not from the daemon's table.
SHAPES = {
    "Wh": ("energy", "total_increasing", "kWh", 1000),
    "W": ("power", "measurement", "W", 1),
    "V": ("voltage", "measurement", "V", 1),
    "A": ("current", "measurement", "A", 1),
    "Hz": ("frequency", "measurement", "Hz", 1),
}


# What a plug has beside its registers: the state of its relay, and a switch where commands are let.
RELAY = ("state_relay", "switch")


@dataclass
class Entity:
    device_class: str | None
    state_class: str | None
    unit: str | None
    meter: str | None
    direction: str | None
    value: Decimal | None

    def properties(self):
        return {"device_class": self.device_class, "state_class": self.state_class,
                "unit_of_measurement": self.unit}


def expected(state):
    """The entities that a state of the API calls for, by unique id."""
    gateway = f"wattle_{state['gateway']['id']}"
    want = {f"{gateway}_status": Entity("connectivity", None, None, None, None, None)}
    for meter in state["meters"]:
        if "id" not in meter:
            continue
        if meter["protocol"] == "wmbus":
            want |= fields(gateway, meter)
            continue
        for register in meter["registers"]:
            device_class, state_class, unit, divisor = SHAPES[register["unit"]]
            code = register["obis"].removesuffix("*255")
            slug = code.translate(str.maketrans("-:.*", "____"))
            quantity = code.split(":")[1].split(".")[0]
            value = Decimal(str(register["value"])) / divisor
            want[f"{gateway}_{meter['id'].lower()}_{slug}"] = Entity(
                device_class, state_class, unit, meter["name"],
                {"1": "import", "2": "export"}.get(quantity), value)
        if meter["protocol"] == "zigbee":
            want |= {f"{gateway}_{meter['id'].lower()}_{key}":
                     Entity(None, None, None, meter["name"], None, None) for key in RELAY}
    want.update(household(gateway, state))
    return want


# The end of a field's name -> state class and unit; the class of a volume is the meter's medium.
FIELDS = {"m3": ("total_increasing", "m³"), "m3h": ("measurement", "m³/h")}


def fields(gateway, meter):
    """The entities of a meter that names what it tells."""
    want = {}
    for field in meter.get("fields", []):
        suffix = field["name"].rpartition("_")[2]
        try:
            value = Decimal(field["value"])
            state_class, unit = FIELDS.get(suffix, ("measurement", None))
            device_class = {"m3": meter["medium"], "m3h": "volume_flow_rate"}.get(suffix)
        except (ArithmeticError, KeyError):
            value, state_class, unit, device_class = None, None, None, None
        want[f"{gateway}_{meter['id'].lower()}_{field['name']}"] = Entity(
            device_class, state_class, unit, meter["name"], None, value)
    return want


# What each appliance tells: class, state class, unit.
APPLIANCE = {"running": ("running", None, None), "power_w": ("power", "measurement", "W"),
             "energy_kwh": ("energy", "total", "kWh"), "cycles": (None, "total", None),
             "last_cycle_kwh": ("energy", None, "kWh"),
             "confidence": (None, "measurement", "%")}


def household(gateway, state):
    """What the gateway itself knows: no registers, so they have no exact value to be compared."""
    def entity(*properties):
        return Entity(*properties, None, None, None)

    want = {f"{gateway}_problem": entity("problem", None, None),
            f"{gateway}_started_at": entity("timestamp", None, None),
            f"{gateway}_rejected": entity(None, "total_increasing", None)}
    # The home has a simulated Zigbee stick, and devices may be let in.
    want |= {f"{gateway}_zigbee_network_{key}": entity(*properties) for key, properties in {
        "network": ("enum", None, None), "devices": (None, "measurement", None),
        "joining": (None, None, None)}.items()}
    for appliance in state.get("appliances", {}).get("appliances", []):
        want |= {f"{gateway}_appliance_{appliance['name']}_{key}": entity(*properties)
                 for key, properties in APPLIANCE.items()}
    price = state.get("price")
    if price:
        unit = f"{price['currency']}/kWh"
        want |= {f"{gateway}_price_{key}": entity(*properties) for key, properties in {
            "price_now": (None, "measurement", unit),
            "price_next": (None, "measurement", unit),
            "next_start": ("timestamp", None, None),
            "band_now": ("enum", None, None),
            "cheapest_start": ("timestamp", None, None)}.items()}
    for period in ("today", "month"):
        used = state.get(period) or {}
        for key in ("import", "export"):
            if f"{key}_kwh" in used:
                want[f"{gateway}_usage_{key}_{period}_kwh"] = entity("energy", "total", "kWh")
        for medium in ("gas", "water"):
            if period == "today" and used and state.get(medium):
                want[f"{gateway}_usage_{medium}_today_m3"] = entity(medium, "total", "m³")
        if "cost" in used:
            want[f"{gateway}_usage_cost_{period}"] = entity(
                "monetary", "total", used["cost"]["currency"])
    return want


def without_state(state):
    """Entities that have no state until something happens."""
    return {f"wattle_{state['gateway']['id']}_event"}


def matches(shown, value):
    """A state, which is text, is exactly that number."""
    try:
        return Decimal(shown) == value
    except ArithmeticError:
        return False


def print_table(found):
    head = ("entity", "state", "unit", "class", "state class", "unique id")
    rows = [head] + [
        tuple(str(entity[key] or "") for key in
              ("entity_id", "state", "unit_of_measurement", "device_class", "state_class")) + (uid,)
        for uid, entity in sorted(found.items(), key=lambda item: item[1]["entity_id"])]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    for row in rows:
        print("   " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())


class Report:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0

    def part(self, name):
        print(f"\n== {name}", flush=True)

    def check(self, name, ok, detail=""):
        """Counts and prints a check; says whether it passed."""
        if ok:
            self.passed += 1
        else:
            self.failed += 1
        print(f"{'ok    ' if ok else 'FAILED'} {name}" + (f": {detail}" if detail else ""),
              flush=True)
        return ok

    def summary(self):
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"
