/*
 * law.c: memory order. Every store into a slot releases and every load from
 * one acquires, so that a reader that sees any part of a later law also sees
 * the turn that went before its writing, and knows that it must read again.
 * On x86 these are plain loads and stores. (Fences would do with one each, but
 * ThreadSanitizer does not know them.)
 */
#include "transport/law.h"

#include <float.h>
#include <string.h>

static uint64_t bits_of(double value)
{
    uint64_t bits = 0;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static double from_bits(uint64_t bits)
{
    double value = 0;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Bytes of a peer: a law that bounds nothing, or is not finite, is none. */
static bool is_law(const struct wire_ack *ack)
{
    return ack->advice_n > 0 && ack->advice_L0 >= 0 && ack->advice_L1 >= 0 &&
           ack->advice_L0 <= DBL_MAX && ack->advice_L1 <= DBL_MAX &&
           (ack->advice_L0 > 0 || ack->advice_L1 > 0);
}

static void put(_Atomic uint64_t *to, uint64_t value)
{
    atomic_store_explicit(to, value, memory_order_release);
}

static uint64_t get(const _Atomic uint64_t *from)
{
    return atomic_load_explicit(from, memory_order_acquire);
}

void law_say(struct law_board *board, const struct wire_ack *ack, int64_t now)
{
    /* Relaxed: the sender's own number. */
    uint64_t turn = atomic_load_explicit(&board->turn, memory_order_relaxed);
    struct law_slot *slot = &board->slots[(turn + 1) % 2];
    put(&slot->n, is_law(ack) ? ack->advice_n : 0);
    put(&slot->L0_bits, bits_of(ack->advice_L0));
    put(&slot->L1_bits, bits_of(ack->advice_L1));
    atomic_store_explicit(&slot->said_mono_ns, now, memory_order_release);
    put(&board->turn, turn + 1);
    atomic_store_explicit(
        &board->probe_every, ack->probe_every, memory_order_relaxed);
}

bool law_read(const struct law_board *board, struct law *ret)
{
    struct law law;
    uint64_t turn = 0;
    do {
        turn = get(&board->turn);
        const struct law_slot *slot = &board->slots[turn % 2];
        law.n = get(&slot->n);
        law.L0 = from_bits(get(&slot->L0_bits));
        law.L1 = from_bits(get(&slot->L1_bits));
        law.said_mono_ns =
            atomic_load_explicit(&slot->said_mono_ns, memory_order_acquire);
        /* Relaxed: the acquiring loads above keep it behind them. */
    } while (turn != atomic_load_explicit(&board->turn, memory_order_relaxed));
    if (law.n == 0) {
        return false;
    }
    *ret = law;
    return true;
}

uint32_t law_probe_every(const struct law_board *board)
{
    return atomic_load_explicit(&board->probe_every, memory_order_relaxed);
}
