/* record_plan.c: pure but for the text it allocates; any thread. */
#include "sql/record_plan.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The letters of the text. */
enum term {
    TERM_RUN = 'r',
    TERM_ATTEMPT = 'a',
    TERM_RANK = 'k',
    TERM_VIEW = 'v',
    TERM_STEP_IS = '=',
    TERM_STEP_ABOVE = '>',
    TERM_STEP_FROM = 'g',
    TERM_STEP_BELOW = '<',
    TERM_STEP_TO = 'l',
    TERM_SEQ_IS = 'i',
    TERM_SEQ_ABOVE = 's',
    TERM_SEQ_FROM = 'f',
};

/* Constraints beyond these are left to SQLite. */
#define TERMS_MAX 32

/* ---- making -------------------------------------------------------------- */

static int once(unsigned op, enum term term)
{
    return op == SQLITE_INDEX_CONSTRAINT_EQ ? (int)term : 0;
}

static int step_term(unsigned op)
{
    switch (op) {
    case SQLITE_INDEX_CONSTRAINT_EQ:
        return TERM_STEP_IS;
    case SQLITE_INDEX_CONSTRAINT_GT:
        return TERM_STEP_ABOVE;
    case SQLITE_INDEX_CONSTRAINT_GE:
        return TERM_STEP_FROM;
    case SQLITE_INDEX_CONSTRAINT_LT:
        return TERM_STEP_BELOW;
    case SQLITE_INDEX_CONSTRAINT_LE:
        return TERM_STEP_TO;
    default:
        return 0;
    }
}

static int seq_term(unsigned op)
{
    switch (op) {
    case SQLITE_INDEX_CONSTRAINT_EQ:
        return TERM_SEQ_IS;
    case SQLITE_INDEX_CONSTRAINT_GT:
        return TERM_SEQ_ABOVE;
    case SQLITE_INDEX_CONSTRAINT_GE:
        return TERM_SEQ_FROM;
    default:
        return 0;
    }
}

/* The letter of a constraint; 0: SQLite's business. */
static int term_of(
    const struct record_columns *columns, sqlite3_index_info *info, int i)
{
    unsigned op = info->aConstraint[i].op;
    const struct record_column *column =
        &columns->v[info->aConstraint[i].iColumn];
    switch (column->role) {
    case RECORD_RUN:
        return strcmp(sqlite3_vtab_collation(info, i), "BINARY") == 0
                   ? once(op, TERM_RUN)
                   : 0;
    case RECORD_ATTEMPT:
        return once(op, TERM_ATTEMPT);
    case RECORD_RANK:
        return once(op, TERM_RANK);
    case RECORD_VIEW:
        return once(op, TERM_VIEW);
    case RECORD_SEQ:
        return seq_term(op);
    case RECORD_FIELD:
        return column->field == 0 ? step_term(op) : 0;
    default:
        return 0;
    }
}

static bool has(const char *terms, int term)
{
    return strchr(terms, term) != NULL;
}

/* One run, one view, ...; of steps and seqs any number of bounds. */
static bool is_new(const char *terms, int term)
{
    return strchr("rakv", term) == NULL || !has(terms, term);
}

/* The order of a scan is the key's; a column that has one value only is in any
 * order. */
static bool is_in_order(const struct record_columns *columns,
    const sqlite3_index_info *info, const char *terms)
{
    static const char fixed[] = { TERM_RUN, TERM_ATTEMPT, TERM_RANK };
    size_t next = RECORD_RUN;
    for (int i = 0; i < info->nOrderBy; i++) {
        enum record_role role = columns->v[info->aOrderBy[i].iColumn].role;
        if (role > RECORD_SEQ || info->aOrderBy[i].desc) {
            return false;
        }
        while (next < role && next < RECORD_SEQ && has(terms, fixed[next])) {
            next++;
        }
        if (role > next) {
            return false;
        }
        next = role == next ? next + 1 : next;
    }
    return true;
}

/* Rough guesses: what matters is that a run is worth finding first in a
 * join, and that fewer steps and columns are less work. */
