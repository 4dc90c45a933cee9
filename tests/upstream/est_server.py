"""A server of enrolment over secure transport (RFC 7030) whose authority is openssl.

    est_server.py FOLDER PORT LIFE_S

FOLDER has authority.crt and .key, broker.crt and .key for TLS, and the password of user "new" in est-password.
It lets those in who know the password or show a certificate of the authority, adds an organisation and another
name to first certificates, and insists that a renewal asks for the same (4.2.2). One line a request to est.log.
"""

import base64
import datetime
import http.server
import os
import re
import ssl
import subprocess
import sys

FOLDER, PORT, LIFE_S = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
CONFIG = """
[ca]
default_ca = it
[it]
database = est-index
serial = est-serial
new_certs_dir = .
certificate = authority.crt
private_key = authority.key
default_md = sha256
policy = any
unique_subject = no
copy_extensions = copy
[any]
organizationName = optional
commonName = supplied
"""
NAME = "DNS:device.utility.example"


def openssl(*arguments, given=None):
    done = subprocess.run(["openssl", *arguments], cwd=FOLDER, input=given, capture_output=True)
    if done.returncode:
        raise ValueError(done.stderr.decode(errors="replace"))
    return done.stdout


def write(name, octets):
    with open(os.path.join(FOLDER, name), "wb") as file:
        file.write(octets)


def only(*names):
    """Certificates alone, as EST sends them."""
    files = [word for name in names for word in ("-certfile", name)]
    return base64.encodebytes(openssl("crl2pkcs7", "-nocrl", *files, "-outform", "DER"))


def issue(request, renewal):
    """The certificate for a request in DER, of which openssl has verified the signature."""
    write("est.csr", openssl("req", "-inform", "DER", "-verify", given=request))
    told = openssl("req", "-in", "est.csr", "-noout", "-subject", "-nameopt", "RFC2253", "-text").decode()
    name = re.search(r"subject=.*?CN=([^,\n]+)", told)[1]
    if "ecdsa-with-SHA384" not in told:
        raise ValueError("a request is signed with the hash that was wanted")
    more = []
    if renewal:
        if "O=Example Utility" not in told or NAME not in told:
            raise ValueError("a renewal has the names of what it renews")
    else:
        write("est.ext", f"subjectAltName={NAME}\n".encode())
        more = ["-subj", f"/O=Example Utility/CN={name}", "-extfile", "est.ext"]
    now = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
    begins, ends = (at.strftime("%y%m%d%H%M%SZ") for at in (now, now + datetime.timedelta(seconds=LIFE_S)))
    openssl("ca", "-batch", "-notext", "-config", "est.conf", "-in", "est.csr", "-out", "est.crt",
            "-startdate", begins, "-enddate", ends, *more)
    return only("est.crt")


class Est(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body=b"", kind="application/pkcs7-mime; smime-type=certs-only"):
        shown = "certificate" if self.connection.getpeercert() else "none"
        with open(os.path.join(FOLDER, "est.log"), "a", encoding="ascii") as log:
            log.write(f"{self.path} {shown} {status}\n")
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        if self.path == "/.well-known/est/cacerts":
            return self.answer(200, only("authority.crt"))
        if self.path == "/.well-known/est/csrattrs":
            # SEQUENCE { ecdsa-with-SHA384 }
            return self.answer(200, b"MAoGCCqGSM49BAMD", "application/csrattrs")
        return self.answer(404)

    def do_POST(self):
        request = self.rfile.read(int(self.headers["Content-Length"]))
        renewal = self.path == "/.well-known/est/simplereenroll"
        with open(os.path.join(FOLDER, "est-password"), encoding="ascii") as file:
            word = "Basic " + base64.b64encode(f"new:{file.read().strip()}".encode()).decode()
        known = self.connection.getpeercert() if renewal else self.headers["Authorization"] == word
        if not renewal and self.path != "/.well-known/est/simpleenroll":
            return self.answer(404)
        if not known:
            return self.answer(401)
        if self.headers["Content-Type"] != "application/pkcs10":
            return self.answer(415)
        try:
            return self.answer(200, issue(base64.b64decode(request), renewal))
        except ValueError as error:
            return self.answer(400, str(error).encode(), "text/plain")


write("est.conf", CONFIG.encode())
write("est-index", b"")
write("est-serial", b"1000\n")
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(os.path.join(FOLDER, "broker.crt"), os.path.join(FOLDER, "broker.key"))
context.load_verify_locations(os.path.join(FOLDER, "authority.crt"))
context.verify_mode = ssl.CERT_OPTIONAL
server = http.server.ThreadingHTTPServer(("localhost", PORT), Est)
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
