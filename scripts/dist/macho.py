#!/usr/bin/env python3
"""macho.py BINARY TARGET: looks whether macOS would start a program, as far as that can be seen from elsewhere.

It is for that processor, takes nothing but libraries of the system, and on Apple silicon every page of it has the hash that its signature says: one that has
not is killed there before its first instruction.
"""

import hashlib
import struct
import sys

data = open(sys.argv[1], "rb").read()
is_arm = sys.argv[2].startswith("aarch64")


def check(holds, what):
    if not holds:
        sys.exit(f"{sys.argv[1]}: {what}")


magic, processor, _, kind, commands = struct.unpack_from("<IIIII", data)
check(magic == 0xFEEDFACF and kind == 2, "no 64-bit program for macOS")
check(processor == (0x0100000C if is_arm else 0x01000007), "not for this processor")

libraries, signature, at = [], None, 32
for _ in range(commands):
    command, size = struct.unpack_from("<II", data, at)
    # LC_LOAD_DYLIB, LC_LOAD_WEAK_DYLIB, LC_CODE_SIGNATURE
    if command in (0xC, 0x80000018):
        name = at + struct.unpack_from("<I", data, at + 8)[0]
        libraries.append(data[name : data.index(b"\0", name)].decode())
    elif command == 0x1D:
        signature = struct.unpack_from("<II", data, at + 8)
    at += size

foreign = [path for path in libraries if not path.startswith(("/usr/lib/", "/System/Library/Frameworks/"))]
check(libraries and not foreign, f"takes libraries that are not of the system: {foreign}")
check(signature or not is_arm, "is not signed")
if signature:
    start, _ = signature
    check(struct.unpack_from(">I", data, start)[0] == 0xFADE0CC0, "has no signature where it should be")
    (blobs,) = struct.unpack_from(">I", data, start + 8)
    places = dict(struct.unpack_from(">II", data, start + 12 + 8 * number) for number in range(blobs))
    # The code directory.
    begin = start + places[0]
    check(struct.unpack_from(">I", data, begin)[0] == 0xFADE0C02, "has no code directory")
    hashes, _, _, pages, limit = struct.unpack_from(">IIIII", data, begin + 16)
    width, algorithm, _, shift = struct.unpack_from(">BBBB", data, begin + 36)
    check((width, algorithm) == (32, 2) and limit == start and pages == -(-limit >> shift), "has another kind of signature")
    for page in range(pages):
        content = data[page << shift : min((page + 1) << shift, limit)]
        said = data[begin + hashes + page * width :][:width]
        check(hashlib.sha256(content).digest() == said, f"page {page} is not what was signed")
print(f"looks right: {sys.argv[2]}, with {', '.join(libraries)}")