static void set_cost(sqlite3_index_info *info, const char *terms)
{
    double rows = 1e7;
    for (const char *term = terms; *term != '\0'; term++) {
        switch (*term) {
        case TERM_STEP_IS:
        case TERM_SEQ_IS:
            rows /= 1e4;
            break;
        case TERM_RUN:
            rows /= 100;
            break;
        case TERM_VIEW:
            break;
        default:
            rows /= 4;
            break;
        }
    }
    info->estimatedRows = rows < 1 ? 1 : (sqlite3_int64)rows;
    info->estimatedCost =
        100 + rows * (1 + __builtin_popcountll(info->colUsed) / 8.0);
}

int record_plan_make(
    const struct record_columns *columns, sqlite3_index_info *info)
{
    char terms[TERMS_MAX + 1] = "";
    int n = 0;
    for (int i = 0; i < info->nConstraint && n < TERMS_MAX; i++) {
        int term = term_of(columns, info, i);
        if (term == 0 || !is_new(terms, term)) {
            continue;
        }
        if (!info->aConstraint[i].usable) {
            if (term == TERM_VIEW) {
                return SQLITE_CONSTRAINT; /* known before, or not at all */
            }
            continue;
        }
        terms[n++] = (char)term;
        info->aConstraintUsage[i].argvIndex = n;
        info->aConstraintUsage[i].omit = term == TERM_RUN || term == TERM_VIEW;
    }
    info->orderByConsumed = is_in_order(columns, info, terms);
    set_cost(info, terms);
    info->idxStr = sqlite3_mprintf("%llx:%s", info->colUsed, terms);
    info->needToFreeIdxStr = 1;
    return info->idxStr == NULL ? SQLITE_NOMEM : SQLITE_OK;
}

/* ---- reading ------------------------------------------------------------- */

/* What is left of 0, 1, 2, ... by comparisons with SQL values. */
struct range {
    uint64_t from;
    uint64_t to; /* inclusive */
    bool empty;
};

/* Beyond 2^63 the values are doubles (record_columns.h), and one may have been
 * rounded by half of the distance of two: so the bounds are wider by one. */
#define REALS_FROM 0x1p63
#define REALS_END 0x1p64
#define REALS_APART 2048

static void keep_from(struct range *range, uint64_t from)
{
    range->from = from > range->from ? from : range->from;
}

static void keep_to(struct range *range, uint64_t to)
{
    range->to = to < range->to ? to : range->to;
}

/* x >= least. */
static void bound_below(struct range *range, double least)
{
    if (least > REALS_END) {
        range->empty = true;
    } else if (least > REALS_FROM) {
        keep_from(range, (uint64_t)(least - REALS_APART));
    } else if (least > 0) {
        keep_from(range, (uint64_t)least);
    }
}

/* x <= most. */
static void bound_above(struct range *range, double most)
{
    if (most < 0) {
        range->empty = true;
    } else if (most < REALS_FROM) {
        keep_to(range, (uint64_t)most);
    } else if (most < REALS_END) {
        keep_to(range, (uint64_t)most + REALS_APART - 1);
    }
}

static void bound_by_real(struct range *range, char relation, double value)
{
    switch (relation) {
    case '=':
        bound_below(range, ceil(value));
        bound_above(range, floor(value));
        break;
    case '>': /* beyond 2^53 a double has no next integer: so a little more */
    case 'g':
        bound_below(range, ceil(value));
        break;
    default:
        bound_above(range, floor(value));
        break;
    }
}

static void bound_by_integer(
    struct range *range, char relation, sqlite3_int64 value)
{
    bool above = relation == '=' || relation == '>' || relation == 'g';
    bool below = relation == '=' || relation == '<' || relation == 'l';
    if (above && value >= 0) {
        keep_from(range, (uint64_t)value + (relation == '>'));
    }
    if (below && value - (relation == '<' && value > INT64_MIN) < 0) {
        range->empty = true;
    } else if (below) {
        keep_to(range, (uint64_t)value - (relation == '<'));
    }
}

/* relation: one of = > < g (>=) l (<=). A text that is no number is above all
 * numbers: nothing is left out for it. */
