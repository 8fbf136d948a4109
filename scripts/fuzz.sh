#!/usr/bin/env bash
# Fuzzes every target, or those named, for SECONDS each, and keeps what brought something new: the smallest set of inputs that
# reaches the same code, at most KEEP of them, in fuzz/corpus, where the tests replay it. Needs the nightly compiler and cargo-fuzz.
#   scripts/fuzz.sh [SECONDS [TARGET…]]
set -euo pipefail
cd "$(dirname "$0")/.."
seconds="${1:-60}"
shift || true
targets=("$@")
keep="${KEEP:-250}"

if ! cargo +nightly fuzz --version >/dev/null 2>&1; then
    echo "missing: rustup toolchain install nightly; cargo install cargo-fuzz" >&2
    exit 1
fi
if ((${#targets[@]} == 0)); then
    for file in fuzz/fuzz_targets/*.rs; do targets+=("$(basename "$file" .rs)"); done
fi

for target in "${targets[@]}"; do
    found="fuzz/found/$target"
    corpus="fuzz/corpus/$target"
    mkdir -p "$found" "$corpus"
    # No sanitizer: the crate forbids unsafe code, so what can go wrong panics by itself, three times as fast.
    cargo +nightly fuzz run --sanitizer none "$target" "$found" "$corpus" -- \
        -max_total_time="$seconds" -max_len=4096 -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 2>&1 |
        grep -aE '^(stat::|SUMMARY|==|Test unit|thread|artifact)|panicked' | sed "s/^/$target: /"
    merged="$(mktemp -d)"
    cargo +nightly fuzz run --sanitizer none "$target" "$merged" "$found" "$corpus" -- -merge=1 -max_len=4096 >/dev/null 2>&1
    rm -rf "$corpus"
    mkdir -p "$corpus"
    # The shortest first: they are the ones a person can read.
    find "$merged" -type f -printf '%s %p\n' | sort -n | sed -n "1,${keep}p" | cut -d' ' -f2- | xargs -r cp -t "$corpus"
    rm -rf "$merged"
    echo "$target: $(find "$corpus" -type f | wc -l) inputs kept"
done
