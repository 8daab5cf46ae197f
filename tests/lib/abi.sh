#!/bin/sh
# libtraj's ABI against the one recorded in tests/vectors/libtraj.abi: growth is
# welcome, a break must come with a new soname. abi.sh --record writes it anew.
set -eu
cd "$(dirname "$0")/../.."
recorded=tests/vectors/libtraj.abi
dump() {
    abidw --no-corpus-path --no-comp-dir-path --no-architecture --headers-dir client --drop-private-types \
        build/libtraj.so.0 > "$1"
}
make -s build/libtraj.so
if [ "${1:-}" = --record ]; then
    dump "$recorded"
    exit 0
fi
dump build/libtraj.abi
# abidiff's exit status is a bit field: 1, 2 = could not run; 8 = breaks the ABI.
status=0
abidiff "$recorded" build/libtraj.abi || status=$?
[ $((status & 11)) -eq 0 ]
