#!/usr/bin/env python3
"""api.py TARGET [--check]: writes the public API of the crate to tests/api.txt, a line for each item; or, with --check, says what is not as it stands there.

What is public is what the documentation shows, with the names under which it shows it. A type in a signature that is shown nowhere is an error: nobody could
name it. The description comes from the rustdoc of the toolchain that rust-toolchain.toml pins, so its format changes only with that.
"""

import difflib
import json
import os
import pathlib
import subprocess
import sys
import tempfile

FORMAT = 57
LISTING = pathlib.Path("tests/api.txt")


def described(target):
    """What rustdoc knows of the crate. Only rustdoc itself is told that it may do what is not stable: cargo would compile every dependency anew."""
    with tempfile.TemporaryDirectory() as directory:
        wrapper = pathlib.Path(directory, "rustdoc")
        wrapper.write_text('#!/bin/sh\nRUSTC_BOOTSTRAP=1 exec rustdoc "$@"\n')
        wrapper.chmod(0o755)
        command = ["cargo", "rustdoc", "--quiet", "--locked", "--lib", "--target", target, "--target-dir"]
        built = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", "target"))
        command += [built, "--", "-Z", "unstable-options", "--output-format", "json", "--document-hidden-items", "--cap-lints", "allow"]
        subprocess.run(command, check=True, env={**os.environ, "RUSTDOC": str(wrapper)})
        crate = json.loads((built / target / "doc/p2pc.json").read_text("utf-8"))
    if crate["format_version"] != FORMAT:
        sys.exit(f"api.py reads format {FORMAT} of rustdoc, and this one writes {crate['format_version']}: look what changed in rustdoc-json-types")
    return crate


