#!/usr/bin/env python3
"""Computes the golden bytes of src/proto/handshake by other means than ours: SPAKE2 written out in plain integers.

    pip install blake3 cryptography
    python3 tests/vectors/pairing.py
"""

from hashlib import sha256

from blake3 import blake3
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

P = 2**255 - 19
Q = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P


def add(a, b):
    (x1, y1), (x2, y2) = a, b
    t = D * x1 * x2 * y1 * y2 % P
    return (x1 * y2 + x2 * y1) * pow(1 + t, P - 2, P) % P, (y1 * y2 + x1 * x2) * pow(1 - t, P - 2, P) % P


def times(scalar, point):
    result = (0, 1)
    while scalar:
        if scalar & 1:
            result = add(result, point)
        point, scalar = add(point, point), scalar >> 1
    return result


def negative(point):
    return -point[0] % P, point[1]


def encode(point):
    return (point[1] | (point[0] & 1) << 255).to_bytes(32, "little")


def decode(data):
    number = int.from_bytes(data, "little")
    y, sign = number & (1 << 255) - 1, number >> 255
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    return (P - x if x & 1 != sign else x), y


BASE = decode(bytes.fromhex("58" + "66" * 31))
M = decode(bytes.fromhex("15cfd18e385952982b6a8f8c7854963b58e34388c8e6dae891db756481a02312"))
N = decode(bytes.fromhex("f04f2e7eb734b2a8f8b472eaf9c3c632576ac64aea650b496a8a20ff00e583c3"))


def hkdf(salt, key, info, length=32):
    return HKDF(SHA256(), length, salt, info).derive(key)


def stream(purpose, seed, length):
    return blake3(seed, derive_key_context=purpose).digest(length)


class Side:
    def __init__(self, role, made, seed, no_encrypt=0, verify=0, ciphers=3, password=b"acid-crane-otter"):
        self.role, self.nonce, self.password = role, bytes([seed] * 32), password
        pake_seed = bytes([seed + 100] * 32)
        self.opening = stream("p2pc v1 verify opening", pake_seed, 32)
        self.scalar = int.from_bytes(stream("p2pc v1 pake scalar", pake_seed, 64), "little") % Q
        self.code = int.from_bytes(hkdf(b"", password, b"SPAKE2 pw", 48), "big") % Q
        self.element = encode(add(times(self.scalar, BASE), times(self.code, (M, N)[role])))
        hello = bytes([role, made]) + self.nonce + bytes([no_encrypt, verify, ciphers, 0, 5]) + b"1.2.3"
        commitment = sha256(b"p2pc v1 commitment" + self.opening).digest()
        self.first = b"p2pc\x01\x00" + hello + self.element + commitment

    def shared(self, other):
        blinding = times(self.code, (N, M)[self.role])
        key = encode(times(self.scalar, add(decode(other.element), negative(blinding))))
        sender, receiver = (self, other) if self.role == 0 else (other, self)
        names = [sha256(part).digest() for part in (self.password, b"p2pc v1 send", b"p2pc v1 receive")]
        return sha256(b"".join(names) + sender.element + receiver.element + key).digest()


def pair(sender, receiver, room=b"48213"):
    shared = sender.shared(receiver)
    assert shared == receiver.shared(sender)
    parts = (b"p2pc v1 pairing", room, sender.first, receiver.first)
    transcript = sha256(b"".join(len(part).to_bytes(8, "little") + part for part in parts)).digest()
    return lambda label, length=32: hkdf(transcript, shared, label, length)


print("first   ", Side(0, 1, 1, no_encrypt=1).first.hex())
print("first   ", Side(1, 0, 2, verify=1, ciphers=2).first.hex())

sender, receiver = Side(0, 1, 1), Side(1, 0, 2)
keys = pair(sender, receiver)
print("confirm ", (b"p2pc\x01\x01" + keys(b"confirm: sender") + sender.opening).hex())
print("confirm ", (b"p2pc\x01\x01" + keys(b"confirm: receiver") + receiver.opening).hex())

sender = Side(0, 1, 1, verify=1)
keys = pair(sender, receiver)
number = int.from_bytes(keys(b"verify string" + sender.opening + receiver.opening, 8), "little") % 10**9
print("verify  ", "%03d %03d %03d" % (number // 10**6, number // 1000 % 1000, number % 1000))
for direction in (1, 2):
    info = b"record key" + bytes([1, 0, direction]) + sender.nonce + receiver.nonce
    key = hkdf(b"p2pc v1 records", keys(b"session secret"), info)
    print("record  ", AESGCM(key).encrypt(bytes(12), b"first", None).hex())

sender, receiver = Side(0, 1, 1), Side(1, 0, 2)
secret = pair(sender, receiver)(b"session secret")
nonces = bytes([3] * 32), bytes([4] * 32)
print("room    ", hkdf(b"p2pc v1 records", secret, b"lane room" + bytes([0]), 20).hex())
for role, nonce in enumerate(nonces):
    print("rejoin  ", (b"p2pc\x01\x03" + bytes([role, 0]) + nonce).hex())
for direction, frames in ((1, b"\xac\x02"), (2, b"\x07")):
    key = hkdf(b"p2pc v1 records", secret, b"record key" + bytes([1, 0, direction]) + nonces[0] + nonces[1])
    print("received", AESGCM(key).encrypt(bytes(12), b"p\x01\x03" + frames, None).hex())
