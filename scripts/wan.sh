#!/usr/bin/env bash
# wan.sh: a small wide-area network on this machine, for measuring transfers where people make them. Needs root and iproute2.
#
#   wan.sh up [KEY=VALUE...]          a sender and a receiver, each behind a link of its own to the relay, 10.77.9.9;
#                                     delay_ms (one way), rate_mbit, loss (percent), queue_ms
#   wan.sh on snd|rly|rcv COMMAND...  becomes that command on that host
#   wan.sh down                       removes everything
#
# Hosts are network namespaces, links are emulated by P2PC_LINK, the program that `make bench` runs. CC is the hosts' congestion control (cubic).
set -euo pipefail

run=/run/p2pc-bench-wan
hosts=(snd rly rcv)
sides=(snd rcv)

down() {
    local side host
    for side in "${sides[@]}"; do
        if [[ -e $run/$side.pid ]]; then kill "$(<"$run/$side.pid")" 2>/dev/null || true; fi
    done
    for host in "${hosts[@]}" snd-near snd-far rcv-near rcv-far; do ip netns del "p2pcb-$host" 2>/dev/null || true; done
    rm -rf "$run"
}

namespace() {
    ip netns add "p2pcb-$1"
    # Nothing speaks on these networks but what is measured.
    ip netns exec "p2pcb-$1" sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1 2>/dev/null || true
    ip -n "p2pcb-$1" link set lo up
}

# cable HOST MIDDLE ADDRESS MAC PEER PEER_MAC: an interface of the host, whose far end is in MIDDLE. Packets leave it one by one: what is
# emulated are packets, not the bundles that a virtual interface would take. Neighbours are written down, so that nobody asks for them.
cable() {
    ip -n "p2pcb-$1" link add "$2" address "$4" type veth peer name wan netns "p2pcb-$2"
    ip -n "p2pcb-$1" link set "$2" gso_max_segs 1 mtu 1500 txqueuelen 1000 up
    ip -n "p2pcb-$2" link set wan up
    ip -n "p2pcb-$1" addr add "$3/24" dev "$2"
    ip -n "p2pcb-$1" neigh replace "$5" lladdr "$6" dev "$2" nud permanent
}

up() {
    down
    mkdir -p "$run"
    local host side number=0
    for host in "${hosts[@]}"; do
        namespace "$host"
        ip netns exec "p2pcb-$host" sysctl -qw "net.ipv4.tcp_congestion_control=${CC:-cubic}"
    done
    for side in "${sides[@]}"; do
        number=$((number + 1))
        namespace "$side-near"
        namespace "$side-far"
        local end=10.77.$number.2 relay=10.77.$number.1 end_mac=02:00:00:00:0$number:02 relay_mac=02:00:00:00:0$number:01
        cable "$side" "$side-near" "$end" "$end_mac" "$relay" "$relay_mac"
        cable rly "$side-far" "$relay" "$relay_mac" "$end" "$end_mac"
        "${P2PC_LINK:?the program that emulates a link}" link "p2pcb-$side-near" "p2pcb-$side-far" "$@" "seed=$number" >"$run/$side.log" 2>&1 &
        echo $! >"$run/$side.pid"
        until grep -q ready "$run/$side.log"; do
            kill -0 $! 2>/dev/null || { cat "$run/$side.log" >&2; exit 1; }
            sleep 0.05
        done
        # The first packet tells a link which interface it stands at.
        ip netns exec "p2pcb-$side" bash -c "echo >/dev/udp/$relay/9" || true
        ip netns exec p2pcb-rly bash -c "echo >/dev/udp/$end/9" || true
    done
    # The relay's one name, from either side.
    ip -n p2pcb-rly addr add 10.77.9.9/32 dev lo
    ip -n p2pcb-snd route add 10.77.9.9 via 10.77.1.1
    ip -n p2pcb-rcv route add 10.77.9.9 via 10.77.2.1
}

case "${1:-}" in
up) shift && up "$@" ;;
on) host=$2 && shift 2 && exec ip netns exec "p2pcb-$host" "$@" ;;
down) down ;;
*) sed -n '2,10p' "$0" >&2 && exit 2 ;;
esac
