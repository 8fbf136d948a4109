
# What there is, and what each file must be.
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

# The shell writes the file: curl and wget out of a sandbox (snap) may not write into a directory whose name begins with a dot.
fetch() {
    if has curl; then
        # What was asked for over TLS comes over TLS, wherever one is sent on to.
        case $1 in https://*) allowed='=https' ;; *) allowed='=http,https' ;; esac
        # "Too many at the moment" is worth another try, after as long as the server says; a minute of nothing is too long.
        curl --proto "$allowed" --tlsv1.2 --connect-timeout 60 --speed-time 60 --retry 3 -fsSL "$1" >"$2"
    elif has wget; then
        # Busybox has one that is built without this option, and another that crashes on it (Debian 12): only GNU's says its version.
        patience=
        ! wget --version >/dev/null 2>&1 || patience='-T 60'
        # Unquoted on purpose: two words, or none.
        wget -q $patience -O - "$1" >"$2"
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

# Where it works, until it has finished or is interrupted.
work=
leave() {
    [ -z "$work" ] || rm -rf "$work"
}

# Everything happens in here, and it is called in the last line: half a script does nothing.
main() {
    elsewhere='choose another place with PREFIX=/some/where'
    target=$(target)
    sum=$(sum_of "$target") || fail "there is no p2pc for $target at $url: build it from source, or ask whoever runs that server"
    name=p2pc
    case $target in *windows*) name=p2pc.exe ;; esac
    from=$(place_of "$target" "$sum" "$name")
    if [ -z "${PREFIX:-}" ] && [ -z "${HOME:-}" ]; then
        fail 'neither HOME nor PREFIX is set: say where to with PREFIX=/some/where'
    fi
    bin=${PREFIX:-${HOME:-}/.local}/bin
    case $bin in /*) ;; *) fail "$bin is not below /: say where to with PREFIX=/some/where" ;; esac
    mkdir -p "$bin" || fail "cannot make $bin: $elsewhere"
    [ ! -d "$bin/$name" ] || fail "$bin/$name is a directory: move it away, or $elsewhere"
    trap leave EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 141' PIPE
    trap 'exit 143' TERM
    # Beside its place, so that it comes there in one step.
    mkdir -m 700 "$bin/.p2pc-$$" || fail "cannot write to $bin: $elsewhere"
    work=$bin/.p2pc-$$
    fetch "$from" "$work/$name" || fail "cannot fetch $from: nothing was installed; try again"
    got=$(sha256 "$work/$name")
    [ "$got" = "$sum" ] || fail "what came from $from is not what was announced (SHA-256 $got, not $sum): nothing was installed; try again"
    chmod 755 "$work/$name"
    status=0
    version=$("$work/$name" --version) || status=$?
    case $status in
    0) ;;
    126) fail "no program may run in $bin (mounted noexec?), or none for $target on this machine: nothing was installed; $elsewhere" ;;
    *) fail "p2pc for $target does not run on this machine: nothing was installed" ;;
    esac
    mv -f "$work/$name" "$bin/$name"
    printf '%s is installed: %s\n' "$version" "$bin/$name"
    case :${PATH:-}: in
    *":$bin:"*) run=$name ;;
    *)
        run=$bin/$name
        printf '%s is not in PATH; to add it:  export PATH="%s:$PATH"\n' "$bin" "$bin"
        ;;
    esac
    if [ -n "$relay" ]; then
        printf 'Send:     %s send --relay %s FILE\nReceive:  %s receive CODE@%s\n' "$run" "$relay" "$run" "$relay"
    else
        printf 'Send:     %s send FILE\nReceive:  %s receive\n' "$run" "$run"
    fi
}

main "$@"
