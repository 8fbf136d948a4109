#!/usr/bin/env bash
# What the system tests talk to that is not ours: proxies, servers that stand in front of relays, shells, what reads man pages, what fetches files, and a WebSocket library in an environment of
# its own.
set -euo pipefail
cd "$(dirname "$0")/.."

missing=()
command -v tinyproxy >/dev/null || missing+=(tinyproxy)
command -v microsocks >/dev/null || missing+=(microsocks)
command -v nginx >/dev/null || [[ -x /usr/sbin/nginx ]] || missing+=(nginx)
command -v haproxy >/dev/null || [[ -x /usr/sbin/haproxy ]] || missing+=(haproxy)
for tool in dash curl wget zsh fish mandoc; do
    command -v "$tool" >/dev/null || missing+=("$tool")
done
[[ -x /usr/bin/man.REAL || -x /usr/libexec/man-db/manconv || -x /usr/lib/man-db/manconv ]] || missing+=(man-db)
python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)

if ((${#missing[@]})); then
    if ((EUID != 0)) || ! command -v apt-get >/dev/null; then
        echo "The system tests need ${missing[*]}: install them, or run this as root on Debian." >&2
        exit 1
    fi

    # Debian starts what it installs; the tests start servers of their own.
    policy=/usr/sbin/policy-rc.d
    if [[ ! -e $policy ]]; then
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod 755 "$policy"
        trap 'rm -f "$policy"' EXIT
    fi
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends "${missing[@]}" </dev/null
fi

# One version, so that what it makes of the cases does not change by itself.
websockets=websockets==17.4
environment=${CARGO_TARGET_DIR:-target}/websockets
if [[ $(cat "$environment/installed" 2>/dev/null) != "$websockets" ]]; then
    rm -rf "$environment"
    python3 -m venv "$environment"
    "$environment/bin/pip" install --quiet --disable-pip-version-check "$websockets"
    echo "$websockets" >"$environment/installed"
fi
