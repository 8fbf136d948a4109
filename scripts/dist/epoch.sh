#!/usr/bin/env bash
# Prints the time of everything that is built and packed, in seconds since 1970: SOURCE_DATE_EPOCH, or the day of this version in CHANGELOG.md.
set -euo pipefail
cd "$(dirname "$0")/../.."

version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
day=$(sed -n "s/^## \[$version\] - \([0-9-]*\)$/\1/p" CHANGELOG.md)
if [[ -z ${SOURCE_DATE_EPOCH:-} && -z $day ]]; then
    echo "CHANGELOG.md has no day for $version: add it, or set SOURCE_DATE_EPOCH" >&2
    exit 1
fi
echo "${SOURCE_DATE_EPOCH:-$(TZ=UTC date -d "$day" +%s)}"
