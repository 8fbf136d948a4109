#!/usr/bin/env bash
# build.sh TARGET: builds the binary that ships for a target, the same bytes on whatever machine, and prints where it is.
# Ends with 3, and says what is missing instead, where this machine has not what it takes.
set -euo pipefail
cd "$(dirname "$0")/.."

target=$1
built=${CARGO_TARGET_DIR:-target}
options=(--release --locked --bin p2pc --target "$target")
host=$(uname -m | sed -e 's/^arm64$/aarch64/' -e 's/^amd64$/x86_64/')

cannot() {
    echo "$1"
    exit 3
}

scripts/toolchain.sh "$target" >&2 || cannot "Rust has no standard library for $target here"
# Before the places are known: the crates stand where they are fetched to.
cargo fetch --quiet --locked --target "$target" >&2
RUSTFLAGS="${RUSTFLAGS:-} $(scripts/remap.sh)"
# Windows wants a time within the program.
SOURCE_DATE_EPOCH=$(scripts/dist/epoch.sh)
export RUSTFLAGS SOURCE_DATE_EPOCH

# Given to the last crate only, so that the dependencies are not built twice. Stripped here as well: for a package that has an opt-level of its own
# in the profile, cargo 1.95 forgets the profile's `strip`.
last=(-C strip=symbols)
case $target in
*-unknown-linux-musl)
    # A position-dependent executable: static-pie, the default, keeps a dynamic section for its own relocations, and "static" shall be something one
    # can see at a glance.
    last+=(-C relocation-model=static)
    ;;
*-apple-darwin)
    # What p2pc takes of Apple's frameworks, by name: their SDK is for Apple's own machines.
    export SDKROOT=${SDKROOT:-$PWD/scripts/dist/apple}
    ;;
*-windows-gnu) ;;
*) cannot "nobody has said how p2pc is built for $target" ;;
esac

case $target in
"$host"-unknown-linux-musl | aarch64-unknown-linux-musl)
    # The linker that comes with Rust does, or this machine's own.
    cargo rustc "${options[@]}" -- "${last[@]}" >&2
    ;;
*)
    tools=$(scripts/dist/tools.sh cross) || cannot "zig, which links for $target, cannot be installed from PyPI"
    PATH=$tools:$PATH cargo-zigbuild rustc "${options[@]}" -- "${last[@]}" >&2
    ;;
esac

name=p2pc
[[ $target != *windows* ]] || name=p2pc.exe
echo "$built/$target/release/$name"
