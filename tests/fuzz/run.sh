#!/bin/sh
# Every fuzz target over its corpus, then on from there for FUZZ_SECONDS each
# (default 10), as many at a time as there are processors. A finding stops with
# the input in build/fuzz/findings/.
set -eu
cd "$(dirname "$0")/../.."
mkdir -p build/fuzz/findings build/fuzz/corpus
export FUZZ_SECONDS="${FUZZ_SECONDS:-10}"
targets=$(for source in tests/fuzz/fuzz_*.c; do basename "$source" .c; done)
[ -n "$targets" ]
printf '%s\n' $targets | xargs -P "$(nproc)" -I TARGET tests/fuzz/one.sh TARGET
