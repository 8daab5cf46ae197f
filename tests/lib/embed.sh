#!/bin/sh
# Writes an assembler file that embeds files by .incbin, with a table of them.
#   embed.sh migrations FILE...   NNNN_*.sql in order, and schema/openapi.yaml
#   embed.sh assets DIR           every file of DIR, gzipped
# The C side: daemon/store/migrations.h and daemon/http/assets.h.
set -eu

# blob LABEL FILE: the bytes, and LABEL_end behind them (and a NUL).
blob() {
    printf '%s:\n\t.incbin "%s"\n%s_end:\n\t.byte 0\n' "$1" "$2" "$1"
}

text() {
    printf '%s:\n\t.asciz "%s"\n' "$1" "$2"
}

entry_begin() {
    printf '\t.section .data.rel.ro,"aw"\n\t.balign 8\n\t.globl %s\n\t.hidden %s\n%s:\n' "$1" "$1" "$1"
}

migrations() {
    printf '\t.section .rodata\n'
    i=0
    for file in "$@"; do
        blob "sql_$i" "$file"
        i=$((i + 1))
    done
    blob openapi schema/openapi.yaml
    entry_begin migrations_table
    n=0
    while [ "$n" -lt "$i" ]; do
        printf '\t.quad sql_%s, sql_%s_end - sql_%s\n' "$n" "$n" "$n"
        n=$((n + 1))
    done
    entry_begin migrations_count
    printf '\t.quad %s\n' "$i"
    entry_begin openapi_yaml
    printf '\t.quad openapi, openapi_end - openapi\n'
}

media_type() {
    case $1 in
    *.html) echo 'text/html; charset=utf-8' ;;
    *.js) echo 'text/javascript; charset=utf-8' ;;
    *.css) echo 'text/css; charset=utf-8' ;;
    *.svg) echo 'image/svg+xml' ;;
    *.json | *.map) echo 'application/json' ;;
    *) echo 'application/octet-stream' ;;
    esac
}

# One row: path, media type, gzipped bytes and their number, plain bytes and
# their number, ETag, 1 if the name holds a hash of the content.
assets() {
    dir=$1
    printf '\t.section .rodata\n'
    i=0
    for file in $(cd "$dir" && find . -type f ! -name '.*' | LC_ALL=C sort); do
        path=${file#./}
        gzip -9nc "$dir/$path" > "$dir/.$i.gz"
        blob "gz_$i" "$dir/.$i.gz"
        blob "plain_$i" "$dir/$path"
        text "path_$i" "/$path"
        text "type_$i" "$(media_type "$path")"
        text "etag_$i" "\\\"$(sha256sum "$dir/$path" | cut -c1-32)\\\""
        i=$((i + 1))
    done
    entry_begin assets_table
    n=0
    for file in $(cd "$dir" && find . -type f ! -name '.*' | LC_ALL=C sort); do
        case $file in *-[0-9A-Z][0-9A-Z][0-9A-Z][0-9A-Z][0-9A-Z][0-9A-Z][0-9A-Z][0-9A-Z].*) hashed=1 ;; *) hashed=0 ;; esac
        printf '\t.quad path_%s, type_%s, gz_%s, gz_%s_end - gz_%s, plain_%s, plain_%s_end - plain_%s, etag_%s, %s\n' \
            "$n" "$n" "$n" "$n" "$n" "$n" "$n" "$n" "$n" "$hashed"
        n=$((n + 1))
    done
    entry_begin assets_count
    printf '\t.quad %s\n' "$i"
}

kind=$1
shift
printf '/* made by tests/lib/embed.sh */\n'
"$kind" "$@"
printf '\t.section .note.GNU-stack,"",@progbits\n'
