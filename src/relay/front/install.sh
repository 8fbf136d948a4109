#!/bin/sh
# Installs p2pc @VERSION@: picks the binary for this machine, fetches it from @URL@, checks it against
# the SHA-256 below, and puts it into ~/.local/bin. PREFIX=/usr/local puts it into /usr/local/bin.
#
#   curl -fsSL @URL@/install.sh | sh
#   wget -qO- @URL@/install.sh | PREFIX=/usr/local sh
set -eu

url='@URL@'
relay='@RELAY@'

# What this relay has, and what each file must be.
sum_of() {
    case $1 in
@SUMS@
    *) return 1 ;;
    esac
}

fail() {
    printf 'install.sh: %s\n' "$1" >&2
    exit 1
}

has() {
    command -v "$1" >/dev/null 2>&1
}

target() {
    system=$(uname -s)
    machine=$(uname -m)
    # A shell that runs translated on Apple silicon is told that the machine is an Intel one.
    if [ "$system" = Darwin ] && [ "$(sysctl -n hw.optional.arm64 2>/dev/null || echo 0)" = 1 ]; then
        machine=arm64
    fi
    case $machine in
    x86_64 | amd64) machine=x86_64 ;;
    aarch64 | arm64) machine=aarch64 ;;
    esac
    case $system in
    Linux) echo "$machine-unknown-linux-musl" ;;
    Darwin) echo "$machine-apple-darwin" ;;
    MINGW* | MSYS* | CYGWIN*) echo "$machine-pc-windows-gnu" ;;
    *) echo "$machine-$system" ;;
    esac
}

fetch() {
    if has curl; then
        curl -fsSL -o "$2" "$1"
    elif has wget; then
        wget -q -O "$2" "$1"
    else
        fail 'neither curl nor wget is here: install one of them'
    fi
}

sha256() {
    if has sha256sum; then
        sha256sum <"$1"
    elif has shasum; then
        shasum -a 256 <"$1"
    elif has openssl; then
        openssl dgst -sha256 -r <"$1"
    else
        fail 'nothing here computes SHA-256: install sha256sum, shasum or openssl'
    fi | cut -c 1-64
}

# Everything happens in here, and it is called in the last line: half a script does nothing.
main() {
    target=$(target)
    sum=$(sum_of "$target") || fail "this relay has no p2pc for $target: ask whoever runs $url, or build it from source"
    name=p2pc
    case $target in *windows*) name=p2pc.exe ;; esac
    if [ -z "${PREFIX:-}" ] && [ -z "${HOME:-}" ]; then
        fail 'neither HOME nor PREFIX is set: say where to with PREFIX=/some/where'
    fi
    bin=${PREFIX:-${HOME:-}/.local}/bin
    mkdir -p "$bin" || fail "cannot make $bin: choose another place with PREFIX=/some/where"
    # Beside its place, so that it comes there in one step.
    work=$(mktemp -d "$bin/.p2pc-XXXXXX") || fail "cannot write to $bin: choose another place with PREFIX=/some/where"
    trap 'rm -rf "$work"' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
    fetch "$url/dl/$target" "$work/$name" || fail "cannot fetch $url/dl/$target"
    got=$(sha256 "$work/$name")
    [ "$got" = "$sum" ] || fail "what came from $url/dl/$target is not what was announced (SHA-256 $got, not $sum): nothing was installed; try again"
    chmod 755 "$work/$name"
    version=$("$work/$name" --version) || fail "p2pc for $target does not run on this machine: nothing was installed"
    mv -f "$work/$name" "$bin/$name"
    printf '%s is installed: %s\n' "$version" "$bin/$name"
    case :${PATH:-}: in
    *":$bin:"*) run=$name ;;
    *)
        run=$bin/$name
        printf '%s is not in PATH; to add it:  export PATH="%s:$PATH"\n' "$bin" "$bin"
        ;;
    esac
    printf 'Send:     %s send --relay %s FILE\nReceive:  %s receive CODE@%s\n' "$run" "$relay" "$run" "$relay"
}

main "$@"
