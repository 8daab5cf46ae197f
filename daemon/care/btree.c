/*
 * btree.c: the main thread of a command. Every number that is read from a page
 * is compared with what it may be before it is used.
 */
#include "care/btree.h"

#include <stdlib.h>
#include <string.h>

#define LEAF 0x0d
#define INTERIOR 0x05
#define FILE_HEAD 100 /* bytes before the header of page 1 */
#define DEPTH_MAX 32

struct visitor {
    btree_visit_fn visit;
    void *context;
};

enum err_code btree_init(
    struct btree *btree, const struct pages *pages, struct err *e)
{
    *btree = (struct btree){ .pages = pages };
    btree->seen = calloc(pages->n / 8 + 1, 1);
    btree->page = malloc(pages->size);
    if (btree->seen == NULL || btree->page == NULL) {
        btree_done(btree);
        return err_nomem(e);
    }
    return ERR_NONE;
}

void btree_done(struct btree *btree)
{
    free(btree->seen);
    free(btree->row);
    free(btree->page);
    *btree = (struct btree){ 0 };
}

/* false: it is no page, or one that was seen before. */
static bool see(struct btree *b, uint32_t number)
{
    if (number < 1 || number > b->pages->n) {
        return false;
    }
    uint8_t bit = (uint8_t)(1u << (number & 7));
    bool is_new = (b->seen[number >> 3] & bit) == 0;
    b->seen[number >> 3] |= bit;
    return is_new;
}

/* ---- a record ------------------------------------------------------------ */

/* Big-endian base 128, nine bytes at most. Returns its length; 0: cut off. */
static size_t read_varint(const uint8_t *p, size_t n, uint64_t *ret)
{
    uint64_t value = 0;
    for (size_t i = 0; i < n && i < 8; i++) {
        value = value << 7 | (p[i] & 0x7f);
        if (p[i] < 0x80) {
            *ret = value;
            return i + 1;
        }
    }
    if (n < 9) {
        return 0;
    }
    *ret = value << 8 | p[8];
    return 9;
}

static int64_t read_integer(const uint8_t *p, size_t n)
{
    uint64_t value = (p[0] & 0x80) != 0 ? UINT64_MAX : 0;
    for (size_t i = 0; i < n; i++) {
        value = value << 8 | p[i];
    }
    return (int64_t)value;
}

/* A value of a serial type at p; false: not within n. */
static bool read_value(uint64_t serial, const uint8_t *p, size_t n,
    struct btree_value *ret, size_t *ret_used)
{
    static const uint8_t integers[] = { 0, 1, 2, 3, 4, 6, 8 };
    *ret = (struct btree_value){ .type = BTREE_NULL };
    *ret_used = 0;
    if (serial == 0) {
        return true;
    }
    if (serial == 8 || serial == 9) {
        ret->type = BTREE_INTEGER;
        ret->integer = (int64_t)serial - 8;
        return true;
    }
    if (serial < sizeof integers) {
        *ret_used = integers[serial];
        if (*ret_used > n) {
            return false;
        }
        ret->type = BTREE_INTEGER;
        ret->integer = read_integer(p, *ret_used);
        return true;
    }
    if (serial == 7 && n >= sizeof ret->real) {
        const int64_t bits = read_integer(p, sizeof ret->real);
        *ret_used = sizeof ret->real;
        ret->type = BTREE_REAL;
        memcpy(&ret->real, &bits, sizeof bits);
        return true;
    }
    if (serial < 12 || (serial - 12) / 2 > n) {
        return false;
    }
    *ret_used = (size_t)(serial - 12) / 2;
    ret->type = serial % 2 == 0 ? BTREE_BLOB : BTREE_TEXT;
    ret->bytes = (struct str){ (const char *)p, *ret_used };
    return true;
}

