#!/usr/bin/env bash
# Makes sure of the pinned Rust toolchain and of the targets named as arguments. Asks the network only for what is missing.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! command -v rustup >/dev/null; then
    cat >&2 <<'TEXT'
rustup is missing: it installs the Rust toolchain that rust-toolchain.toml pins. Install it with your system's packages
(apt-get install rustup, dnf install rustup, brew install rustup) or as https://rust-lang.org/tools/install says,
then run this again.
TEXT
    exit 1
fi

channel=$(sed -n 's/^channel = "\(.*\)"/\1/p' rust-toolchain.toml)

has_toolchain() {
    local components
    components=$(rustup component list --installed --toolchain "$channel" 2>/dev/null) || return 1
    grep -q '^clippy' <<<"$components" && grep -q '^rustfmt' <<<"$components"
}

has_toolchain || rustup toolchain install "$channel" --profile minimal -c clippy,rustfmt

installed=$(rustup target list --installed --toolchain "$channel")
for target in "$@"; do
    grep -qx "$target" <<<"$installed" || rustup target add "$target" --toolchain "$channel"
done
