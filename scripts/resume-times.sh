#!/usr/bin/env bash
# resume-times.sh P2PC [RUNS [DIR]]: on this machine, through a relay on loopback, the medians of RUNS runs of
#   - a whole transfer of 1 GiB, and of the rest of one that was killed at 90 %;
#   - a whole transfer with the journal, and with --no-resume.
# What is compared takes turns, so that both have the same good and bad moments. DIR is where the files lie: give one on the disk that
# is meant (SIZE in MiB is another size).
set -euo pipefail

p2pc=$(realpath "$1")
runs=${2:-5}
work=$(mktemp -d "${3:-${TMPDIR:-/tmp}}/p2pc-times.XXXXXX")
size=${SIZE:-1024}
code=48213-acid-crane-otter
started=()
trap 'kill "${started[@]}" 2>/dev/null || true; rm -rf "$work"' EXIT

head -c "${size}M" /dev/urandom >"$work/data"
mkfifo "$work/listening"
"$p2pc" relay --listen 127.0.0.1:0 >"$work/listening" 2>/dev/null &
started+=($!)
read -r _ _ relay <"$work/listening"

send() { exec "$p2pc" send --quiet --relay "$relay" --code "$code" "$work/data"; }
receive() { exec "$p2pc" receive --quiet --yes --relay "$relay" --code "$code" --out "$work/out" "$@"; }

now() { date +%s.%N; }
since() { echo "$(now) $1" | awk '{ printf "%.2f\n", $1 - $2 }'; }

# The seconds that a transfer takes, from the start of both to the end of both. Writes that others left behind are over before.
timed() {
    sync "$work"
    local began
    began=$(now)
    send & local sender=$!
    (receive "$@") || exit
    wait "$sender"
    since "$began"
}

# Leaves a transfer that was killed when nine tenths of it were on the disk.
killed_at_90() {
    send & local sender=$!
    (receive) & local receiver=$!
    local part blocks=0
    until ((blocks * 512 >= size * 1024 * 1024 / 10 * 9)); do
        part=$(compgen -G "$work/out/.p2pc-*.part" || true)
        blocks=$(stat -c %b "$part" 2>/dev/null || echo 0)
        kill -0 "$receiver"
        sleep 0.01
    done
    kill -KILL "$sender" "$receiver"
    wait "$sender" "$receiver" 2>/dev/null || true
}

median() { sort -n | awk '{ a[NR] = $1 } END { print NR % 2 ? a[(NR + 1) / 2] : (a[NR / 2] + a[NR / 2 + 1]) / 2 }'; }
percent() { echo "$1 $2" | awk '{ printf "%.1f %%\n", $1 / $2 * 100 }'; }
fresh() { rm -rf "$work/out"; }
correct() { cmp "$work/data" "$work/out/data"; }

for ((run = 1; run <= runs; run++)); do
    fresh && timed >>"$work/whole" && correct
    fresh && killed_at_90 && timed >>"$work/resumed" && correct
    fresh && timed --no-resume >>"$work/unjournalled" && correct
    echo "run $run of $runs: whole $(tail -n 1 "$work/whole") s, resumed at 90 % $(tail -n 1 "$work/resumed") s," \
        "--no-resume $(tail -n 1 "$work/unjournalled") s"
done

whole=$(median <"$work/whole") resumed=$(median <"$work/resumed") unjournalled=$(median <"$work/unjournalled")
echo "medians of $runs, $size MiB: whole $whole s, resumed at 90 % $resumed s, --no-resume $unjournalled s"
echo "the rest takes $(percent "$resumed" "$whole") of the whole; with the journal a transfer takes $(percent "$whole" "$unjournalled") of one without"
