#!/bin/sh
# demo.sh: trajd and the three runs of figure 2 of Zhang, He, Sra, Jadbabaie
# (ICLR 2020), at the size of a minute.
#
#   demo.sh           trains, says what was found, serves until Ctrl-C
#   demo.sh --once    ends when it has said what was found
#
# TRAJD_PORT=N   serve HTTP on port N and take measurements on N+1; without
#                it 7010 and 7011, and any free ports where these are taken
# TRAJ_BUILD     where the programs are; default: build/ of this clone
# DEMO_STEPS     updates of each run; default 1200
#
# Everything it writes is in one temporary folder, which goes when it ends.
set -u

root=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd) || exit 1
build=${TRAJ_BUILD:-$root/build}
steps=${DEMO_STEPS:-1200}
once=
trajd_pid=
trainer_pid=
work=

say() {
    printf '%s\n' "$*"
}

fail() {
    printf 'demo: %s\n' "$*" >&2
    exit 1
}

# ---- what was started is ended, whatever happens

end() { # end PID: asks it to stop and waits until it has
    kill -TERM "$1" 2>/dev/null
    wait "$1" 2>/dev/null
}

clean_up() {
    status=$?
    trap - EXIT
    trap '' INT TERM HUP
    [ -z "$trainer_pid" ] || end "$trainer_pid"
    [ -z "$trajd_pid" ] || end "$trajd_pid"
    [ -z "$work" ] || rm -rf -- "$work"
    exit "$status"
}
trap clean_up EXIT
trap 'say; exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP

# ---- the daemon

# start_trajd HTTP_PORT INGEST_PORT: sets trajd_pid, http and ingest from the
# daemon's ready line; fails when the daemon ends before it is ready.
start_trajd() {
    rm -f -- "$work/ready"
    mkfifo -- "$work/ready" || fail 'no named pipe can be made'
    "$build/trajd" --db "$work/demo.db" --http "127.0.0.1:$1" \
        --ingest "tcp://127.0.0.1:$2" > "$work/ready" 2> "$work/trajd.log" &
    trajd_pid=$!
    # The daemon's end closes the pipe: this waits for a line or for that.
    exec 3< "$work/ready"
    line=
    read -r line <&3
    http=$(printf '%s\n' "$line" | sed -n 's/.*http=\([^ ]*\).*/\1/p')
    ingest=$(printf '%s\n' "$line" | sed -n 's/.*ingest=\([^ ]*\).*/\1/p')
    if [ -z "$http" ] || [ -z "$ingest" ]; then
        end "$trajd_pid"
        trajd_pid=
        return 1
    fi
    http=http://${http#http://}
}

start_any_trajd() {
    if [ -n "${TRAJD_PORT:-}" ]; then
        start_trajd "$TRAJD_PORT" "$((TRAJD_PORT + 1))" && return
    else
        start_trajd 7010 7011 && return
        start_trajd 0 0 && return
    fi
    cat -- "$work/trajd.log" >&2
    fail 'trajd does not start; its last words are above'
}

# ---- one run

# The width of the terminal that stdout is, for lines that are written over.
measure_width() {
    size=$(stty size 2>/dev/null <&4)
    width=${size#* }
    case $width in
    '' | 0 | *[!0-9]*) width=80 ;;
    esac
} 4>&1

progress() { # progress TITLE, then the trainer's lines on stdin
    while read -r word at rest; do
        [ "$word" = step ] || continue
        line=$(printf '  %-24s step %-10s %s' "$1" "$at" "$rest")
        if [ -n "$tty" ]; then
            printf '\r\033[K%.*s' "$width" "$line"
        else
            say "$line"
        fi
    done
    [ -z "$tty" ] || say
}

