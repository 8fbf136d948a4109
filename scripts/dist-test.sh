#!/usr/bin/env bash
# dist-test.sh: runs everything in dist/ that can run here. Archives are unpacked, the wheel is installed with pip, the script of the release installs from a
# server, and each carries a directory to the binary of this machine and back. What cannot run here is listed at the end.
# As root on Debian it installs what runs programs for other processors and systems, where there are such.
set -euo pipefail
cd "$(dirname "$0")/.."
export LC_ALL=C

version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
host=$(uname -m | sed -e 's/^arm64$/aarch64/' -e 's/^amd64$/x86_64/')-unknown-linux-musl
native=$PWD/dist/p2pc-$version-$host
work=$(mktemp -d "${TMPDIR:-/tmp}/p2pc-dist-test.XXXXXX")
started=()
leave() {
    for process in "${started[@]}"; do
        kill "$process" 2>/dev/null || true
    done
    # What Wine has running for its programs outlives them, and writes into its directory.
    [[ ! -d $work/wine ]] || wine wineboot --kill >/dev/null 2>&1 || true
    rm -rf "$work"
}
trap leave EXIT
not_run=()
# Ours, and nobody's own.
unset WINEPREFIX

fail() {
    echo "dist-test: $1" >&2
    exit 1
}

has() {
    command -v "$1" >/dev/null || {
        ((EUID == 0)) && command -v apt-get >/dev/null || return 1
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$2" </dev/null >&2 || return 1
    }
}

# What runs programs for a target, in `runner`; fails with the reason in `why`.
find_runner() {
    runner=()
    case $1 in
    "$host") ;;
    aarch64-unknown-linux-musl | x86_64-unknown-linux-musl)
        why="qemu-user-static is not here"
        has "qemu-${1%%-*}-static" qemu-user-static || return 1
        runner=("qemu-${1%%-*}-static")
        ;;
    *-windows-gnu)
        why="wine is not here"
        has wine wine || return 1
        why="wine does not start"
        make_wine || return 1
        runner=(wine)
        ;;
    *)
        why="nothing here runs programs for it"
        return 1
        ;;
    esac
}

# A Windows 10 that Rust's library can start in.
make_wine() {
    [[ -n ${WINEPREFIX:-} ]] && return
    # Without what it would fetch from the network to be complete.
    export WINEPREFIX=$work/wine WINEPATH=$work/wine-dlls WINEDEBUG=-all WINEDLLOVERRIDES='mscoree,mshtml='
    mkdir "$work/wine-dlls"
    wine reg add 'HKCU\Software\Wine' /v Version /d win10 /f >&2 || return 1
    [[ -e $work/wine/drive_c/windows/system32/bcryptprimitives.dll ]] || {
        local tools
        tools=$(scripts/dist/tools.sh cross) || return 1
        "$tools/python" -m ziglang cc -target x86_64-windows-gnu -shared -o "$work/wine-dlls/bcryptprimitives.dll" scripts/dist/prng.c -ladvapi32 || return 1
    }
}

# What it says about itself, and a directory from one to another: carries NAME SENDER... -- RECEIVER...
carries() {
    local name=$1 sender=() process code
    shift
    while [[ $1 != -- ]]; do
        sender+=("$1")
        shift
    done
    shift
    mkdir -p "$work/carried/$name"
    mkfifo "$work/carried/$name/code"
    (cd "$work" && exec timeout 120 "${sender[@]}" send --listen 127.0.0.1:0 tree) >"$work/carried/$name/code" 2>"$work/carried/$name/sender" &
    process=$!
    started+=("$process")
    read -r code <"$work/carried/$name/code" || fail "$name: no code: $(cat "$work/carried/$name/sender")"
    (cd "$work/carried/$name" && P2PC_CODE=${code%$'\r'} timeout 120 "$@" receive --yes --out out 2>receiver) ||
        fail "$name: the receiver failed: $(cat "$work/carried/$name/"{sender,receiver})"
    wait "$process" || fail "$name: the sender failed: $(cat "$work/carried/$name/sender")"
    diff -r "$work/tree" "$work/carried/$name/out/tree" || fail "$name: what arrived is not what was sent"
    for old in random a/b; do
        [[ $(stat -c %Y "$work/carried/$name/out/tree/$old") == $(stat -c %Y "$work/tree/$old") ]] || fail "$name: $old has another time"
    done
    echo "ok: $name"
}

runs() {
    local name=$1 said
    shift
    said=$(timeout 120 "$@" --version) || fail "$name does not run"
    [[ ${said%$'\r'} == "p2pc $version" ]] || fail "$name says $said, not p2pc $version"
    carries "$name-sends" "$@" -- "$native"
    carries "$name-receives" "$native" -- "$@"
}

# Hands out a directory, at `base`.
serves() {
    mkfifo "$work/$1.server"
    python3 -u -m http.server --bind 127.0.0.1 --directory "$2" 0 >"$work/$1.server" 2>/dev/null &
    started+=($!)
    read -r base <"$work/$1.server" || fail "python3 serves nothing"
    base=$(grep -o 'http://127[^/]*' <<<"$base")
}

mkdir -p "$work/tree/empty" "$work/tree/a/b"
head -c 3000000 /dev/urandom >"$work/tree/random"
seq 100000 >"$work/tree/a/numbers"
echo text >"$work/tree/a/b/text with blanks.txt"
touch -d '1985-10-26 01:21:00 UTC' "$work/tree/random" "$work/tree/a/b"

