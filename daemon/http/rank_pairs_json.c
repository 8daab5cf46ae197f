/* rank_pairs_json.c: keeps nothing; any thread. */
#include "http/rank_pairs_json.h"

#define RANKS_MOST 16

void rank_pairs_json(struct buf *out, const struct rank_pairs *pairs)
{
    const struct {
        const char *name;
        uint64_t value;
    } counts[] = {
        { "whole", pairs->whole },
        { "unchecked", pairs->unchecked },
        { "incomplete", pairs->incomplete },
        { "ranks_differ", pairs->mixed },
        { "gammas_differ", pairs->gammas },
        { "disagree", pairs->disagree },
        { "cost_ns", pairs->cost_ns },
        { "grad_evals", pairs->grad_evals },
    };
    uint32_t ranks[RANKS_MOST];
    const uint32_t n = rank_pairs_missing(pairs, RANKS_MOST, ranks);
    buf_printf(out, "{\"world\":%u", (unsigned)pairs->world);
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        buf_printf(out, ",\"%s\":", counts[i].name);
        buf_json_u64(out, counts[i].value);
    }
    buf_text(out, ",\"last_whole\":");
    if (pairs->has_last_whole) {
        buf_json_u64(out, pairs->last_whole);
    } else {
        buf_text(out, "null");
    }
    buf_printf(out, ",\"n_missing\":%u,\"missing\":[", (unsigned)n);
    for (uint32_t i = 0; i < n && i < RANKS_MOST; i++) {
        buf_comma(out, i);
        buf_u64(out, ranks[i]);
    }
    buf_text(out, "]}");
}
