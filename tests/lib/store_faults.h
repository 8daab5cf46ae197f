/*
 * store_faults: makes the n-th allocation of the store, or the n-th call to its
 * files, fail. Both are SQLite's own seams: the store allocates through SQLite,
 * and reads and writes through the default VFS, which a shim is put in front
 * of.
 */
#ifndef TRAJD_TEST_STORE_FAULTS_H
#define TRAJD_TEST_STORE_FAULTS_H

#include <stdbool.h>

/* Before anything uses SQLite. */
void faults_install(void);

/* The n-th call from now on (0 = the next) fails, once. Whether it came to
 * that is what faults_off tells, which ends it. */
void faults_fail_allocation(long n);

enum fault_kind {
    FAULT_WRITE,     /* xWrite gives an I/O error */
    FAULT_DISK_FULL, /* xWrite finds no space, and from then on */
    FAULT_SYNC,      /* xSync fails */
    FAULT_READ,      /* xRead gives an I/O error */
    FAULT_TRUNCATE,  /* xTruncate fails */
};
void faults_fail_io(enum fault_kind kind, long n);
bool faults_off(void);

#endif
