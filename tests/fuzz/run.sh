#!/bin/sh
# Every fuzz target over its corpus, then on from there for FUZZ_SECONDS each
# (default 10). A finding stops with the input in build/fuzz/findings/.
set -eu
cd "$(dirname "$0")/../.."
seconds=${FUZZ_SECONDS:-10}
mkdir -p build/fuzz/findings
ran=0
for source in tests/fuzz/fuzz_*.c; do
    name=$(basename "$source" .c)
    corpus=tests/fuzz/corpus/$name
    [ -d "$corpus" ] || { echo "$name has no corpus in $corpus"; exit 1; }
    work=build/fuzz/corpus/$name
    mkdir -p "$work"
    echo "== $name"
    "build/fuzz/fuzz/$name" -runs=0 "$corpus" 2>&1 | tail -n 1
    "build/fuzz/fuzz/$name" -max_total_time="$seconds" -rss_limit_mb=2048 -max_len=65536 \
        -artifact_prefix=build/fuzz/findings/ -print_final_stats=1 "$work" "$corpus" > "$work.log" 2>&1 ||
        { tail -n 40 "$work.log"; exit 1; }
    grep -E 'stat::number_of_executed_units|stat::new_units_added' "$work.log"
    ran=$((ran + 1))
done
[ "$ran" -gt 0 ]
