#!/usr/bin/env bash
# dependencies.sh TARGET...: what ships must be free to ship, known to be sound, and Rust.
#
# Licences and advisories are cargo-deny's work (deny.toml). Where it is not installed, the licences are held against
# the same list here, and the advisories are said to be unchecked. That no C library comes in is always checked here.
set -euo pipefail
cd "$(dirname "$0")/.."

# Everything that goes into the binary or runs while it is built, for one target: name, version, licence.
tree() {
    cargo tree --locked --edges normal,build --target "$1" --prefix none --format '{p}|{l}' | sed 's/ (\*)$//' | sort -u
}

# The licences that deny.toml allows, one a line.
allowed_licences() {
    sed -n '/^allow = \[/,/^\]/s/^ *"\(.*\)",.*/\1/p' deny.toml
}

# Whether an SPDX expression can be met with allowed licences alone. The words become numbers, and the shell does the logic.
is_allowed() {
    local expression token logic=''
    expression=$(sed -e 's/ WITH /+/g' -e 's|/| OR |g' -e 's/[()]/ & /g' <<<"$1")
    for token in $expression; do
        case $token in
            '(' | ')') logic+=$token ;;
            AND) logic+='&&' ;;
            OR) logic+='||' ;;
            *) if grep -qxF "${token//+/ WITH }" <<<"$allowed"; then logic+=1; else logic+=0; fi ;;
        esac
    done
    [[ -n $logic ]] && (($logic))
}

check_licences() {
    local package licence bad=0
    while IFS='|' read -r package licence; do
        [[ $package == p2pc\ * ]] && continue
        if ! is_allowed "$licence"; then
            echo "licence not on the list of deny.toml: $package: ${licence:-none stated}" >&2
            bad=1
        fi
    done
    return $bad
}

# A C library comes in by a compiler driver, under a name that says so, or under the `links` key.
check_rust_only() {
    local target=$1 packages found
    packages=$(tree "$target" | cut -d'|' -f1)
    found=$(
        # Declarations of what the system itself offers are Rust: they compile nothing.
        grep -E '^(cmake|bindgen|nasm-rs|pkg-config|vcpkg|[a-z0-9_-]+-sys) ' <<<"$packages" |
            grep -vE '^(linux-raw-sys|windows-sys|core-foundation-sys|security-framework-sys) ' || true
        compiler_users "$target"
        linking "$target" | grep -xF -f <(cut -d' ' -f1,2 <<<"$packages") || true
    )
    if [[ -n $found ]]; then
        printf '%s\n' "$target brings in C:" "$found" >&2
        return 1
    fi
}

# Who runs a C compiler while it is built. BLAKE3 names the driver always, and leaves it alone when it is asked to be pure.
compiler_users() {
    cargo tree --locked --edges normal,build --target "$1" | grep -q ' cc v' || return 0
    cargo tree --locked --edges normal,build --target "$1" --prefix depth --depth 1 --invert cc |
        sed -n 's/^1\([^ ]* v[^ ]*\).*/\1/p' | grep -v '^blake3 ' || true
    if ! cargo tree --locked --edges features --target "$1" --invert blake3 | grep -q 'blake3 feature "pure"'; then
        echo 'blake3 without its feature "pure"'
    fi
}

# Every package for one target, those of the tests too, that claims a native library, as "name vVERSION".
linking() {
    cargo metadata --locked --format-version 1 --filter-platform "$1" | sed 's/"manifest_path":"/\n/g' |
        sed -n 's|^[^"]*/\([^/"]*\)-\([0-9][^/"]*\)/Cargo.toml".*"links":".*|\1 v\2|p'
}

allowed=$(allowed_licences)
status=0

if cargo deny --version >/dev/null 2>&1; then
    cargo deny --locked check licenses bans sources || status=1
    # The advisories need their database: fetched if the network allows, else as it lies here.
    if cargo deny --locked fetch db 2>/dev/null; then
        cargo deny --locked check advisories || status=1
    elif ls -d "${CARGO_HOME:-$HOME/.cargo}"/advisory-db*/* >/dev/null 2>&1; then
        echo "the advisory database cannot be updated: using it as it is"
        cargo deny --locked --offline check advisories || status=1
    else
        echo "ADVISORIES NOT CHECKED: their database is not here and cannot be fetched"
    fi
else
    echo "ADVISORIES NOT CHECKED: cargo-deny is not installed (cargo install cargo-deny --locked)"
fi

for target in "$@"; do
    if tree "$target" | check_licences && check_rust_only "$target"; then
        echo "licences allowed, no C: $(tree "$target" | wc -l) crates for $target"
    else
        status=1
    fi
done
exit $status
