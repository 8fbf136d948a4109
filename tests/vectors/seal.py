#!/usr/bin/env python3
"""Seals the golden records of src/proto/seal with other implementations than ours (pyca/cryptography, blake3).

    pip install blake3 cryptography
    python3 tests/vectors/seal.py
"""

from blake3 import blake3
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

SALT = b"p2pc v1 records"
SECRET, SENDER_NONCE, RECEIVER_NONCE = bytes([7] * 32), bytes([1] * 32), bytes([2] * 32)


def expand(key, info, length=32):
    return HKDF(SHA256(), length, SALT, info).derive(key)


def first_key(mode, lane=0, direction=1):
    return expand(SECRET, b"record key" + bytes([mode, lane, direction]) + SENDER_NONCE + RECEIVER_NONCE)


print("first key", first_key(1).hex())
print("next key ", expand(first_key(1), b"next record key").hex())
for lane in (0, 15):
    print("room of lane", lane, expand(SECRET, b"lane room" + bytes([lane]), 20).hex())
for name, mode, cipher in (("AES-256-GCM", 1, AESGCM), ("ChaCha20-Poly1305", 2, ChaCha20Poly1305)):
    for number, content in enumerate((b"first", b"second")):
        nonce = bytes(4) + number.to_bytes(8, "big")
        print(name, number, cipher(first_key(mode)).encrypt(nonce, content, None).hex())
for number, content in enumerate((b"first", b"second")):
    numbers = number.to_bytes(8, "little") + len(content).to_bytes(8, "little")
    tag = blake3(numbers + content, key=first_key(3)).digest()[:16]
    print("tagged", number, (content + tag).hex())
