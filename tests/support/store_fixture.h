/* A loop, an arena and a provider for tests, with operations that wait for their end. */
#ifndef TESTS_STORE_FIXTURE_H
#define TESTS_STORE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/loop.h"
#include "store/sqlite.h"

struct store_fixture {
    struct loop loop;
    struct arena arena;
    struct provider *provider;
    bool is_closed;
    char folder[64]; /* a new one, removed at the end */
    char file[96];
};

void fixture_init(struct store_fixture *fixture);
void fixture_fini(struct store_fixture *fixture);

/* Opens the sqlite store on fixture->file, or the one that options name. */
happn_status fixture_open_sqlite(struct store_fixture *fixture, const struct sqlite_options *options, happn_error *error);
void fixture_close(struct store_fixture *fixture);

/* Submits, and turns the loop until the operation is done. */
void fixture_run(struct store_fixture *fixture, struct store_op *op);
struct store_op fixture_op(struct store_fixture *fixture, enum store_kind kind, const char *path, const char *data);

/* The same for many: all are submitted before the first is waited for. */
void fixture_submit(struct store_fixture *fixture, struct store_op *op);
void fixture_wait(struct store_fixture *fixture, const struct store_op *op);

void fixture_sql(const char *file, const char *sql); /* with a connection of its own */
bool fixture_is_intact(const char *file);            /* PRAGMA integrity_check */

#endif