# train ID TITLE TRAINER_OPTIONS...
train() {
    id=$1
    title=$2
    shift 2
    rm -f -- "$work/progress"
    mkfifo -- "$work/progress" || fail 'no named pipe can be made'
    TRAJ_URL=$ingest TRAJ_DIR=$work/runs TRAJ_MODE=online \
        "$build/examples/lstm" --project demo --run-id "$id" --name "$title" \
        --steps "$steps" --layers 2 --probe-every 2 --gammas 0.05 --sharpness-every 6 \
        --print-every "$print_every" "$@" > "$work/progress" 2> "$work/$id.log" 3<&- &
    trainer_pid=$!
    progress "$title" < "$work/progress"
    wait "$trainer_pid"
    status=$?
    trainer_pid=
    if [ "$status" -ne 0 ]; then
        cat -- "$work/$id.log" >&2
        fail "the run '$title' ended with status $status"
    fi
}

# ---- what was found

number() { # number NAME JSON: the first number of that name, or -
    value=$(printf '%s' "$2" | tr -d ' \n' |
        sed -n "s/.*\"$1\":\(-\{0,1\}[0-9][0-9.eE+-]*\).*/\1/p")
    echo "${value:--}"
}

rounded() { # a number to three places; - stays -
    case $1 in
    -) echo - ;;
    *) printf '%.3f\n' "$1" ;;
    esac
}

# The fit by relative errors, out of the list of fits.
relative_fit() {
    printf '%s' "$1" | tr -d ' \n' | tr '{' '\n' |
        sed -n '/"method":"nnls_relative"/p'
}

# What may be said of each phase.
verdicts() { # verdicts ID
    "$build/traj" verdict --url "$http" "$1" |
        awk '/^steps / { steps = $0; getline; sub(/^ */, ""); print "      " steps ": " $0 }'
}

report() { # report ID TITLE
    json=$("$build/traj" show --url "$http" --json "$1") ||
        fail "traj show says nothing about the run '$2'"
    json=$(printf '%s' "$json" | tr -d '\n' | sed 's/"diagnostics":.*//')
    fit=$(relative_fit "$json")
    printf '  %-24s %6s %9s %9s %9s\n' "$2" "$(number n "$json")" \
        "$(rounded "$(number spearman "$json")")" \
        "$(rounded "$(number L0 "$fit")")" "$(rounded "$(number L1 "$fit")")"
    verdicts "$1"
}

# ---- all of it

case "${1:-}" in
'') ;;
--once) once=1 ;;
*) fail "usage: demo.sh [--once]" ;;
esac
for program in trajd traj examples/lstm; do
    [ -x "$build/$program" ] || fail "$build/$program is missing: run make"
done
work=$(mktemp -d "${TMPDIR:-/tmp}/trajd-demo.XXXXXX") || exit 1
cd -- "$root" || exit 1
tty=
width=80
print_every=$(((steps + 3) / 4))
if [ -t 1 ]; then
    tty=1
    measure_width
    print_every=10
fi

start_any_trajd
say
say "  dashboard:  $http/"
say
say "Three runs of an LSTM on text follow; open the address and watch them."

train large-lr-clipped 'lr 20, clipped at 0.25' --lr 20 --clip 0.25
train small-lr 'lr 2, not clipped' --lr 2
train small-lr-clipped 'lr 2, clipped at 0.25' --lr 2 --clip 0.25

say
say "Smoothness against gradient norm, the fit  L0 + L1 ||g||, and the verdict on"
say "each phase of the run:"
printf '  %-24s %6s %9s %9s %9s\n' run n Spearman L0 L1
report large-lr-clipped 'lr 20, clipped at 0.25'
report small-lr 'lr 2, not clipped'
report small-lr-clipped 'lr 2, clipped at 0.25'

[ -z "$once" ] || exit 0
say
say "Serving $http/ until Ctrl-C."
wait "$trajd_pid"
trajd_status=$?
trajd_pid=
cat -- "$work/trajd.log" >&2
fail "trajd ended by itself with status $trajd_status"
