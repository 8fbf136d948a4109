#!/usr/bin/env python3
"""Derives room and password of a code of one's own with other implementations than ours (pyca/cryptography 44 or newer).

    python3 tests/vectors/code.py "Seven blue herons wade"
"""

import sys

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

SALT = b"p2pc v1 own code"


def expand(key, label, length):
    return HKDF(SHA256(), length, SALT, label).derive(key)


stretched = Argon2id(salt=SALT, length=64, iterations=3, lanes=1, memory_cost=64 * 1024).derive(sys.argv[1].encode())
print("room    ", expand(stretched, b"room", 20).hex())
print("password", expand(stretched, b"password", 32).hex())
