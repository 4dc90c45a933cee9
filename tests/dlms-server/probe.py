"""Pulls the gateway's own DLMS server with gurux-dlms, as a head-end would, and prints as JSON what
it has read.

    probe.py HOST PORT KEY AUTH_KEY     keys in hex; needs gurux-dlms 1.0.203
"""
import contextlib
import datetime
import io
import json
import socket
import sys
import time

from gurux_dlms import GXByteBuffer, GXReplyData
from gurux_dlms.enums import Authentication, InterfaceType, Security
from gurux_dlms.objects import GXDLMSAssociationLogicalName, GXDLMSClock, GXDLMSProfileGeneric
from gurux_dlms.objects import GXDLMSRegister, GXDLMSSapAssignment
from gurux_dlms.secure import GXDLMSSecureClient


class Client:
    def __init__(self, device, key, auth_key):
        self.socket = socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=20)
        c = GXDLMSSecureClient(True, 1, device, Authentication.HIGH_GMAC, None, InterfaceType.WRAPPER)
        c.ciphering.security = Security.AUTHENTICATION_ENCRYPTION
        c.ciphering.systemTitle = b"GRX\0\0\0\0\1"
        c.ciphering.blockCipherKey = key
        c.ciphering.authenticationKey = auth_key
        c.ciphering.invocationCounter = int(time.time() * 1000) % (1 << 31)
        self.client = c
        reply = GXReplyData()
        self.ask(c.aarqRequest(), reply)
        c.parseAareResponse(reply.data)
        reply = GXReplyData()
        self.ask(c.getApplicationAssociationRequest(), reply)
        c.parseApplicationAssociationResponse(reply.data)

    def ask(self, request, reply):
        for part in request if isinstance(request, list) else [request]:
            self.exchange(part, reply)
        while reply.isMoreData():
            self.exchange(self.client.receiverReady(reply), reply)

    def exchange(self, request, reply):
        reply.error = 0
        self.socket.sendall(bytes(request))
        heard, notify = GXByteBuffer(), GXReplyData()
        while True:
            octets = self.socket.recv(65536)
            if not octets:
                raise ConnectionError("the gateway hung up")
            heard.set(octets)
            if self.client.getData(heard, reply, notify):
                return

    def read(self, item, index):
        reply = GXReplyData()
        self.ask(self.client.read(item, index), reply)
        if reply.error:
            raise ValueError("error %s" % reply.error)
        return self.client.updateValue(item, index, reply.value)

    def rows(self, request):
        reply = GXReplyData()
        self.ask(request, reply)
        return reply.value

    def leave(self):
        self.ask(self.client.releaseRequest(), GXReplyData())
        self.socket.close()


def plain(row):
    at = row[0] if isinstance(row[0], (bytes, bytearray)) else bytes(row[0])
    year, month, day, hour, minute = at[0] << 8 | at[1], at[2], at[3], at[5], at[6]
    at = datetime.datetime(year, month, day, hour, minute, tzinfo=datetime.timezone.utc)
    return [int(at.timestamp())] + [int(value) for value in row[1:]]


def main():
    key, auth_key = bytes.fromhex(sys.argv[3]), bytes.fromhex(sys.argv[4])
    said = {}
    gateway = Client(1, key, auth_key)
    sap = GXDLMSSapAssignment("0.0.41.0.0.255")
    gateway.read(sap, 2)
    said["devices"] = [[pair.key, str(pair.value)] if hasattr(pair, "key") else [pair[0], str(pair[1])]
                       for pair in (sap.sapAssignmentList.items() if isinstance(sap.sapAssignmentList, dict)
                                    else sap.sapAssignmentList)]
    gateway.leave()

    meter = Client(16, key, auth_key)
    association = GXDLMSAssociationLogicalName("0.0.40.0.0.255")
    meter.read(association, 2)
    said["objects"] = [str(item.logicalName) for item in association.objectList]
    register = GXDLMSRegister("1.0.1.8.0.255")
    meter.read(register, 3)
    raw = GXReplyData()
    meter.ask(meter.client.read(register, 2), raw)
    said["register"] = [int(raw.value), float(register.scaler), int(register.unit)]
    clock = GXDLMSClock("0.0.1.0.0.255")
    meter.read(clock, 2)
    profile = GXDLMSProfileGeneric("1.0.99.1.0.255")
    meter.read(profile, 3)
    said["columns"] = [str(item[0].logicalName) for item in profile.captureObjects]
    rows = meter.rows(meter.client.read(profile, 2))
    said["rows"] = [plain(row) for row in rows]
    first = datetime.datetime.fromtimestamp(said["rows"][4][0])
    last = datetime.datetime.fromtimestamp(said["rows"][11][0])
    said["range"] = len(meter.rows(meter.client.readRowsByRange(profile, first, last)))
    said["entries"] = [plain(row) for row in meter.rows(meter.client.readRowsByEntry(profile, 3, 5))]
    meter.leave()

    wrong = bytes([key[0] ^ 1]) + key[1:]
    try:
        Client(16, wrong, auth_key)
        said["wrong_key"] = "taken"
    except Exception as error:  # whatever gurux says of it
        said["wrong_key"] = "refused"
        said["why"] = repr(error)
    return said


# gurux-dlms prints a line for each message that it ciphers.
with contextlib.redirect_stdout(io.StringIO()):
    result = main()
print(json.dumps(result))
