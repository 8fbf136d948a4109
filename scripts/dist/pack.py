#!/usr/bin/env python3
"""pack.py DIRECTORY ARCHIVE: packs a directory into a .tar.gz or a .zip, the same bytes whoever does it, and when.

Names in order, no owner, two modes, and the time in SOURCE_DATE_EPOCH for everything.
"""

import gzip
import os
import pathlib
import sys
import tarfile
import time
import zipfile

directory, archive = pathlib.Path(sys.argv[1]), sys.argv[2]
epoch = int(os.environ["SOURCE_DATE_EPOCH"])


def mode(path):
    is_open = path.is_dir() or os.access(path, os.X_OK)
    return 0o755 if is_open else 0o644


def name(path):
    return path.relative_to(directory.parent).as_posix()


# By what is compared byte for byte everywhere.
entries = sorted([directory, *directory.rglob("*")], key=name)

if archive.endswith(".zip"):
    date = time.gmtime(epoch)[:6]
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as packed:
        for path in (entry for entry in entries if entry.is_file()):
            info = zipfile.ZipInfo(name(path), date)
            info.compress_type = zipfile.ZIP_DEFLATED
            # As from Unix, whoever packs.
            info.create_system = 3
            info.external_attr = (0o100000 | mode(path)) << 16
            packed.writestr(info, path.read_bytes())
else:
    with open(archive, "wb") as file, gzip.GzipFile("", "wb", 9, file, epoch) as compressed:
        with tarfile.open(fileobj=compressed, mode="w", format=tarfile.USTAR_FORMAT) as packed:
            for path in entries:
                info = tarfile.TarInfo(name(path))
                info.mode, info.mtime = mode(path), epoch
                if path.is_dir():
                    info.type = tarfile.DIRTYPE
                    packed.addfile(info)
                else:
                    info.size = path.stat().st_size
                    with open(path, "rb") as content:
                        packed.addfile(info, content)
