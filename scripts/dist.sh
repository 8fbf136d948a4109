#!/usr/bin/env bash
# dist.sh BINARY RESULT: puts a stripped static binary where it is published from, after looking that it is one.
set -euo pipefail

binary=$1 result=$2
bytes_max=$((6 * 1024 * 1024))

mkdir -p "$(dirname "$result")"
cp "$binary" "$result"
chmod 755 "$result"

# A static executable has neither a dynamic section nor an interpreter, a stripped one no symbol table.
sections=$(readelf --wide --section-headers --program-headers "$result")
for trace in .dynamic .interp INTERP .symtab; do
    if grep -qw -- "$trace" <<<"$sections"; then
        echo "$result is not stripped and static: it has $trace" >&2
        exit 1
    fi
done
readelf --wide --dynamic "$result" | grep .

bytes=$(stat -c %s "$result")
echo "$result: $bytes bytes, stripped, static"
if ((bytes > bytes_max)); then
    echo "That is more than $bytes_max bytes: see what grew with cargo tree." >&2
    exit 1
fi

cd "$(dirname "$result")"
sha256sum p2pc-[0-9]* | tee SHA256SUMS
