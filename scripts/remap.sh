#!/usr/bin/env bash
# Prints the flags of rustc that keep the places of this machine out of what is built, for RUSTFLAGS: where the sources are, and where cargo and
# rustup keep theirs. Without them two people who build the same would get different bytes.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo_home=${CARGO_HOME:-$HOME/.cargo}
# RUSTFLAGS has its words apart by blanks.
for place in "$PWD" "$cargo_home" "$(rustc --print sysroot)"; do
    if [[ $place == *[[:space:]]* ]]; then
        echo "a release cannot be built where there is a blank in the name of a directory: $place" >&2
        exit 1
    fi
done
flags=(
    "--remap-path-prefix=$PWD=/p2pc"
    "--remap-path-prefix=$cargo_home=/cargo"
    "--remap-path-prefix=$(rustc --print sysroot)=/rust"
)
# The crates, whose directory is named by the registry that they came from. What is said last goes first.
for sources in "$cargo_home"/registry/src/*/; do
    [[ -d $sources ]] && flags+=("--remap-path-prefix=${sources%/}=/crates")
done
echo "${flags[*]}"
