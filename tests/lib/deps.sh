#!/bin/sh
# What trajd needs: packages of Debian, and the page's of npm.
#   deps.sh check build        say what is missing, exit 1 if anything is
#   deps.sh install build test install what is missing, as root or with sudo
# Sets: build, test, bench-store.
# NO_INSTALL=1 makes install behave as check.
set -eu
cd "$(dirname "$0")/../.."

build_packages='gcc make pkg-config binutils libc6-dev libzmq3-dev libsqlite3-dev
libcjson-dev libmicrohttpd-dev libzstd-dev libcurl4-openssl-dev'
test_packages='g++ git curl clang libclang-rt-14-dev clang-format clang-tidy cppcheck
libcmocka-dev python3 python3-pytest python3-pytest-xdist python3-zmq python3-numpy python3-scipy
python3-statsmodels sqlite3 chromium mandoc abigail-tools procps'
bench_store_packages='influxdb victoria-metrics clickhouse-server postgresql python3
python3-numpy python3-psycopg2'
page_stamp=web/node_modules/.stamp # as the Makefile has it

packages() {
    for set in "$@"; do
        case $set in
        build) echo "$build_packages" ;;
        test) echo "$test_packages" ;;
        bench-store) echo "$bench_store_packages" ;;
        esac
    done
    # Any node from 18 on will do, Debian's only where there is none.
    command -v node >/dev/null && command -v npm >/dev/null || echo nodejs npm
}

missing() {
    for package in $(packages "$@"); do
        state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
        [ "$state" = installed ] || echo "$package"
    done
}

action=$1
shift
list=
page=
if command -v dpkg-query >/dev/null; then
    list=$(missing "$@" | tr '\n' ' ')
else
    echo "trajd: this is no Debian; its packages cannot be checked. Needed:" $(packages "$@")
fi
if [ ! -e "$page_stamp" ] || [ web/package-lock.json -nt "$page_stamp" ]; then
    page=missing
fi
[ -n "$list$page" ] || exit 0

say_and_fail() {
    echo "trajd: $1" >&2
    [ -z "$list" ] || echo "  apt-get install $list" >&2
    [ -z "$page" ] || echo "  cd web && npm ci && touch node_modules/.stamp" >&2
    exit 1
}

[ "$action" = install ] || say_and_fail "packages are missing; run 'make deps' or"
[ -z "${NO_INSTALL:-}" ] || say_and_fail "packages are missing and NO_INSTALL is set:"
if [ -n "$list" ]; then
    if [ "$(id -u)" = 0 ]; then
        root=
    elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
        root=sudo
    elif command -v sudo >/dev/null && [ -t 0 ]; then
        root=sudo
    else
        say_and_fail "packages are missing, and this is neither root nor has sudo:"
    fi
    echo "trajd: installing $list"
    $root apt-get update -qq
    DEBIAN_FRONTEND=noninteractive $root apt-get install -y -qq --no-install-recommends $list >/dev/null
fi
if [ -n "$page" ]; then
    echo "trajd: installing the page's packages into web/node_modules"
    (cd web && npm ci --no-audit --no-fund --loglevel=error)
    touch "$page_stamp"
fi
