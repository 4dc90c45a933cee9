"""zigpy, the radio library of Home Assistant, on the simulated stick, through bellows (EZSP) or
zigpy-znp: a network is formed, a plug joins and is interviewed and read, a backup is made.

    zigpy_gate.py bellows|zigpy_znp PORT FOLDER
"""

import asyncio
import importlib
import json
import pathlib
import sys

PLUG = "WS-Plug"


async def joined(application):
    """The plug, once its interview is complete."""
    while True:
        for device in application.devices.values():
            if device.is_initialized and device.model == PLUG:
                return device
        await asyncio.sleep(0.1)


async def main(library: str, port: str, folder: pathlib.Path) -> None:
    radio = importlib.import_module(f"{library}.zigbee.application")
    application = await radio.ControllerApplication.new(
        {"device": {"path": port, "baudrate": 115200}}, auto_form=True
    )
    network = application.state.network_info
    assert 11 <= network.channel <= 26, network.channel
    await application.permit(60)
    device = await asyncio.wait_for(joined(application), 50)
    endpoint = device.endpoints[1]
    assert 0x0702 in endpoint.in_clusters and 0x0B04 in endpoint.in_clusters
    found, failed = await endpoint.in_clusters[0x0702].read_attributes(
        ["current_summ_delivered", "multiplier", "divisor"]
    )
    assert not failed and found["divisor"] == 1000, (found, failed)
    await endpoint.in_clusters[0x0006].off()
    state, _ = await endpoint.in_clusters[0x0006].read_attributes(["on_off"])
    assert not state["on_off"], state
    await endpoint.in_clusters[0x0006].on()
    # As ZHA does with a plug: it reports to the coordinator from now on.
    await endpoint.in_clusters[0x0B04].bind()
    await endpoint.in_clusters[0x0B04].configure_reporting("active_power", 1, 10, 1)
    backup = await application.backups.create_backup()
    document = backup.as_open_coordinator_json()
    (folder / "zigpy.json").write_text(json.dumps(document))
    assert document["metadata"]["format"] == "zigpy/open-coordinator-backup"
    key = document["network_key"]["key"]
    assert bytes.fromhex(key) == network.network_key.key.serialize()
    await application.shutdown()
    stack = network.metadata.get("ezsp") or network.metadata["zstack"]
    version = stack.get("stack_version") or stack["CodeRevision"]
    print(
        f"ok: stack {version}, PAN {network.pan_id}, joined "
        f"{device.ieee} {device.model}, divisor {found['divisor']}, backup of PAN {document['pan_id']}"
    )


asyncio.run(asyncio.wait_for(main(sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])), 90))
