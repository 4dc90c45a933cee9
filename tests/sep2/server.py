#!/usr/bin/env python3
"""A simulated server of IEEE 2030.5 behind the TLS of OpenSSL: TLS 1.2, ECDHE-ECDSA-AES128-CCM8 and
nothing else, and only for clients with a certificate of its authority.

    server.py CERTIFICATE KEY AUTHORITY

Says its port on the first line, then each resource that is posted to it as a line of JSON. The
tree follows the examples of IEEE 2030.5-2018, annex C: a device, its assignment, a program of DER
with a control, a program of demand response with one, a cancelled control.
"""
import hashlib
import http.server
import json
import ssl
import sys
import time
import urllib.parse

NAMESPACE = "urn:ieee:std:2030.5:ns"
NOW = int(time.time())


def times(mrid, status, start):
    return (f"<mRID>{mrid}</mRID><description>peak {mrid}</description><creationTime>{NOW}</creationTime>"
            f"<EventStatus><currentStatus>{status}</currentStatus><dateTime>{NOW}</dateTime>"
            f"<potentiallySuperseded>false</potentiallySuperseded></EventStatus>"
            f"<interval><duration>3600</duration><start>{start}</start></interval>")


def control(name, mrid, status, start, inside):
    return (f'<{name} href="/c/{mrid}" replyTo="/rsps/1/rsp" responseRequired="03">'
            f"{times(mrid, status, start)}{inside}</{name}>")


def lists(lfdi):
    limit = "<DERControlBase><opModMaxLimW>6000</opModMaxLimW></DERControlBase>"
    mandatory = "<deviceCategory>00000000</deviceCategory><drProgramMandatory>false</drProgramMandatory><loadShiftForward>false</loadShiftForward>"
    # Sixty devices, of which the last is the one that asks: more than a page.
    others = [f"<EndDevice><lFDI>{n:040X}</lFDI><sFDI>{n}</sFDI></EndDevice>" for n in range(59)]
    own = f'<EndDevice href="/edev/59"><lFDI>{lfdi}</lFDI><FunctionSetAssignmentsListLink all="1" href="/edev/59/fsa"/></EndDevice>'
    return {
        "/edev": ("EndDeviceList", others + [own]),
        "/edev/59/fsa": ("FunctionSetAssignmentsList", ['<FunctionSetAssignments><DemandResponseProgramListLink href="/drp"/><DERProgramListLink href="/derp"/></FunctionSetAssignments>']),
        "/derp": ("DERProgramList", ['<DERProgram><mRID>01</mRID><DERControlListLink href="/derp/0/derc"/><primacy>2</primacy></DERProgram>']),
        "/derp/0/derc": ("DERControlList", [control("DERControl", "D1", 1, NOW - 60, limit), control("DERControl", "D2", 2, NOW, limit)]),
        "/drp": ("DemandResponseProgramList", ['<DemandResponseProgram><mRID>02</mRID><EndDeviceControlListLink href="/drp/0/edc"/><primacy>1</primacy></DemandResponseProgram>']),
        "/drp/0/edc": ("EndDeviceControlList", [control("EndDeviceControl", "E1", 0, NOW + 7200, mandatory)]),
    }


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def lfdi(self):
        certificate = self.connection.getpeercert(binary_form=True)
        return hashlib.sha256(certificate).hexdigest()[:40].upper()

    def answer(self, status, body=""):
        self.send_response(status)
        self.send_header("Content-Type", "application/sep+xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def do_GET(self):
        place = urllib.parse.urlsplit(self.path)
        query = urllib.parse.parse_qs(place.query)
        if place.path == "/dcap":
            links = f'<TimeLink href="/tm"/><EndDeviceListLink all="60" href="/edev"/>'
            return self.answer(200, f'<DeviceCapability xmlns="{NAMESPACE}">{links}</DeviceCapability>')
        if place.path == "/tm":
            return self.answer(200, f'<Time xmlns="{NAMESPACE}"><currentTime>{int(time.time())}</currentTime></Time>')
        found = lists(self.lfdi()).get(place.path)
        if not found:
            return self.answer(404)
        name, members = found
        first, most = (int(query.get(key, [default])[0]) for key, default in (("s", 0), ("l", 1)))
        page = members[first:first + most]
        self.answer(200, f'<{name} xmlns="{NAMESPACE}" all="{len(members)}" results="{len(page)}">{"".join(page)}</{name}>')

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        print(json.dumps({"path": self.path, "kind": self.headers["Content-Type"], "cipher": self.connection.cipher()[0], "body": body}), flush=True)
        self.answer(201)

    def log_message(self, *_):
        pass


def main(certificate, key, authority):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE-ECDSA-AES128-CCM8:@SECLEVEL=0")
    context.load_cert_chain(certificate, key)
    context.load_verify_locations(authority)
    context.verify_mode = ssl.CERT_REQUIRED
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    print(server.server_address[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
