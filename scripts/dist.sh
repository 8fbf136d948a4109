#!/usr/bin/env bash
# dist.sh [TARGET...]: a release, in dist/: for each target the binary, an archive with its manual and licences, and a wheel for pip; a script that
# installs, and the SHA-256 of everything. Without targets all that there are: what this machine cannot build is left out, and listed with the reason at
# the end. A target that was named has to be built. BASE=URL is where the files will be, for the script.
#
# The same sources become the same bytes, wherever and whenever: scripts/reproducible.sh.
set -euo pipefail
cd "$(dirname "$0")/.."
export LC_ALL=C TZ=UTC
umask 022

all=(x86_64-unknown-linux-musl aarch64-unknown-linux-musl x86_64-pc-windows-gnu x86_64-apple-darwin aarch64-apple-darwin)
targets=("$@")
(($#)) || targets=("${all[@]}")
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
bytes_max=$((6 * 1024 * 1024))

SOURCE_DATE_EPOCH=$(scripts/dist/epoch.sh)
export SOURCE_DATE_EPOCH

work=$(mktemp -d "${TMPDIR:-/tmp}/p2pc-dist.XXXXXX")
trap 'rm -rf "$work"' EXIT
skipped=()

# What is published for Linux runs on every Linux: a static executable has neither a dynamic section nor an interpreter, a stripped one no symbol table.
check() {
    local binary=$1 target=$2 bytes sections trace
    bytes=$(stat -c %s "$binary")
    if ((bytes > bytes_max)); then
        echo "$binary has $bytes bytes, more than $bytes_max: see what grew with cargo tree" >&2
        exit 1
    fi
    if [[ $target == *linux* ]]; then
        sections=$(readelf --wide --section-headers --program-headers "$binary")
        for trace in .dynamic .interp INTERP .symtab; do
            if grep -qw -- "$trace" <<<"$sections"; then
                echo "$binary is not stripped and static: it has $trace" >&2
                exit 1
            fi
        done
    fi
    # Where it was built is nobody's business, and differs.
    for trace in "$PWD" "${CARGO_HOME:-$HOME/.cargo}" "$(rustc --print sysroot)"; do
        if grep -qaF -- "$trace/" "$binary"; then
            echo "$binary names a place of this machine: $trace" >&2
            exit 1
        fi
    done
    echo "$binary: $bytes bytes" >&2
}

# The binary with all that a package should have, in one directory and one file.
archive() {
    local binary=$1 target=$2 inside=$work/p2pc-$version-$2 kind=tar.gz
    [[ $target != *windows* ]] || kind=zip
    mkdir "$inside"
    install -m 755 "$binary" "$inside/$(basename "$3")"
    install -m 644 README.md CHANGELOG.md LICENSE LICENSE-MIT LICENSE-APACHE "$inside"
    scripts/dist/third_party.py "$target" >"$inside/LICENSE-THIRD-PARTY"
    for more in man completions; do
        [[ ! -d dist/$more ]] || cp -r "dist/$more" "$inside/$more"
    done
    scripts/dist/pack.py "$inside" "dist/p2pc-$version-$target.$kind"
}

# What pip installs, on every Linux. The flags are those of build.sh, so that it is made of what was just built.
wheel() {
    local target=$1 tools
    tools=$(scripts/dist/tools.sh wheel) || {
        skipped+=("the wheel for $target: maturin cannot be installed from PyPI")
        return
    }
    # It tells much of what it does: only where it fails is that of interest.
    RUSTFLAGS="${RUSTFLAGS:-} $(scripts/remap.sh)" "$tools/maturin" build --quiet --release --locked --target "$target" \
        --compatibility manylinux2014 musllinux_1_1 --out dist -- -C strip=symbols -C relocation-model=static 2>"$work/maturin" || {
        cat "$work/maturin" >&2
        exit 1
    }
}

# The script of a relay, with another beginning.
install_script() {
    local binary target sums=$work/sums
    for binary in dist/"p2pc-$version"-*; do
        target=${binary#"dist/p2pc-$version-"}
        case $target in *.tar.gz | *.zip | *.whl) continue ;; esac
        echo "    ${target%.exe}) echo $(sha256sum <"$binary" | cut -c 1-64) ;;"
    done >"$sums"
    cat src/relay/front/install/release.sh src/relay/front/install/common.sh |
        sed -e "s|@VERSION@|$version|g" -e "s|@URL@|${BASE:-}|g" -e "/^@SUMS@$/{
            r $sums
            d
        }" >dist/install.sh
    chmod 755 dist/install.sh
}

rm -f dist/p2pc-[0-9]* dist/SHA256SUMS dist/install.sh
for target in "${targets[@]}"; do
    echo "== $target" >&2
    status=0
    built=$(scripts/build.sh "$target") || status=$?
    if ((status == 3)); then
        skipped+=("$target: $built")
        (($# == 0)) && continue
        echo "cannot build $target: $built" >&2
    fi
    ((status == 0)) || exit "$status"
    suffix=
    [[ $target != *windows* ]] || suffix=.exe
    binary=dist/p2pc-$version-$target$suffix
    install -m 755 "$built" "$binary"
    check "$binary" "$target"
    archive "$binary" "$target" "$built"
    [[ $target != *linux* ]] || wheel "$target"
done
install_script
(cd dist && sha256sum install.sh p2pc-[0-9]* | tee SHA256SUMS)

for missing in dist/man dist/completions; do
    [[ -d $missing ]] || skipped+=("$missing: it is not there, so it is in no archive")
done
for what in "${skipped[@]}"; do
    echo "left out: $what"
done
