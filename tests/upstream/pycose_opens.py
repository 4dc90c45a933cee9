"""pycose opens and verifies what `wattle upstream seal --profile cose` made."""

import os
import subprocess
import sys
import tempfile

from cryptography.x509 import load_pem_x509_certificate
from pycose.keys import EC2Key, SymmetricKey
from pycose.messages import CoseMessage

CURVES = {"prime256v1": ("P_256", 32), "secp384r1": ("P_384", 48)}


def run(*command):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def opens(wattle, folder, curve, key):
    cert, private, batch = (os.path.join(folder, name) for name in ("gw.crt", "gw.key", "batch"))
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", f"ec_paramgen_curve:{curve}", "-nodes",
        "-subj", "/CN=gw", "-days", "2", "-keyout", private, "-out", cert)
    payload = os.urandom(234)
    with open(os.path.join(folder, "payload"), "wb") as file:
        file.write(payload)
    run(wattle, "upstream", "seal", "--profile", "cose", "--sign-cert", cert, "--sign-key", private,
        "--epoch-key", f"7={key.hex()}", "--device", "gw-1", "--stream", "meter/1", "--seq", "41-136",
        "--state", folder, "--out", batch, os.path.join(folder, "payload"))
    with open(batch, "rb") as file:
        outer = CoseMessage.decode(file.read())
    assert outer.phdr["r"] == ["gw-1", "meter/1", 41, 136], outer.phdr
    outer.key = SymmetricKey(k=key)
    inner = CoseMessage.decode(outer.decrypt())
    with open(cert, "rb") as file:
        numbers = load_pem_x509_certificate(file.read()).public_key().public_numbers()
    name, size = CURVES[curve]
    inner.key = EC2Key(crv=name, x=numbers.x.to_bytes(size, "big"), y=numbers.y.to_bytes(size, "big"))
    assert inner.verify_signature(), "the signature"
    assert inner.payload == payload, "the payload"


def main():
    passed = 0
    for curve in CURVES:
        for size in (16, 32):
            with tempfile.TemporaryDirectory() as folder:
                opens(sys.argv[1], folder, curve, os.urandom(size))
            passed += 1
            print(f"pycose opens {curve}, AES-{8 * size}")
    print(f"{passed} passed, 0 failed, 0 skipped")


main()