[[ -x $native ]] || fail "$native is not there: make dist"
(cd dist && sha256sum --quiet -c SHA256SUMS) || fail "SHA256SUMS is wrong"
# Nothing is published that is not in the list.
for file in dist/install.sh dist/p2pc-[0-9]*; do
    grep -q " ${file#dist/}\$" dist/SHA256SUMS || fail "$file is not in SHA256SUMS"
done

echo "== archives"
for archive in dist/p2pc-"$version"-*.tar.gz dist/p2pc-"$version"-*.zip; do
    [[ -e $archive ]] || continue
    target=${archive#"dist/p2pc-$version-"}
    target=${target%.tar.gz} target=${target%.zip}
    suffix=
    [[ $target != *windows* ]] || suffix=.exe
    mkdir "$work/unpacked"
    case $archive in
    *.zip) python3 -m zipfile -e "$archive" "$work/unpacked" ;;
    *) tar -C "$work/unpacked" -xzf "$archive" ;;
    esac
    mv "$work/unpacked/p2pc-$version-$target" "$work/$target" || fail "$archive has not one directory of its name"
    rmdir "$work/unpacked"
    chmod 755 "$work/$target/p2pc$suffix"
    cmp "$work/$target/p2pc$suffix" "dist/p2pc-$version-$target$suffix" || fail "$archive has another binary"
    for file in README.md CHANGELOG.md LICENSE LICENSE-MIT LICENSE-APACHE LICENSE-THIRD-PARTY; do
        [[ -s $work/$target/$file ]] || fail "$archive has no $file"
    done
    for more in man completions; do
        [[ ! -d dist/$more ]] || diff -r "dist/$more" "$work/$target/$more" || fail "$archive has other $more"
    done
    if [[ $target == *darwin* ]]; then
        scripts/dist/macho.py "$work/$target/p2pc" "$target"
    fi
    if find_runner "$target"; then
        runs "$target" "${runner[@]}" "$work/$target/p2pc$suffix"
    else
        not_run+=("$(basename "$archive"): $why")
    fi
done

echo "== wheels"
for wheel in dist/p2pc-"$version"-*.whl; do
    [[ -e $wheel ]] || continue
    case $wheel in
    *"${host%%-*}".*) ;;
    *)
        processor=${wheel##*linux_1_1_}
        python3 -m zipfile -e "$wheel" "$work/wheel"
        cmp "$work/wheel/p2pc-$version.data/scripts/p2pc" "dist/p2pc-$version-${processor%.whl}-unknown-linux-musl" || fail "$wheel has another binary"
        rm -r "$work/wheel"
        not_run+=("$(basename "$wheel"): pip here takes none for that processor; the binary in it is that of the archive")
        continue
        ;;
    esac
    # The pip there is: one of its own for each environment is the slowest part of making it.
    tools=$(scripts/dist/tools.sh wheel)
    python3 -m venv --without-pip "$work/venv"
    "$tools/pip" --python "$work/venv" install --quiet --disable-pip-version-check --no-index "$wheel"
    cmp "$work/venv/bin/p2pc" "$native" || fail "$wheel has another binary"
    runs wheel "$work/venv/bin/p2pc"
done

echo "== the script that installs"
serves dist dist
! grep -q '@[A-Z]*@' dist/install.sh || fail "something is left to fill in in install.sh"
BASE=$base PREFIX=$work/prefix sh dist/install.sh
cmp "$work/prefix/bin/p2pc" "$native" || fail "install.sh installs another binary"
runs install.sh "$work/prefix/bin/p2pc"
[[ $(ls -A "$work/prefix/bin") == p2pc ]] || fail "install.sh leaves something behind"
# With nothing but what a small system has: the shell, wget and sha256sum of busybox.
if has busybox busybox; then
    mkdir "$work/applets"
    busybox --install -s "$work/applets"
    env -i PATH="$work/applets" HOME="$work/small" BASE="$base" "$work/applets/sh" dist/install.sh
    cmp "$work/small/.local/bin/p2pc" "$native" || fail "install.sh installs another binary with busybox"
    # Over a program that is running, and one that is a link to somewhere else.
    "$work/small/.local/bin/p2pc" relay --listen 127.0.0.1:0 >"$work/small/relay" 2>&1 &
    started+=($!)
    env -i PATH="$work/applets" HOME="$work/small" BASE="$base" "$work/applets/sh" dist/install.sh >/dev/null
    kill -0 "${started[-1]}" || fail "install.sh ends a program that is running"
    cmp "$work/small/.local/bin/p2pc" "$native" || fail "install.sh does not install over what is running"
    echo "ok: install.sh with busybox"
else
    not_run+=("install.sh with busybox, which is not here")
fi
# What is not what was announced, and no address at all.
mkdir "$work/other"
cp dist/p2pc-"$version"-* "$work/other"
echo more >>"$work/other/$(basename "$native")"
serves other "$work/other"
if BASE=$base PREFIX=$work/nowhere sh dist/install.sh 2>"$work/refused" || ! grep -q 'nothing was installed' "$work/refused"; then
    fail "install.sh takes another binary than the announced one"
fi
[[ -z $(ls -A "$work/nowhere/bin") ]] || fail "install.sh leaves something behind"
# A release that does not know where it will be wants to be told.
if grep -qF "url=\${BASE:-''}" dist/install.sh; then
    if env -u BASE PREFIX="$work/nowhere" sh dist/install.sh 2>"$work/refused" || ! grep -q 'BASE=https://' "$work/refused"; then
        fail "install.sh does not say that it has to be told where the files are"
    fi
fi

for what in "${not_run[@]}"; do
    echo "not run here: $what"
done
