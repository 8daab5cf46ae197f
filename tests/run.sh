#!/bin/sh
# All tests, in the order of the pyramid. The last line is `N passed, M failed`:
# the sum of what the runners counted, and one for each gate.
# Output of what fails is printed; the rest is in build/test-logs/.
#   tests/run.sh             everything
#   tests/run.sh unit lint   only these groups
set -u
cd "$(dirname "$0")/.."
groups=${*:-"build lint unit clang asan tsan fuzz web python contract e2e abi"}
logs=build/test-logs
passed=0
failed=0
failures=
jobs=$(nproc 2>/dev/null || echo 2)
export TRAJ_BUILD="${TRAJ_BUILD:-build}" WERROR=1 PYTHON="${PYTHON:-/usr/bin/python3}"
export PYTHONDONTWRITEBYTECODE=1
export TSAN_OPTIONS="suppressions=$PWD/tests/lib/tsan.supp${TSAN_OPTIONS:+:$TSAN_OPTIONS}"

tests/lib/deps.sh install build test || { echo '0 passed, 1 failed'; exit 1; }
mkdir -p "$logs"

count() { # count PASSED FAILED NAME LOG
    passed=$((passed + $1))
    failed=$((failed + $2))
    if [ "$2" -gt 0 ]; then
        failures="$failures $3"
        printf 'FAIL %s\n' "$3"
        tail -n 60 "$4" | sed 's/^/    /'
    else
        printf 'ok   %s (%s)\n' "$3" "$1"
    fi
}

# A gate is one test: it passes if its command does.
gate() {
    name=$1
    shift
    if "$@" > "$logs/$name.log" 2>&1; then
        count 1 0 "$name" "$logs/$name.log"
    else
        count 0 1 "$name" "$logs/$name.log"
    fi
}

# numbers PATTERN LOG: the sum of the numbers that the pattern captures.
numbers() {
    sed -n "s/$1/\\1/p" "$2" | awk '{ s += $1 } END { print s + 0 }'
}

# A runner that counts: what it exits with must agree with what it says.
counted() { # counted NAME PASSED FAILED STATUS
    if [ "$4" -ne 0 ] && [ "$3" -eq 0 ]; then
        count "$2" 1 "$1" "$logs/$1.log"
    elif [ "$4" -eq 0 ] && [ "$2" -eq 0 ]; then
        echo 'ran no test' >> "$logs/$1.log"
        count 0 1 "$1" "$logs/$1.log"
    else
        count "$2" "$3" "$1" "$logs/$1.log"
    fi
}

cmocka() { # cmocka NAME
    counted "$1" "$(numbers '.*\[  PASSED  \] \([0-9]*\) test.*' "$logs/$1.log")" \
        "$(numbers '.*\[  FAILED  \] \([0-9]*\) test.*' "$logs/$1.log")" "$(cat "$logs/$1.status")"
}

# Of each source, so that a binary that is not there has failed. As many at a
# time as there are processors; counted afterwards, in order.
cmocka_all() { # cmocka_all PREFIX FOLDER
    tests=$(for source in tests/unit/test_*.c tests/fault/test_*.c; do basename "$source" .c; done)
    printf '%s\n' $tests | xargs -P "$jobs" -I TEST sh -c '
        rm -f "$1.status"
        timeout -k 10 600 "$0" > "$1.log" 2>&1
        echo $? > "$1.status"' "$2/tests/TEST" "$logs/$1TEST"
    for test in $tests; do
        cmocka "$1$test"
    done
}

unit() {
    if make -s -j"$jobs" unit > "$logs/build-unit.log" 2>&1; then
        cmocka_all "" build
    else
        count 0 1 build-unit "$logs/build-unit.log"
    fi
}

variant() { # variant NAME CC
    if make -s -j"$jobs" VARIANT="$1" CC="$2" unit "build/$1/trajd" "build/$1/traj" > "$logs/build-$1.log" 2>&1; then
        cmocka_all "$1-" "build/$1"
    else
        count 0 1 "build-$1" "$logs/build-$1.log"
    fi
}

pytest_folder() {
    timeout -k 10 1500 "$PYTHON" -m pytest -q -p no:cacheprovider -n "$jobs" "tests/$1" > "$logs/$1.log" 2>&1
    status=$?
    tail -n 1 "$logs/$1.log" > "$logs/$1.sum" # not what a failed test has said
    p=$(numbers '.*\b\([0-9][0-9]*\) passed.*' "$logs/$1.sum")
    f=$(numbers '.*\b\([0-9][0-9]*\) failed.*' "$logs/$1.sum")
    e=$(numbers '.*\b\([0-9][0-9]*\) error.*' "$logs/$1.sum")
    counted "$1" "$p" $((f + e)) $status
}

node_tests() { # node_tests NAME FILE...
    name=$1
    shift
    timeout -k 10 900 node --test --test-reporter=spec "$@" > "$logs/$name.log" 2>&1
    status=$?
    counted "$name" "$(numbers '^[#ℹ] pass \([0-9]*\)' "$logs/$name.log")" \
        "$(numbers '^[#ℹ] fail \([0-9]*\)' "$logs/$name.log")" $status
}

for group in $groups; do
    printf '== %s\n' "$group"
    case $group in
    build) gate build make -j"$jobs" all unit benches trainers ;;
    lint) gate lint make -s lint ;;
    unit) unit ;;
    clang) gate clang make -j"$jobs" VARIANT=clang CC=clang build/clang/trajd build/clang/traj build/clang/libtraj.so ;;
    asan) variant asan cc ;;
    tsan) variant tsan cc ;;
    fuzz) gate fuzz make -s -j"$jobs" fuzz ;;
    web) gate types sh -c 'cd web && npx tsc --noEmit' && node_tests web web/test/*.test.mjs ;;
    python) pytest_folder oracle && pytest_folder integration ;;
    contract) node_tests contract tests/integration/contract.mjs ;;
    e2e) node_tests e2e tests/e2e/*.test.mjs ;;
    abi) gate abi tests/lib/abi.sh ;;
    *) echo "unknown group $group"; exit 2 ;;
    esac
done

[ -z "$failures" ] || printf 'failed:%s\n' "$failures"
printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
