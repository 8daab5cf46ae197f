/* chunk_impl: what building and reading chunks share. */
#ifndef TRAJD_CHUNK_IMPL_H
#define TRAJD_CHUNK_IMPL_H

#include "store/chunk.h"

CHECK_RESULT enum err_code chunk_reserve_values(
    struct chunk_coder *coder, size_t n, struct err *e);
CHECK_RESULT enum err_code chunk_reserve_bytes(
    struct chunk_coder *coder, size_t n, struct err *e);
enum column_type chunk_column_type(enum wire_kind kind, unsigned field);

#endif
