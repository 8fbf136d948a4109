#!/usr/bin/env bash
# reproducible.sh [TARGET...]: makes the release in dist/ once more, as somebody else would: other directories, another hour, time zone, language and mask.
# Fails if a byte of it differs. dist/ is made first where it is not there. Without targets: those that are in dist/.
set -euo pipefail
cd "$(dirname "$0")/.."

version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
targets=("$@")
have() {
    local target
    for target in "$@"; do
        compgen -G "dist/p2pc-$version-$target*" >/dev/null || return 1
    done
}
if [[ ! -e dist/SHA256SUMS ]] || ! have "${targets[@]}"; then
    scripts/dist.sh "${targets[@]}"
fi
if ((${#targets[@]} == 0)); then
    for binary in dist/p2pc-"$version"-*; do
        case $binary in
        *.tar.gz | *.zip | *.whl) ;;
        *) binary=${binary#"dist/p2pc-$version-"} && targets+=("${binary%.exe}") ;;
        esac
    done
fi

work=$(mktemp -d "${TMPDIR:-/tmp}/p2pc-reproducible.XXXXXX")
trap 'rm -rf "$work"' EXIT
elsewhere=$work/quite/another/place
mkdir -p "$elsewhere"
# What is there now, whether or not it is committed, and nothing that was built.
tar -cf - --exclude=./target --exclude=./.git --exclude='./dist/p2pc-[0-9]*' --exclude=./dist/SHA256SUMS --exclude=./dist/install.sh . | tar -C "$elsewhere" -xf -

tools=$(realpath -m "${CARGO_TARGET_DIR:-target}")/release-tools
mkdir -p "$work/built"
ln -s "${CARGO_HOME:-$HOME/.cargo}" "$work/cargo"
# The same versions by their numbers, so they need not be fetched again.
[[ ! -d $tools ]] || ln -s "$tools" "$work/built/release-tools"
(
    umask 077
    cd "$elsewhere"
    TZ=Pacific/Auckland LC_ALL=tr_TR.UTF-8 CARGO_HOME=$work/cargo CARGO_TARGET_DIR=$work/built scripts/dist.sh "${targets[@]}"
) >/dev/null

# A part of the targets has a shorter list, and a shorter script.
different=0
for file in "$elsewhere"/dist/p2pc-[0-9]*; do
    if cmp "dist/$(basename "$file")" "$file"; then
        echo "the same: $(basename "$file")"
    else
        different=1
    fi
done
((different == 0)) || {
    echo "not reproducible, or dist/ was made of other sources: then make dist first" >&2
    exit 1
}
