#!/usr/bin/env python3
"""third_party.py TARGET: prints the notices of everybody whose work is in the binary for a target, each once, with the names of what it is for.

Where a package lets one choose, its notice is that of the MIT licence, as that is the shortest that allows it.
"""

import collections
import json
import pathlib
import subprocess
import sys

command = ["cargo", "metadata", "--locked", "--format-version", "1", "--filter-platform", sys.argv[1]]
metadata = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
packages = {package["id"]: package for package in metadata["packages"]}
nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}

# What is linked: ordinary dependencies of ordinary dependencies, and no procedural macros, which stay with the compiler.
root = metadata["resolve"]["root"]
linked, ahead = set(), [root]
while ahead:
    this = ahead.pop()
    is_macro = any("proc-macro" in target["kind"] for target in packages[this]["targets"])
    if this in linked or is_macro:
        continue
    linked.add(this)
    for dependency in nodes[this]["deps"]:
        if any(kind["kind"] is None for kind in dependency["dep_kinds"]):
            ahead.append(dependency["pkg"])
linked.discard(root)


def notices(package):
    directory = pathlib.Path(package["manifest_path"]).parent
    files = [
        path
        for path in sorted(directory.iterdir())
        if path.is_file() and path.name.upper().startswith(("LICENSE", "LICENCE", "COPYING", "COPYRIGHT", "NOTICE"))
    ]
    licence = package["license"] or ""
    if "MIT" in licence and "AND" not in licence:
        files = [path for path in files if "MIT" in path.name.upper()] or files
    return [path.read_text("utf-8", "replace").strip() for path in files]


whose = collections.defaultdict(list)
for identity in sorted(linked, key=lambda identity: (packages[identity]["name"], packages[identity]["version"])):
    package = packages[identity]
    name = f"{package['name']} {package['version']} ({package['license']})"
    for text in notices(package) or [f"By {', '.join(package['authors']) or 'its authors'}; its package has no text of the licence."]:
        whose["\n".join(line.rstrip() for line in text.splitlines())].append(name)

print("p2pc contains the work of others, under these licences. Rust's standard library is under MIT or Apache-2.0, with parts under others:")
print("https://www.rust-lang.org/policies/licenses. The C library that it uses on Linux is musl, under MIT: https://musl.libc.org.")
for text, names in whose.items():
    print(f"\n{'-' * 100}\n{', '.join(names)}\n\n{text}")