static bool read_record(const uint8_t *p, size_t n, struct btree_row *row)
{
    uint64_t head = 0;
    size_t at = read_varint(p, n, &head);
    if (at == 0 || head < at || head > n) {
        return false;
    }
    size_t body = (size_t)head;
    row->n = 0;
    while (at < head) {
        uint64_t serial = 0;
        size_t used = read_varint(p + at, (size_t)head - at, &serial);
        size_t bytes = 0;
        if (used == 0 || row->n == BTREE_COLUMNS_MAX ||
            !read_value(
                serial, p + body, n - body, &row->values[row->n], &bytes)) {
            return false;
        }
        row->n++;
        at += used;
        body += bytes;
    }
    return body == n;
}

/* ---- a cell -------------------------------------------------------------- */

/* How much of a row of n bytes lies in the leaf itself. */
static size_t local_bytes(size_t usable, size_t n)
{
    if (n <= usable - 35) {
        return n;
    }
    size_t least = (usable - 12) * 32 / 255 - 23;
    size_t wanted = least + (n - least) % (usable - 4);
    return wanted <= usable - 35 ? wanted : least;
}

static enum err_code reserve_row(struct btree *b, size_t n, struct err *e)
{
    if (n <= b->row_capacity) {
        return ERR_NONE;
    }
    uint8_t *grown = realloc(b->row, n);
    if (grown == NULL) {
        return err_nomem(e);
    }
    b->row = grown;
    b->row_capacity = n;
    return ERR_NONE;
}

/* What is not in the leaf, from a chain of pages; false: it breaks off. */
static bool read_overflow(struct btree *b, uint32_t page, size_t at, size_t n)
{
    size_t part = b->pages->usable - 4;
    while (at < n) {
        if (!pages_read(b->pages, page, b->page)) {
            return false;
        }
        size_t take = n - at < part ? n - at : part;
        memcpy(b->row + at, b->page + 4, take);
        at += take;
        page = pages_u32(b->page);
    }
    return true;
}

/* The row of the cell at `offset` of the page; *ret_ok false: there is none. */
static enum err_code read_cell(struct btree *b, const uint8_t *page,
    size_t offset, struct btree_row *row, bool *ret_ok, struct err *e)
{
    size_t usable = b->pages->usable;
    uint64_t n = 0;
    uint64_t rowid = 0;
    *ret_ok = false;
    size_t at = offset;
    size_t used = at < usable ? read_varint(page + at, usable - at, &n) : 0;
    at += used;
    size_t used_too =
        used > 0 ? read_varint(page + at, usable - at, &rowid) : 0;
    at += used_too;
    if (used_too == 0 || n == 0 || n > BTREE_ROW_MAX ||
        n / usable > b->pages->n) {
        return ERR_NONE;
    }
    size_t local = local_bytes(usable, (size_t)n);
    bool spills = local < n;
    if (local + (spills ? 4 : 0) > usable - at) {
        return ERR_NONE;
    }
    enum err_code code = reserve_row(b, (size_t)n, e);
    if (code != ERR_NONE) {
        return code;
    }
    memcpy(b->row, page + at, local);
    row->rowid = (int64_t)rowid;
    *ret_ok = (!spills || read_overflow(b, pages_u32(page + at + local), local,
                              (size_t)n)) &&
              read_record(b->row, (size_t)n, row);
    return ERR_NONE;
}

/* ---- a page -------------------------------------------------------------- */

static size_t head_of(uint32_t number)
{
    return number == 1 ? FILE_HEAD : 0;
}

/* The cells that the page's array may hold at most, or fewer. */
static size_t count_cells(
    const struct btree *b, const uint8_t *page, size_t head, size_t array)
{
    size_t n = pages_u16(page + head + 3);
    size_t most = (b->pages->usable - array) / 2;
    return n < most ? n : most;
}

