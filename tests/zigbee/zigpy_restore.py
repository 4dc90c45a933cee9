"""zigpy takes the gateway's backup on: it restores it to an empty simulated stick and carries the
network on, with the same key and a counter that is not lower. The plug, which has noticed nothing,
is interviewed and read.

    zigpy_restore.py bellows|zigpy_znp PORT BACKUP
"""

import asyncio
import importlib
import json
import pathlib
import sys

from zigpy.backups import NetworkBackup


async def main(library: str, port: str, file: pathlib.Path) -> None:
    radio = importlib.import_module(f"{library}.zigbee.application")
    document = json.loads(file.read_text())
    backup = NetworkBackup.from_open_coordinator_json(document)
    application = await radio.ControllerApplication.new(
        {"device": {"path": port, "baudrate": 115200}}, auto_form=False, start_radio=False
    )
    await application.connect()
    await application.backups.restore_backup(backup)
    await application.disconnect()
    await application.startup(auto_form=False)
    network = application.state.network_info
    assert network.pan_id == backup.network_info.pan_id, network.pan_id
    assert network.network_key.key == backup.network_info.network_key.key
    assert network.network_key.tx_counter >= document["network_key"]["frame_counter"]
    ((ieee, nwk),) = backup.network_info.nwk_addresses.items()
    device = application.add_device(ieee=ieee, nwk=nwk)
    device.schedule_initialize()
    while not (device.is_initialized and device.model):
        await asyncio.sleep(0.1)
    found, failed = await device.endpoints[1].in_clusters[0x0702].read_attributes(
        ["current_summ_delivered", "divisor"]
    )
    assert not failed and found["divisor"] == 1000, (found, failed)
    await application.shutdown()
    print(
        f"ok: PAN {network.pan_id} with counter {network.network_key.tx_counter}, {device.model} "
        f"read, {found['current_summ_delivered']} Wh"
    )


asyncio.run(asyncio.wait_for(main(sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])), 90))
