#!/usr/bin/env bash
# tools.sh TOOL...: installs what a release needs beside Rust into an environment of its own, and prints where its programs are. `wheel` makes the
# wheel, `cross` links for other systems. Asks the network only for what is missing; fails where it cannot have it.
set -euo pipefail
cd "$(dirname "$0")/../.."

# One version of each, so that the same sources become the same bytes.
wheel=(maturin==1.16.0)
cross=(ziglang==0.17.1 cargo-zigbuild==0.24.0)

environment=$(realpath -m "${CARGO_TARGET_DIR:-target}")/release-tools
for tool in "$@"; do
    declare -n packages=$tool
    installed=$environment/$tool.installed
    [[ $(cat "$installed" 2>/dev/null) == "${packages[*]}" ]] && continue
    {
        [[ -x $environment/bin/pip ]] || python3 -m venv "$environment"
        "$environment/bin/pip" install --quiet --disable-pip-version-check "${packages[@]}"
    } >&2
    echo "${packages[*]}" >"$installed"
done
echo "$environment/bin"