class Api:
    def __init__(self, crate):
        self.index, self.elsewhere = crate["index"], crate["paths"]
        self.places, self.lines, self.unnamed, self.crates = {}, [], set(), set()
        self.find([(crate["root"], "p2pc")])
        for identity, path in sorted(self.places.items(), key=lambda place: place[1]):
            self.show(self.index[str(identity)], path)

    def find(self, ahead):
        """Gives every item its shortest name: level by level, through what is exported again."""
        while ahead:
            below = []
            for module, path in ahead:
                if module in self.places:
                    continue
                self.places[module] = path
                for identity in self.index[str(module)]["inner"]["module"]["items"]:
                    item = self.index[str(identity)]
                    name = item["name"]
                    if is_hidden(item) or item["visibility"] != "public":
                        continue
                    if use := item["inner"].get("use"):
                        name, identity = use["name"], use["id"]
                        item = self.index.get(str(identity))
                        if item is None:
                            self.lines.append(f"use {path}::{name} = {use['source']}")
                            continue
                    if "module" in item["inner"]:
                        below.append((identity, f"{path}::{name}"))
                    elif identity in self.places:
                        self.lines.append(f"use {path}::{name} = {self.places[identity]}")
                    else:
                        self.places[identity] = f"{path}::{name}"
            ahead = below

    def show(self, item, path):
        """A line for an item, and those for what it consists of."""
        ((kind, inner),) = item["inner"].items()
        marks = [mark for mark in ("non_exhaustive", "must_use") if mark in str(item["attrs"])]
        before = "".join(f"#[{mark}] " for mark in marks)
        if kind == "function":
            self.lines.append(f"{before}{self.function(inner, path)}")
        elif kind in ("struct", "enum", "trait"):
            head = f"{before}{kind} {path}{self.generics(inner['generics'])}"
            bounds = self.bounds(inner.get("bounds", []))
            self.lines.append(head + (f": {bounds}" if bounds else ""))
            for member in self.members(kind, inner):
                self.show(member, f"{path}::{member['name']}")
            self.implemented(inner, path)
        elif kind == "variant":
            fields = inner["kind"] if isinstance(inner["kind"], dict) else {}
            of_tuple = [self.type(self.index[str(field)]["inner"]["struct_field"]) for field in fields.get("tuple", [])]
            self.lines.append(f"{before}{path}{'(' + ', '.join(of_tuple) + ')' if of_tuple else ''}")
            for field in fields.get("struct", {}).get("fields", []):
                field = self.index[str(field)]
                self.show(field, f"{path}::{field['name']}")
        elif kind == "struct_field":
            self.lines.append(f"{path}: {self.type(inner)}")
        elif kind == "constant":
            self.lines.append(f"const {path}: {self.type(inner['type'])}")
        elif kind == "assoc_const":
            self.lines.append(f"const {path}: {self.type(inner['type'])}")
        elif kind == "type_alias":
            self.lines.append(f"type {path}{self.generics(inner['generics'])} = {self.type(inner['type'])}")
        elif kind == "module":
            self.lines.append(f"mod {path}")
        else:
            sys.exit(f"api.py does not know what to say of {path}, a {kind}")

    def members(self, kind, inner):
        if kind == "struct":
            plain = inner["kind"].get("plain", {}) if isinstance(inner["kind"], dict) else {}
            tuple_ = inner["kind"].get("tuple", []) if isinstance(inner["kind"], dict) else []
            identities = plain.get("fields", []) + [field for field in tuple_ if field is not None]
        else:
            identities = inner["variants"] if kind == "enum" else inner["items"]
        members = [self.index[str(identity)] for identity in identities]
        # What is in a trait or a variant has no visibility of its own.
        return [member for member in members if member["visibility"] in ("public", "default") and not is_hidden(member)]

    def implemented(self, inner, path):
        """The methods of a type, and one line with the traits it has."""
        traits = []
        for identity in inner.get("impls", []):
            block = self.index[str(identity)]
            implementation = block["inner"]["impl"]
            # Rustdoc counts with a type also what others make of it.
            of = implementation["for"].get("resolved_path")
            if implementation["blanket_impl"] or is_hidden(block) or not of or self.places.get(of["id"]) != path:
                continue
            if trait := implementation["trait"]:
                if trait["path"].split("::")[-1] not in ("StructuralPartialEq", "Freeze", "UnsafeUnpin"):
                    unnamed, crates = set(self.unnamed), set(self.crates)
                    generics = self.generics(implementation["generics"])
                    sign = "!" if implementation["is_negative"] else ""
                    shown = f"{generics}{' ' if generics else ''}{sign}{self.path(trait)}"
                    if self.unnamed == unnamed:
                        traits.append(shown)
                    # What is made from something that nobody can name is for the crate itself.
                    self.unnamed, self.crates = unnamed, crates if self.unnamed != unnamed else self.crates
                continue
            for member in (self.index[str(member)] for member in implementation["items"]):
                if member["visibility"] == "public" and not is_hidden(member):
                    self.show(member, f"{path}{self.arguments(of['args'])}::{member['name']}")
        if traits:
            self.lines.append(f"{path}: {' + '.join(sorted(traits))}")

    def function(self, inner, path):
        signature = inner["sig"]
        inputs = ", ".join(self.input(name, type_) for name, type_ in signature["inputs"])
        output = f" -> {self.type(signature['output'])}" if signature["output"] else ""
        header = "".join(f"{word} " for word in ("const", "unsafe", "async") if inner["header"][f"is_{word}"])
        return f"{header}fn {path}{self.generics(inner['generics'])}({inputs}){output}{self.where(inner['generics'])}"

    def input(self, name, type_):
        shown = self.type(type_)
        return {"Self": "self", "&Self": "&self", "&mut Self": "&mut self"}.get(shown, f"{name}: {shown}") if name == "self" else f"{name}: {shown}"

    def generics(self, generics):
        """What stands in angle brackets; `impl Trait` in an argument stands where the argument is."""
        shown = []
        for parameter in generics["params"]:
            ((kind, inner),) = parameter["kind"].items()
            if kind == "lifetime":
                shown.append(parameter["name"])
            elif kind == "type" and not inner["is_synthetic"]:
                bounds = self.bounds(inner["bounds"])
                default = f" = {self.type(inner['default'])}" if inner["default"] else ""
                shown.append(parameter["name"] + (f": {bounds}" if bounds else "") + default)
            elif kind == "const":
                shown.append(f"const {parameter['name']}: {self.type(inner['type'])}")
        return f"<{', '.join(shown)}>" if shown else ""

    def where(self, generics):
        shown = []
        for predicate in generics["where_predicates"]:
            if bound := predicate.get("bound_predicate"):
                shown.append(f"{self.type(bound['type'])}: {self.bounds(bound['bounds'])}")
        return f" where {', '.join(shown)}" if shown else ""

    def bounds(self, bounds):
        shown = []
        for bound in bounds:
            if trait := bound.get("trait_bound"):
                question = "?" if trait["modifier"] == "maybe" else ""
                shown.append(question + self.path(trait["trait"]))
            else:
                shown.append(bound.get("outlives", "use<..>"))
        return " + ".join(shown)

    def path(self, path):
        """A name as users have to write it."""
        identity = path["id"]
        name = path["path"].split("::")[-1]
        if shown := self.places.get(identity):
            name = shown
        elif known := self.elsewhere.get(str(identity)):
            if known["crate_id"] == 0:
                self.unnamed.add("::".join(known["path"]))
            elif (crate := known["path"][0]) not in ("std", "core", "alloc"):
                self.crates.add(crate)
                name = "::".join(known["path"])
        return name + self.arguments(path["args"])

    def arguments(self, arguments):
        if not arguments:
            return ""
        if inner := arguments.get("parenthesized"):
            output = f" -> {self.type(inner['output'])}" if inner["output"] else ""
            return f"({', '.join(map(self.type, inner['inputs']))}){output}"
        inner, shown = arguments["angle_bracketed"], []
        for argument in inner["args"]:
            ((kind, value),) = argument.items() if isinstance(argument, dict) else ((argument, None),)
            shown.append({"lifetime": lambda: value, "type": lambda: self.type(value), "const": lambda: value["expr"], "infer": lambda: "_"}[kind]())
        for constraint in inner["constraints"]:
            binding = constraint["binding"]
            value = self.type(binding["equality"]["type"]) if "equality" in binding else self.bounds(binding["constraint"])
            shown.append(f"{constraint['name']}{' = ' if 'equality' in binding else ': '}{value}")
        return f"<{', '.join(shown)}>" if shown else ""

    def type(self, type_):
        ((kind, inner),) = type_.items()
        match kind:
            case "primitive" | "generic":
                return inner
            case "resolved_path":
                return self.path(inner)
            case "borrowed_ref":
                lifetime = f"{inner['lifetime']} " if inner["lifetime"] else ""
                return f"&{lifetime}{'mut ' if inner['is_mutable'] else ''}{self.type(inner['type'])}"
            case "tuple":
                return f"({', '.join(map(self.type, inner))})"
            case "slice":
                return f"[{self.type(inner)}]"
            case "array":
                return f"[{self.type(inner['type'])}; {inner['len']}]"
            case "impl_trait":
                return f"impl {self.bounds(inner)}"
            case "dyn_trait":
                traits = [self.path(trait["trait"]) for trait in inner["traits"]]
                return f"dyn {' + '.join(traits + ([inner['lifetime']] if inner['lifetime'] else []))}"
            case "qualified_path":
                return f"{self.type(inner['self_type'])}::{inner['name']}"
        sys.exit(f"api.py does not know the type {kind}")


def is_hidden(item):
    return "doc(hidden)" in str(item["attrs"])


def main():
    target, *rest = sys.argv[1:]
    api = Api(described(target))
    if api.unnamed:
        sys.exit("in public signatures, and shown nowhere: " + ", ".join(sorted(api.unnamed)))
    head = [
        "# The public API, written by `make api` and compared by `make check`: what this file loses or changes, a user loses.",
        f"# Types of other crates in it: {', '.join(sorted(api.crates))}.",
    ]
    now = "\n".join(head + sorted(set(api.lines), key=by_name)) + "\n"
    if rest != ["--check"]:
        LISTING.write_text(now, "utf-8")
        return
    before = LISTING.read_text("utf-8") if LISTING.exists() else ""
    if before != now:
        sys.stdout.writelines(difflib.unified_diff(before.splitlines(True), now.splitlines(True), str(LISTING), "the sources", n=0))
        sys.exit("the public API is not what tests/api.txt says: if that is meant, `make api` and CHANGELOG.md")


def by_name(line):
    return line[line.index("p2pc") :], line


main()