static void bound(struct range *range, char relation, sqlite3_value *value)
{
    switch (sqlite3_value_numeric_type(value)) {
    case SQLITE_INTEGER:
        bound_by_integer(range, relation, sqlite3_value_int64(value));
        break;
    case SQLITE_FLOAT:
        bound_by_real(range, relation, sqlite3_value_double(value));
        break;
    case SQLITE_NULL:
        range->empty = true;
        break;
    default:
        break;
    }
}

static enum err_code read_view(
    struct record_plan *plan, sqlite3_value *value, struct err *e)
{
    const char *text = (const char *)sqlite3_value_text(value);
    for (unsigned i = SCAN_NEWEST; text != NULL && i <= SCAN_ALL; i++) {
        if (strcmp(text, record_plan_view((enum scan_attempts)i)) == 0) {
            plan->scan.attempts = (enum scan_attempts)i;
            return ERR_NONE;
        }
    }
    return err_set(e, ERR_INVALID, "view is 'all' or 'newest'");
}

/* A blob is asked for its type and nothing else: sqlite3_value_text would make
 * a text of it, which the same value would be when it comes again for the next
 * step of an IN. */
static void read_run(struct record_plan *plan, sqlite3_value *value)
{
    int type = sqlite3_value_type(value);
    if (type == SQLITE_NULL || type == SQLITE_BLOB) {
        plan->empty = true;
        return;
    }
    plan->run = (const char *)sqlite3_value_text(value);
    plan->empty = plan->empty ||
                  (plan->run != NULL &&
                      strlen(plan->run) != (size_t)sqlite3_value_bytes(value));
}

/* An attempt or a rank; false: there can be none. */
static bool read_number(sqlite3_value *value, uint32_t *ret)
{
    struct range range = { .to = UINT32_MAX - 1 };
    bound(&range, '=', value);
    *ret = (uint32_t)range.from;
    return !range.empty && range.from == range.to;
}

static enum err_code read_term(struct record_plan *plan, char term,
    sqlite3_value *value, struct range *step, struct range *seq, struct err *e)
{
    uint32_t number = 0;
    switch (term) {
    case TERM_RUN:
        read_run(plan, value);
        break;
    case TERM_VIEW:
        return read_view(plan, value, e);
    case TERM_ATTEMPT:
        plan->empty = !read_number(value, &plan->scan.attempt) || plan->empty;
        break;
    case TERM_RANK:
        plan->empty = !read_number(value, &number) || plan->empty;
        plan->scan.rank = number;
        break;
    case TERM_SEQ_IS:
        bound(seq, '=', value);
        break;
    case TERM_SEQ_ABOVE:
        bound(seq, '>', value);
        break;
    case TERM_SEQ_FROM:
        bound(seq, 'g', value);
        break;
    default:
        bound(step, term, value);
        break;
    }
    return ERR_NONE;
}

enum err_code record_plan_read(struct record_plan *plan, enum wire_kind kind,
    const char *text, int n, sqlite3_value **arguments, struct err *e)
{
    struct range step = { .to = UINT64_MAX };
    struct range seq = { .to = UINT64_MAX };
    char *terms = NULL;
    *plan = (struct record_plan){
        .used = strtoull(text, &terms, 16),
        .scan = { .kind = kind, .attempts = SCAN_ALL, .rank = SCAN_ALL_RANKS },
    };
    terms++; /* the colon */
    for (int i = 0; i < n; i++) {
        enum err_code code =
            read_term(plan, terms[i], arguments[i], &step, &seq, e);
        if (code != ERR_NONE) {
            return code;
        }
    }
    /* One attempt of the newest view is SQLite's to pick. */
    if (has(terms, TERM_ATTEMPT) && plan->scan.attempts == SCAN_ALL) {
        plan->scan.attempts = SCAN_ONE;
    }
    plan->empty = plan->empty || step.empty || step.from > step.to ||
                  seq.empty || seq.from > seq.to;
    plan->scan.from_step = step.from;
    plan->scan.to_step = step.to;
    plan->scan.above_seq = seq.from > 0 ? seq.from - 1 : 0;
    return ERR_NONE;
}

const char *record_plan_view(enum scan_attempts attempts)
{
    return attempts == SCAN_NEWEST ? "newest" : "all";
}
