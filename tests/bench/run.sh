#!/bin/sh
# Every benchmark, one after the other (two at once would measure each other).
# Tables on the terminal; one JSON line per row in build/bench.jsonl.
set -eu
cd "$(dirname "$0")/../.."
: > build/bench.jsonl
for source in tests/bench/bench_*.c; do
    name=$(basename "$source" .c)
    printf '\n== %s\n' "$name"
    "build/bench/$name" > build/bench.out
    sed '/^{/d' build/bench.out
    grep '^{' build/bench.out >> build/bench.jsonl # a benchmark has rows
done
