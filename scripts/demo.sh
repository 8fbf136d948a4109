#!/usr/bin/env bash
# demo.sh P2PC [DIR...]: sends real directories from one p2pc process to another, through the relay that the sender runs itself,
# and shows that what arrived is what was sent: types, modes, times, link targets and contents. Fails if anything differs.
set -euo pipefail

p2pc=$(realpath "$1")
shift
repository=$(dirname "$(dirname "$(realpath "$0")")")
work=$(mktemp -d "${TMPDIR:-/tmp}/p2pc-demo.XXXXXX")
sender=
trap 'if [[ -n $sender ]]; then kill "$sender" 2>/dev/null || true; fi; chmod -R u+rwX "$work"; rm -rf "$work"' EXIT

# A tree with everything that travels.
make_tree() {
    mkdir -p "$1"/{empty-directory,private,a/b/c/d/e/f}
    echo 'hello' >"$1/plain file.txt"
    : >"$1/empty file"
    printf '#!/bin/sh\necho run\n' >"$1/script.sh"
    head -c 5000000 /dev/urandom >"$1/private/random.bin"
    for i in {1..500}; do echo "file number $i" >"$1/a/b/$i.txt"; done
    echo 'deep' >"$1/a/b/c/d/e/f/deep.txt"
    # Names that other tools trip over: a leading dash, a line end, another alphabet, no Unicode at all, what Windows forbids.
    echo 1 >"$1/-rf"
    echo 2 >"$1/"$'line\nend'
    echo 3 >"$1/Ünïcode — файл 文件"
    echo 4 >"$1/"$'not-unicode-\xff\xfe'
    echo 5 >"$1/aux.c"
    echo 6 >"$1/a:b"
    # Links travel as links: to a file, to a directory, upwards within the tree, to nothing.
    ln -s 'plain file.txt' "$1/link to file"
    ln -s a/b "$1/link to directory"
    ln -s ../../../'plain file.txt' "$1/a/b/c/upwards"
    ln -s nowhere "$1/dangling"
    # 64 MiB with 10 bytes in it.
    truncate -s 64M "$1/holes"
    printf 'in between' | dd of="$1/holes" bs=1 seek=33554432 conv=notrunc status=none
    chmod 755 "$1/script.sh"
    chmod 600 "$1/private/random.bin"
    chmod 444 "$1/a/b/1.txt"
    chmod 555 "$1/a/b/c/d"
    chmod 700 "$1/private"
    touch -h -d '1985-10-26 01:21:00.123456789 UTC' "$1/link to file" "$1/a/b/2.txt" "$1/private"
    touch -d '1969-07-20 20:17:40 UTC' "$1/a/b/3.txt"
}

# One line for each thing in a tree, names made printable: type, mode, time to the nanosecond, hash or link target, path.
inventory() (
    cd "$1"
    {
        find . -type f -print0 | sort -z | xargs -0 -r sha256sum --zero | tr '\n\0' '?\n' | sed 's/^/hash /'
        find . -printf 'kind %y mode %m time %T@ target %l path %P\0' | sort -z | tr '\n\0' '?\n'
    } | LC_ALL=C cat -v
)

blocks() { stat -c %b "$1"; }

echo "== the directories to send"
make_tree "$work/everything"
directories=("$work/everything")
if (($#)); then
    directories+=("$@")
else
    directories+=("$repository/src" "$repository/docs")
fi
du -sh --apparent-size "${directories[@]}"

echo "== p2pc send: it is the relay, too"
mkfifo "$work/code"
"$p2pc" send --listen 127.0.0.1:0 "${directories[@]}" >"$work/code" &
sender=$!
read -r code <"$work/code"

echo "== p2pc receive: another process, that has nothing but the code"
# In the environment and not as an argument, where ps would show it to everybody on this machine.
P2PC_CODE=$code "$p2pc" receive --yes --out "$work/received"
wait "$sender"
sender=

echo "== comparing"
differences=0
for directory in "${directories[@]}"; do
    name=$(basename "$(realpath "$directory")")
    inventory "$directory" >"$work/sent.list"
    inventory "$work/received/$name" >"$work/received.list"
    if diff "$work/sent.list" "$work/received.list"; then
        entries=$(grep -c '^kind' "$work/sent.list")
        echo "$name: $entries entries, no difference in type, mode, time, link target or SHA-256"
    else
        differences=1
    fi
done

holes_sent=$(blocks "$work/everything/holes") holes_received=$(blocks "$work/received/everything/holes")
echo "everything/holes: 64 MiB long, $holes_sent blocks on disk sent, $holes_received received"
# File systems differ in how they round a hole; filling 64 MiB with zeros would be 131072 blocks.
if ((holes_sent < 1000 && holes_received > 2000)); then
    echo "the holes were filled" >&2
    differences=1
fi

if ((differences)); then
    echo "== different" >&2
    exit 1
fi
echo "== both sides are equal"
