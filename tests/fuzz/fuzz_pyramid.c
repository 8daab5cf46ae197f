/*
 * Any bytes as the body of a row of the pyramid: read as whole nodes, or not at
 * all; merged with itself it gives a body that can be read. The checksum is put
 * right first, else no mutation would come past it.
 */
#include "store/pyramid_nodes.h"
#include <stdlib.h>
#include <string.h>

#include "pure/derived.h"
#include "store/pyramid_fits.h"
#include "wire/crc32c.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check_nodes(const struct bucket *v, size_t n)
{
    if (n > PYRAMID_NODES_MAX) {
        abort();
    }
    for (size_t i = 0; i < n; i++) {
        if (v[i].step_first > v[i].step_last || v[i].count == 0 ||
            (i > 0 && v[i - 1].step_last >= v[i].step_first)) {
            abort();
        }
    }
}

static void read_all(const struct pyramid_view *view)
{
    struct metric metric;
    for (size_t m = 0; metric_kept(view->kind, m, &metric); m++) {
        struct bucket v[PYRAMID_NODES_MAX];
        size_t n = 0;
        struct pyramid_cursor cursor;
        struct pyramid_position pos = { 0 };
        struct pyramid_member member = { 0 };
        if (pyramid_cursor_open(view, metric.kept, &cursor) == PYRAMID_NODES) {
            while (pyramid_cursor_next(&cursor, v, &n)) {
                check_nodes(v, n);
            }
        }
        (void)pyramid_view_member(view, &pos, &member);
        if (pyramid_view_find(view, metric.kept, &member, v, &n) ==
            PYRAMID_NODES) {
            check_nodes(v, n);
        }
    }
}

static void check_fits(struct str section)
{
    struct pyramid_fits_view view;
    struct pyramid_fits_position pos = { 0 };
    struct pyramid_fit_entry entry;
    struct str bytes;
    size_t length = 0;
    if (!pyramid_fits_open(section, &view)) {
        return;
    }
    while (pyramid_fits_next(&view, &pos, &entry, &bytes)) {
        struct fit_block block;
        length += bytes.n;
        if (entry.estimator >= PAIR_ESTIMATORS ||
            entry.regressor >= PAIR_REGRESSORS ||
            !pyramid_fits_know(&view, entry.group)) {
            abort();
        }
        (void)fit_state_peek((const uint8_t *)bytes.p, bytes.n, &block);
    }
    if (length != view.states.n) {
        abort();
    }
}

static void merge_fits(struct pyramid_fits *fits, struct str body)
{
    struct err e = { 0 };
    struct str merged = { 0 };
    struct pyramid_view view;
    struct buf bare = { 0 };
    const struct str bodies[] = { body, body };
    pyramid_body_write(&bare, WIRE_PROBE, false, NULL, 0, NULL, 0);
    if (pyramid_fits_of_bodies(fits, bodies, 2, (struct str){ bare.p, bare.n },
            &merged, &e) == ERR_NONE) {
        if (!pyramid_view_open(merged, WIRE_PROBE, &view)) {
            abort();
        }
        check_fits(view.fits);
    }
    buf_done(&bare);
}

static void merge(
    struct pyramid_nodes *nodes, enum wire_kind kind, struct str body)
{
    struct err e = { 0 };
    struct str merged = { 0 };
    struct pyramid_view view;
    const struct str bodies[PYRAMID_FAN] = { body, body };
    if (pyramid_nodes_of_bodies(nodes, kind, bodies, 2, &merged, &e) ==
            ERR_NONE &&
        merged.n > 0) {
        if (!pyramid_view_open(merged, kind, &view)) {
            abort();
        }
        read_all(&view);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static struct pyramid_nodes nodes;
    static struct pyramid_fits fits;
    char *bytes = malloc(n + 1);
    if (bytes == NULL) {
        return 0;
    }
    if (n > 0) {
        memcpy(bytes, data, n);
    }
    if (n >= sizeof(struct pyramid_head)) {
        uint32_t crc = crc32c(bytes + PYRAMID_CRC_FROM, n - PYRAMID_CRC_FROM);
        memcpy(bytes + offsetof(struct pyramid_head, crc32c), &crc, sizeof crc);
    }
    for (unsigned kind = WIRE_STEP; kind < WIRE_KINDS; kind++) {
        struct pyramid_view view;
        struct str body = { bytes, n };
        if (pyramid_view_open(body, (enum wire_kind)kind, &view)) {
            read_all(&view);
            merge(&nodes, (enum wire_kind)kind, body);
            check_fits(view.fits);
            if (kind == WIRE_PROBE) {
                merge_fits(&fits, body);
            }
        }
    }
    free(bytes);
    return 0;
}
