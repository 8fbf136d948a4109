#!/usr/bin/env bash
# tools.sh TOOL...: installs what a release needs beside Rust into an environment of its own, and prints where its programs are. `wheel` makes the
# wheel, `cross` links for other systems. Asks the network only for what is missing; fails where it cannot have it, or has something else.
set -euo pipefail
cd "$(dirname "$0")/../.."

environment=$(realpath -m "${CARGO_TARGET_DIR:-target}")/release-tools
for tool in "$@"; do
    # One version of each, so that the same sources become the same bytes; and by their hashes, as what they make is run by others.
    wanted=scripts/dist/$tool.txt
    installed=$environment/$tool.installed
    cmp -s "$wanted" "$installed" && continue
    {
        [[ -x $environment/bin/pip ]] || python3 -m venv "$environment"
        "$environment/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: --require-hashes -r "$wanted"
    } >&2
    cp "$wanted" "$installed"
done
echo "$environment/bin"
