"""Reads a ciphered load profile with gurux-dlms: rows per second of the median of three rounds.

    dlms_gurux.py HOST PORT     needs gurux-dlms 1.0.203
"""
import contextlib
import io
import socket
import sys
import time

from gurux_dlms import GXByteBuffer, GXReplyData
from gurux_dlms.enums import Authentication, InterfaceType, Security
from gurux_dlms.objects import GXDLMSProfileGeneric
from gurux_dlms.secure import GXDLMSSecureClient

KEY = bytes(range(16))
AUTH_KEY = bytes(0xD0 + i for i in range(16))
ROWS = 2880


class Meter:
    def __init__(self, host, port):
        self.socket = socket.create_connection((host, port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        c = GXDLMSSecureClient(True, 1, 1, Authentication.HIGH_GMAC, None, InterfaceType.WRAPPER)
        c.ciphering.security = Security.AUTHENTICATION_ENCRYPTION
        c.ciphering.systemTitle = b"GRX\0\0\0\0\1"
        c.ciphering.blockCipherKey = KEY
        c.ciphering.authenticationKey = AUTH_KEY
        c.ciphering.invocationCounter = int(time.time() * 250000) % (1 << 31)
        self.client = c

    def ask(self, request, reply):
        if not request:
            return
        for part in request if isinstance(request, list) else [request]:
            self.exchange(part, reply)
        while reply.isMoreData():
            self.exchange(self.client.receiverReady(reply), reply)

    def exchange(self, request, reply):
        reply.error = 0
        self.socket.sendall(bytes(request))
        heard = GXByteBuffer()
        notify = GXReplyData()
        while True:
            heard.set(self.socket.recv(65536))
            if self.client.getData(heard, reply, notify):
                return

    def profile(self):
        reply = GXReplyData()
        self.ask(self.client.aarqRequest(), reply)
        self.client.parseAareResponse(reply.data)
        reply = GXReplyData()
        self.ask(self.client.getApplicationAssociationRequest(), reply)
        self.client.parseApplicationAssociationResponse(reply.data)
        profile = GXDLMSProfileGeneric("1.0.99.1.0.255")
        reply = GXReplyData()
        self.ask(self.client.read(profile, 2), reply)
        rows = reply.value
        reply = GXReplyData()
        self.ask(self.client.releaseRequest(), reply)
        self.socket.close()
        return rows


times = []
for _ in range(3):
    start = time.monotonic()
    # gurux-dlms prints a line for each message that it ciphers.
    with contextlib.redirect_stdout(io.StringIO()):
        rows = Meter(sys.argv[1], int(sys.argv[2])).profile()
    times.append(time.monotonic() - start)
    if len(rows) != ROWS or int(rows[-1][2]) <= 0:
        sys.exit("gurux-dlms read %d rows" % len(rows))
print(ROWS / sorted(times)[1])
