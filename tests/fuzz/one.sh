#!/bin/sh
# one.sh TARGET: what run.sh does with each.
set -eu
name=$1
corpus=tests/fuzz/corpus/$name
[ -d "$corpus" ] || { echo "$name has no corpus in $corpus"; exit 1; }
work=build/fuzz/corpus/$name
mkdir -p "$work"
"build/fuzz/fuzz/$name" -runs=0 "$corpus" > "$work.log" 2>&1 &&
    "build/fuzz/fuzz/$name" -max_total_time="$FUZZ_SECONDS" -rss_limit_mb=2048 -max_len=65536 \
        -artifact_prefix=build/fuzz/findings/ -print_final_stats=1 "$work" "$corpus" >> "$work.log" 2>&1 ||
    { echo "== $name"; tail -n 40 "$work.log"; exit 1; }
echo "$name:" $(sed -n 's/^stat:://p' "$work.log" | grep -E 'number_of_executed_units|new_units_added')
