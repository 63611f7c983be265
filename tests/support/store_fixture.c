#include "store_fixture.h"

#include <dirent.h>
#include <sqlite3.h>
#include <string.h>
#include <unistd.h>

void fixture_init(struct store_fixture *fixture)
{
    memset(fixture, 0, sizeof *fixture);
    const char *base = getenv("TMPDIR");
    snprintf(fixture->folder, sizeof fixture->folder, "%s/happn-XXXXXX",
             base != NULL && strlen(base) < 40 ? base : "/tmp");
    assert_non_null(mkdtemp(fixture->folder));
    snprintf(fixture->file, sizeof fixture->file, "%s/documents.db", fixture->folder);
    arena_init(&fixture->arena, NULL);
    assert_int_equal(loop_init(&fixture->loop, NULL), HAPPN_OK);
}

static void remove_folder(const char *folder)
{
    DIR *dir = opendir(folder);
    for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;) {
        char name[512];
        snprintf(name, sizeof name, "%s/%s", folder, entry->d_name);
        if (entry->d_name[0] != '.') {
            unlink(name);
        }
    }
    if (dir != NULL) {
        closedir(dir);
    }
    rmdir(folder);
}

void fixture_fini(struct store_fixture *fixture)
{
    if (fixture->provider != NULL) {
        fixture_close(fixture);
    }
    loop_fini(&fixture->loop);
    arena_fini(&fixture->arena);
    remove_folder(fixture->folder);
}

happn_status fixture_open_sqlite(struct store_fixture *fixture, const struct sqlite_options *options, happn_error *error)
{
    struct sqlite_options mine = *options;
    if (mine.file == NULL) {
        mine.file = fixture->file;
    }
    return store_sqlite_open(&fixture->loop, NULL, &mine, &fixture->provider, error);
}

static void note_closed(void *arg)
{
    *(bool *)arg = true;
}

void fixture_close(struct store_fixture *fixture)
{
    fixture->is_closed = false;
    fixture->provider->ops->close(fixture->provider, note_closed, &fixture->is_closed);
    assert_false(fixture->is_closed); /* never before it returns */
    while (!fixture->is_closed) {
        uv_run(&fixture->loop.uv, UV_RUN_ONCE);
    }
    fixture->provider = NULL;
}

static void note_done(struct store_op *op)
{
    assert_null(op->context); /* exactly once */
    op->context = op;
}

void fixture_submit(struct store_fixture *fixture, struct store_op *op)
{
    op->done = note_done;
    op->context = NULL;
    happn_status status = provider_submit(fixture->provider, op);
    if (status != HAPPN_PENDING) {
        op->status = status;
        op->context = op;
    }
}

void fixture_wait(struct store_fixture *fixture, const struct store_op *op)
{
    while (op->context == NULL) {
        uv_run(&fixture->loop.uv, UV_RUN_ONCE);
    }
}

void fixture_run(struct store_fixture *fixture, struct store_op *op)
{
    fixture_submit(fixture, op);
    fixture_wait(fixture, op);
}

struct store_op fixture_op(struct store_fixture *fixture, enum store_kind kind, const char *path, const char *data)
{
    return (struct store_op){.kind = kind,
                             .path = arena_str(&fixture->arena, str_of(path)),
                             .data = data != NULL ? arena_str(&fixture->arena, str_of(data)) : STR_NONE,
                             .now = 1,
                             .arena = &fixture->arena};
}

void fixture_sql(const char *file, const char *sql)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open(file, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

bool fixture_is_intact(const char *file)
{
    sqlite3 *db;
    sqlite3_stmt *statement = NULL;
    bool is_intact = sqlite3_open(file, &db) == SQLITE_OK &&
                     sqlite3_prepare_v2(db, "PRAGMA integrity_check", -1, &statement, NULL) == SQLITE_OK &&
                     sqlite3_step(statement) == SQLITE_ROW && sqlite3_column_text(statement, 0) != NULL &&
                     strcmp((const char *)sqlite3_column_text(statement, 0), "ok") == 0;
    sqlite3_finalize(statement);
    sqlite3_close(db);
    return is_intact;
}
