#!/bin/sh
# Makes the certificates of this directory anew, valid for a hundred years (expired.pem: for one day, long ago; not-yet.pem: for one in 2119).
# Each leaf's file holds its certificate, then its private key. The keys protect nothing: they are public here.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

key() { # NAME KIND
    case $2 in
        rsa) openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out "$work/$1.key" 2>/dev/null ;;
        ed25519) openssl genpkey -algorithm ED25519 -out "$work/$1.key" 2>/dev/null ;;
        *) openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:"$2" -out "$work/$1.key" 2>/dev/null ;;
    esac
}

authority() { # NAME KIND DIGEST
    key "$1" "$2"
    openssl req -x509 -new -key "$work/$1.key" "-$3" -subj "/CN=p2pc test $1" -days 36500 -out "$1.pem" \
        -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign
}

self_signed() { # NAME CA:TRUE|CA:FALSE
    key "$1" P-256
    openssl req -x509 -new -key "$work/$1.key" -subj "/CN=p2pc test $1" -days 36500 -out "$work/$1.pem" \
        -addext "basicConstraints=critical,$2" -addext "subjectAltName=$here"
    cat "$work/$1.pem" "$work/$1.key" >"$1.pem"
}

leaf() { # NAME KIND AUTHORITY DIGEST SUBJECT-ALTERNATIVE-NAMES [FROM UNTIL]
    key "$1" "$2"
    : >"$work/index"
    cat >"$work/ca.conf" <<END
[ca]
default_ca = here
[here]
new_certs_dir = $work
database = $work/index
rand_serial = yes
policy = policy
x509_extensions = ext
[policy]
commonName = supplied
[ext]
basicConstraints = CA:FALSE
extendedKeyUsage = serverAuth
subjectAltName = $5
END
    openssl req -new -key "$work/$1.key" -subj "/CN=p2pc test $1" -out "$work/$1.csr"
    openssl ca -batch -notext -config "$work/ca.conf" -cert "$3.pem" -keyfile "$work/$3.key" -md "$4" \
        -startdate "${6:-20200101000000Z}" -enddate "${7:-21200101000000Z}" \
        -in "$work/$1.csr" -out "$work/$1.pem" 2>/dev/null
    cat "$work/$1.pem" "$work/$1.key" >"$1.pem"
}

here=DNS:localhost,DNS:relay.test,IP:127.0.0.1,IP:::1
authority ca P-256 sha256
leaf p256 P-256 ca sha256 "$here"
leaf ed25519 ed25519 ca sha384 "$here"
leaf other-name P-256 ca sha256 DNS:other.example
leaf expired P-256 ca sha256 "$here" 20200101000000Z 20200102000000Z
leaf not-yet P-256 ca sha256 "$here" 21190101000000Z 21190102000000Z
authority ca-p384 P-384 sha384
leaf p384 P-384 ca-p384 sha384 "$here"
authority ca-rsa rsa sha256
leaf rsa rsa ca-rsa sha512 "$here"
# What people make with one command: by default openssl marks it as an authority.
self_signed self-signed CA:FALSE
self_signed self-signed-ca CA:TRUE
