#!/bin/sh
# Installs p2pc @VERSION@: picks the binary for this machine out of the files of this release, checks it against the
# SHA-256 below, and puts it into ~/.local/bin. PREFIX=/usr/local puts it into /usr/local/bin.
#
#   BASE=https://… sh install.sh        BASE is where the files of the release are
set -eu

url=${BASE:-'@URL@'}
url=${url%/}
relay=''

# Where the binary for target $1, called $3 there, is.
place_of() {
    [ -n "$url" ] || fail 'say where the files of the release are with BASE=https://…'
    case $3 in *.exe) echo "$url/p2pc-@VERSION@-$1.exe" ;; *) echo "$url/p2pc-@VERSION@-$1" ;; esac
}
