"""bellows, the radio library of Home Assistant, on the simulated stick beside a utility's meter: it
scans, and joins the meter's network as an end device with the key of the stick's install code, finds
the meter's endpoint, and is refused the meter's register without a key from certificates.

    bellows_join.py PORT LINK_KEY
"""

import asyncio
import sys

import bellows.ezsp
import bellows.types as t

CHANNELS = t.Channels.ALL_CHANNELS


class Heard:
    """What the stick tells of its own accord."""

    def __init__(self):
        self.told = asyncio.Queue()

    def __call__(self, name, response):
        self.told.put_nowait((name, response))

    async def wait(self, wanted):
        while True:
            name, response = await asyncio.wait_for(self.told.get(), 15)
            if name == wanted:
                return response


def join_state(key: bytes) -> t.EmberInitialSecurityState:
    zero = t.KeyData(bytes(16))
    bits = t.EmberInitialSecurityBitmask
    return t.EmberInitialSecurityState(
        bitmask=bits.HAVE_PRECONFIGURED_KEY | bits.REQUIRE_ENCRYPTED_KEY,
        preconfiguredKey=t.KeyData(key),
        networkKey=zero,
        networkKeySequenceNumber=t.uint8_t(0),
        preconfiguredTrustCenterEui64=t.EUI64([0] * 8),
    )


async def unicast(ezsp, heard, profile, cluster, endpoint, payload):
    aps = t.EmberApsFrame(
        profileId=t.uint16_t(profile),
        clusterId=t.uint16_t(cluster),
        sourceEndpoint=t.uint8_t(endpoint),
        destinationEndpoint=t.uint8_t(endpoint),
        options=t.EmberApsOption.APS_OPTION_RETRY,
        groupId=t.EmberMulticastId(0),
        sequence=t.uint8_t(0),
    )
    status, _ = await ezsp.send_unicast(
        nwk=t.EmberNodeId(0), aps_frame=aps, message_tag=t.uint8_t(1), data=payload
    )
    assert t.sl_Status.from_ember_status(status) == t.sl_Status.OK, status
    response = await heard.wait("incomingMessageHandler")
    return bytes(response[-1])


async def main(port: str, key: bytes) -> None:
    ezsp = bellows.ezsp.EZSP({"path": port, "baudrate": 115200, "flow_control": None})
    await ezsp.connect(use_thread=False)
    heard = Heard()
    ezsp.add_callback(heard)
    (status,) = await ezsp.networkInit(networkInitBitmask=t.EmberNetworkInitBitmask.NETWORK_INIT_NO_OPTIONS)
    assert t.sl_Status.from_ember_status(status) == t.sl_Status.NOT_JOINED, status
    results = await ezsp.startScan(t.EzspNetworkScanType.ACTIVE_SCAN, CHANNELS, 3)
    networks = [result[0] for result in results]
    assert len(networks) == 1, networks
    network = networks[0]
    assert network.allowingJoin and network.stackProfile == 2, network
    (status,) = await ezsp.setInitialSecurityState(join_state(key))
    assert t.sl_Status.from_ember_status(status) == t.sl_Status.OK, status
    parameters = t.EmberNetworkParameters(
        extendedPanId=network.extendedPanId,
        panId=network.panId,
        radioTxPower=t.uint8_t(8),
        radioChannel=network.channel,
        joinMethod=t.EmberJoinMethod.USE_MAC_ASSOCIATION,
        nwkManagerId=t.EmberNodeId(0),
        nwkUpdateId=network.nwkUpdateId,
        channels=t.Channels(0),
    )
    (status,) = await ezsp.joinNetwork(t.EmberNodeType.END_DEVICE, parameters)
    assert t.sl_Status.from_ember_status(status) == t.sl_Status.OK, status
    (status,) = await heard.wait("stackStatusHandler")
    assert t.sl_Status.from_ember_status(status) == t.sl_Status.NETWORK_UP, status
    status, node_type, found = await ezsp.getNetworkParameters()
    assert node_type == t.EmberNodeType.END_DEVICE and found.panId == network.panId, found
    endpoints = await unicast(ezsp, heard, 0x0000, 0x0005, 0, bytes([7, 0, 0]))
    assert endpoints == bytes([7, 0, 0, 0, 1, 1]), endpoints.hex()
    # Read attributes: the register. NOT_AUTHORIZED in a default response.
    refused = await unicast(ezsp, heard, 0x0109, 0x0702, 1, bytes([0x10, 8, 0x00, 0x00, 0x00]))
    assert refused[2:] == bytes([0x0B, 0x00, 0x7E]), refused.hex()
    print(
        f"ok: EZSP {ezsp.ezsp_version}, PAN {network.panId} on channel {network.channel} joined as "
        "an end device, endpoint 1 found, its register refused without a key"
    )
    await ezsp.disconnect()


asyncio.run(asyncio.wait_for(main(sys.argv[1], bytes.fromhex(sys.argv[2])), 60))
