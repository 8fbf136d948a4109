#!/bin/sh
# Installs p2pc @VERSION@: picks the binary for this machine, fetches it from @URL@, checks it against
# the SHA-256 below, and puts it into ~/.local/bin. PREFIX=/usr/local puts it into /usr/local/bin.
#
#   curl -fsSL @URL@/install.sh | sh
#   wget -qO- @URL@/install.sh | PREFIX=/usr/local sh
set -eu

url='@URL@'
relay='@RELAY@'

# Where the binary for target $1 with SHA-256 $2 is. Of several relays behind this address another may have another one, and then says so.
place_of() {
    echo "$url/dl/$1?sha256=$2"
}
