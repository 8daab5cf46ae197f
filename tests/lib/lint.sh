#!/bin/sh
# The gates that read the source: format, layers, lengths, forbidden words,
# cppcheck and a short list of clang-tidy.
set -u
cd "$(dirname "$0")/../.."
status=0
files=$(git ls-files '*.c' '*.h')
sources=$(git ls-files 'client/*.c' 'daemon/*.c')

say() {
    echo "lint: $*"
    status=1
}

clang-format --dry-run -Werror $files || say 'run make format'

# absent WHY PATTERN PATH...: nothing may match. git grep exits with 1 for that;
# with more it has not looked.
absent() {
    why=$1
    pattern=$2
    shift 2
    hits=$(git grep -nE "$pattern" -- "$@")
    case $? in
    0) say "$why: $hits" ;;
    1) ;;
    *) say "git could not look for: $why" ;;
    esac
}
[ -n "$sources" ] || say 'no sources: this is no git checkout'

# Who may include whom (design: base < pure < store < threads < http < daemon;
# sql and care stand on the store beside the threads: traj query is on sql,
# main.c on care;
# the two halves of libtraj do not know each other, only watch/ knows both).
forbid() { # forbid FILES PATTERN WHY
    absent "$3" "^#include \"($2)" "$1"
}
forbid 'daemon/base' '(pure|store|sql|care|threads|http|daemon)' 'base includes a higher layer'
forbid 'daemon/pure' '(store|sql|care|threads|http|daemon)' 'pure includes a higher layer'
forbid 'daemon/store' '(sql|care|threads|http|daemon)' 'store includes a higher layer'
forbid 'daemon/sql' '(care|threads|http|daemon)' 'sql includes another layer'
forbid 'daemon/care' '(sql|threads|http|daemon)' 'care includes another layer'
forbid 'daemon/threads' '(sql|care|http|daemon)' 'threads includes a higher layer'
forbid 'daemon/http' '(sql|care|daemon)' 'http includes a higher layer'
forbid 'client' '(pure|store|care|threads|http)/' 'a client includes the inside of trajd'
forbid 'daemon' 'transport/' 'trajd includes the client transport'
forbid 'client/math' '(transport|wire)' 'the mathematics knows the transport'
forbid 'client/transport' 'math' 'the transport knows the mathematics'
forbid 'client/wire' '(math|transport)' 'the wire knows the halves'
forbid 'client/examples' '(math|transport|wire)' 'an example uses more than traj.h'

# A file's own header, then the system's, then ours.
hits=$(awk '
    FNR == 1 { ours = 0; first = FILENAME ~ /\.c$/ }
    /^#include "/ { ours += !first }
    /^#include </ && ours { print FILENAME ":" FNR ": " $0; nextfile }
    /^#include/ { first = 0 }
' $files)
[ -z "$hits" ] || say "includes: $hits"

awk '
    FNR == 1 { start = 0; if (lines > 600) print last ": " lines " lines"; last = FILENAME }
    { lines = FNR }
    /^\{$/ { start = FNR }
    /^\}/ && start { if (FNR - start > 100) print FILENAME ":" start ": function of " FNR - start " lines"; start = 0 }
    END { if (lines > 600) print last ": " lines " lines" }
' $sources > build/lint-lengths.txt
[ ! -s build/lint-lengths.txt ] || say "too long: $(cat build/lint-lengths.txt)"

absent forbidden '\b(TODO|FIXME|XXX|HACK|strcpy|strcat|sprintf|atoi|atol|atof|gets)\b *(\(|:|$)' client daemon
absent 'download addresses' '"resolved"' web/package-lock.json

cppcheck --quiet --std=c11 --enable=warning,portability,performance --inline-suppr \
    --suppress=missingIncludeSystem --suppress=internalAstError --error-exitcode=1 -j 2 \
    -Ischema -Iclient -Idaemon -D_POSIX_C_SOURCE=200809L $sources || say cppcheck

# On every processor: the analyzer takes a second for a file. What it counts in
# the headers of the system is no finding.
printf '%s\n' $sources | xargs -n 4 -P "$(nproc)" sh -c '
    clang-tidy --quiet --warnings-as-errors="*" --checks="$0" "$@" -- \
        -std=c17 -Ischema -Iclient -Idaemon -D_POSIX_C_SOURCE=200809L \
        -DTRAJ_BUILD_VERSION=\"\" 2>&1' \
    '-*,bugprone-infinite-loop,bugprone-macro-parentheses,bugprone-misplaced-widening-cast,bugprone-sizeof-expression,bugprone-suspicious-memset-usage,bugprone-suspicious-string-compare,bugprone-use-after-move,cert-err34-c,clang-analyzer-core.*,clang-analyzer-unix.*,clang-analyzer-deadcode.*,misc-redundant-expression' \
    > build/lint-tidy.txt || { grep -v 'warnings generated' build/lint-tidy.txt; say clang-tidy; }

exit $status