static enum err_code visit_leaf(struct btree *b, uint32_t number,
    const uint8_t *page, const struct visitor *v, struct err *e)
{
    size_t head = head_of(number);
    size_t array = head + 8;
    size_t n = count_cells(b, page, head, array);
    for (size_t i = 0; i < n; i++) {
        struct btree_row row;
        bool ok = false;
        enum err_code code =
            read_cell(b, page, pages_u16(page + array + 2 * i), &row, &ok, e);
        if (code == ERR_NONE && ok) {
            code = v->visit(v->context, &row, e);
        }
        b->broken += !ok;
        if (code != ERR_NONE) {
            return code;
        }
    }
    return ERR_NONE;
}

static enum err_code walk(struct btree *b, uint32_t number, unsigned depth,
    const struct visitor *v, struct err *e);

/* The children, the rightmost last. */
static enum err_code walk_children(struct btree *b, uint32_t number,
    const uint8_t *page, unsigned depth, const struct visitor *v, struct err *e)
{
    size_t head = head_of(number);
    size_t array = head + 12;
    size_t n = count_cells(b, page, head, array);
    for (size_t i = 0; i < n; i++) {
        size_t at = pages_u16(page + array + 2 * i);
        if (at + 4 > b->pages->usable) {
            b->broken++;
            continue;
        }
        enum err_code code = walk(b, pages_u32(page + at), depth + 1, v, e);
        if (code != ERR_NONE) {
            return code;
        }
    }
    return walk(b, pages_u32(page + head + 8), depth + 1, v, e);
}

static enum err_code walk(struct btree *b, uint32_t number, unsigned depth,
    const struct visitor *v, struct err *e)
{
    if (depth > DEPTH_MAX || !see(b, number)) {
        b->broken++;
        return ERR_NONE;
    }
    uint8_t *page = malloc(b->pages->size);
    if (page == NULL) {
        return err_nomem(e);
    }
    enum err_code code = ERR_NONE;
    uint8_t type =
        pages_read(b->pages, number, page) ? page[head_of(number)] : 0;
    if (type == LEAF) {
        code = visit_leaf(b, number, page, v, e);
    } else if (type == INTERIOR) {
        code = walk_children(b, number, page, depth, v, e);
    } else {
        b->broken++;
    }
    free(page);
    return code;
}

enum err_code btree_walk(struct btree *btree, uint32_t root,
    btree_visit_fn visit, void *context, struct err *e)
{
    const struct visitor v = { visit, context };
    return walk(btree, root, 0, &v, e);
}

/* ---- pages without a tree ------------------------------------------------ */

enum err_code btree_skip_free(struct btree *btree, struct err *e)
{
    const struct pages *pages = btree->pages;
    uint8_t *page = malloc(pages->size);
    if (page == NULL) {
        return err_nomem(e);
    }
    uint32_t trunk = pages_read(pages, 1, page) ? pages_u32(page + 32) : 0;
    while (see(btree, trunk) && pages_read(pages, trunk, page)) {
        size_t most = pages->usable / 4 - 2;
        size_t n = pages_u32(page + 4);
        for (size_t i = 0; i < n && i < most; i++) {
            (void)see(btree, pages_u32(page + 8 + 4 * i));
        }
        trunk = pages_u32(page);
    }
    free(page);
    return ERR_NONE;
}

/* An overflow page begins with the number of the next one, which is no 0x0d in
 * a file of less than 800 GiB, and what is wrong after that has no sound row.
 */
enum err_code btree_rest(
    struct btree *btree, btree_visit_fn visit, void *context, struct err *e)
{
    const struct visitor v = { visit, context };
    uint8_t *page = malloc(btree->pages->size);
    if (page == NULL) {
        return err_nomem(e);
    }
    enum err_code code = ERR_NONE;
    for (uint32_t i = 2; code == ERR_NONE && i <= btree->pages->n; i++) {
        bool is_seen = (btree->seen[i >> 3] >> (i & 7) & 1) != 0;
        if (!is_seen && pages_read(btree->pages, i, page) && page[0] == LEAF) {
            code = visit_leaf(btree, i, page, &v, e);
        }
    }
    free(page);
    return code;
}
