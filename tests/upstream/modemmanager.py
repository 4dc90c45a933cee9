"""A modem as ModemManager shows it, for python-dbusmock: registered with an LTE-M network, not connected.

Names and types are those of ModemManager's own introspection (package modemmanager-dev). Parameters:
interface, apn of the operator (any other is refused), locked (the SIM wants its PIN).
"""

import dbus

BUS_NAME = "org.freedesktop.ModemManager1"
MAIN_OBJ = "/org/freedesktop/ModemManager1"
MAIN_IFACE = "org.freedesktop.ModemManager1"
SYSTEM_BUS = True
IS_OBJECT_MANAGER = True

MODEM = MAIN_IFACE + ".Modem"
LTE_M = 1 << 16
LOCKED, REGISTERED = 2, 8

CONNECT = """
apn = str(args[0]["apn"])
if apn != {apn!r}:
    raise dbus.exceptions.DBusException("no such access point", name="org.freedesktop.ModemManager1.Error.MobileEquipment.Unknown")
bearer = objects["{root}/Bearer/0"]
bearer.props["{root_name}.Bearer"].update({{
    "Connected": True,
    "Properties": dbus.Dictionary({{"apn": apn}}, signature="sv"),
}})
self.UpdateProperties("{root_name}.Modem", {{"State": dbus.Int32(11, variant_level=1)}})
ret = dbus.ObjectPath("{root}/Bearer/0")
"""


def load(mock, parameters):
    interface = parameters.get("interface", "wwan0")
    locked = parameters.get("locked", False)
    modem = MAIN_OBJ + "/Modem/0"
    bearer = MAIN_OBJ + "/Bearer/0"
    mock.AddObject(bearer, MAIN_IFACE + ".Bearer", {
        "Connected": False,
        "Interface": interface,
        "Properties": dbus.Dictionary({}, signature="sv"),
    }, [])
    mock.AddObject(modem, MODEM, {
        "State": dbus.Int32(LOCKED if locked else REGISTERED),
        "StateFailedReason": dbus.UInt32(0),
        "Manufacturer": "Example",
        "Model": "M1",
        "Ports": dbus.Array([("cdc-wdm0", dbus.UInt32(6)), (interface, dbus.UInt32(2))], signature="(su)"),
        "Bearers": dbus.Array([dbus.ObjectPath(bearer)], signature="o"),
        "SignalQuality": dbus.Struct((dbus.UInt32(57), True), signature="ub"),
        "AccessTechnologies": dbus.UInt32(LTE_M),
    }, [])
    import dbusmock
    shown = dbusmock.get_object(modem)
    shown.AddProperties(MODEM + ".Modem3gpp", {
        "RegistrationState": dbus.UInt32(5),
        "OperatorName": "Example Mobile",
    })
    code = CONNECT.format(apn=parameters.get("apn", ""), root=MAIN_OBJ, root_name=MAIN_IFACE)
    shown.AddMethod(MODEM + ".Simple", "Connect", "a{sv}", "o", code)
