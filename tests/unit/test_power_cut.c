/* The power fails at a random moment, a thousand times: what was acknowledged is there, in the order it was given.
 * HAPPN_SEED repeats a run, HAPPN_ROUNDS makes it longer. */
#include "store_fixture.h"

#include <sqlite3.h>
#include <string.h>
#include <time.h>

#include "test_disk.h"

enum { OPERATIONS = 48, PATHS = 6, ABSENT = -1 };

static uint64_t seed;

struct round {
    struct store_fixture fixture;
    struct test_disk *disk;
    struct store_op ops[OPERATIONS];
    int paths[OPERATIONS];
    bool is_removal[OPERATIONS];
    bool is_cut_short;
    int submitted;
    int acknowledged; /* how many from the start on: they are answered in order */
    int64_t rev;      /* of the last acknowledged write */
    uint64_t random;
};

static unsigned draw(struct round *round, unsigned below)
{
    round->random = round->random * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(round->random >> 33) % below;
}

/* Now and then a document of several pages. */
static struct str make_data(struct round *round, int number)
{
    size_t filling = draw(round, 8) == 0 ? draw(round, 12000) : draw(round, 60);
    char *text = arena_alloc(&round->fixture.arena, filling + 64);
    int len = sprintf(text, "{\"n\":%d,\"f\":\"", number);
    memset(text + len, 'a' + number % 26, filling);
    memcpy(text + len + filling, "\"}", 3);
    return str_make(text, (size_t)len + filling + 2);
}

static void submit_one(struct round *round)
{
    int i = round->submitted++;
    char path[16];
    round->paths[i] = (int)draw(round, PATHS);
    round->is_removal[i] = draw(round, 6) == 0;
    snprintf(path, sizeof path, "/p/%d", round->paths[i]);
    round->ops[i] = fixture_op(&round->fixture, round->is_removal[i] ? STORE_REMOVE : STORE_SET, path, NULL);
    round->ops[i].data = make_data(round, i);
    fixture_submit(&round->fixture, &round->ops[i]);
}

/* After the cut everything fails, so the first failure is where the acknowledged ones end. */
static void count_acknowledged(struct round *round)
{
    while (round->acknowledged < round->submitted && round->ops[round->acknowledged].context != NULL &&
           round->ops[round->acknowledged].status == HAPPN_OK) {
        const struct store_op *op = &round->ops[round->acknowledged++];
        round->rev = op->snapshot_rev > round->rev ? op->snapshot_rev : round->rev;
    }
}

/* Groups of random sizes, sometimes waited for, until the work or the power ends. */
static void work(struct round *round)
{
    while (round->submitted < OPERATIONS && !test_disk_is_cut(round->disk)) {
        for (unsigned group = 1 + draw(round, 8); group > 0 && round->submitted < OPERATIONS; group--) {
            submit_one(round);
        }
        if (draw(round, 3) != 0) {
            fixture_wait(&round->fixture, &round->ops[round->submitted - 1]);
        } else {
            uv_run(&round->fixture.loop.uv, UV_RUN_NOWAIT);
        }
    }
    round->is_cut_short = test_disk_is_cut(round->disk);
    test_disk_cut(round->disk);
    fixture_close(&round->fixture);
    count_acknowledged(round);
}

/* Number of the operation whose document is at each path; false: the database cannot be read. */
static bool read_documents(const char *file, int documents[PATHS])
{
    sqlite3 *db;
    sqlite3_stmt *rows = NULL;
    for (int i = 0; i < PATHS; i++) {
        documents[i] = ABSENT;
    }
    bool works = sqlite3_open_v2(file, &db, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK &&
                 sqlite3_prepare_v2(db, "SELECT path, json_extract(data, '$.n') FROM documents", -1, &rows, NULL) ==
                     SQLITE_OK;
    int code = SQLITE_ERROR;
    while (works && (code = sqlite3_step(rows)) == SQLITE_ROW) {
        const char *path = (const char *)sqlite3_column_text(rows, 0);
        if (path == NULL || strlen(path) != 4 || path[3] < '0' || path[3] >= '0' + PATHS) {
            works = false; /* not a path of ours: damaged */
            break;
        }
        documents[path[3] - '0'] = sqlite3_column_int(rows, 1);
    }
    sqlite3_finalize(rows);
    sqlite3_close(db);
    return works && code == SQLITE_DONE;
}

/* Is this what there was after the first n operations, for an n that has all acknowledged ones in it? */
static bool is_a_promised_state(const struct round *round, const int documents[PATHS])
{
    int state[PATHS];
    for (int i = 0; i < PATHS; i++) {
        state[i] = ABSENT;
    }
    for (int n = 0;; n++) {
        if (n >= round->acknowledged && memcmp(state, documents, sizeof state) == 0) {
            return true;
        }
        if (n == round->submitted) {
            return false;
        }
        state[round->paths[n]] = round->is_removal[n] ? ABSENT : n;
    }
}

/* The store itself opens what is left, and goes on counting where it was. */
static bool can_go_on(struct round *round)
{
    happn_error error;
    struct sqlite_options options = {.sync = false};
    if (fixture_open_sqlite(&round->fixture, &options, &error) != HAPPN_OK) {
        return false;
    }
    struct store_op op = fixture_op(&round->fixture, STORE_SET, "/next", "{}");
    fixture_run(&round->fixture, &op);
    bool works = op.status == HAPPN_OK && op.document.rev > round->rev;
    fixture_close(&round->fixture);
    return works;
}

static const char *check(struct round *round)
{
    int documents[PATHS];
    test_disk_settle(round->disk);
    if (round->acknowledged == 0) {
        return NULL; /* then there may be nothing at all */
    }
    if (!read_documents(round->fixture.file, documents)) {
        return "cannot be read";
    }
    if (!is_a_promised_state(round, documents)) {
        return "acknowledged writes are missing";
    }
    if (!fixture_is_intact(round->fixture.file)) {
        return "is damaged";
    }
    return can_go_on(round) ? NULL : "cannot go on";
}

struct totals {
    int acknowledged, cut_short;
};

/* What is wrong after the cut, or NULL. */
static const char *run_round(uint64_t number, bool sync, struct totals *totals)
{
    struct round *round = calloc(1, sizeof *round);
    happn_error error;
    fixture_init(&round->fixture);
    round->random = (seed + number) * 0x9e3779b97f4a7c15u;
    round->disk = test_disk_new(seed * 1000003 + number);
    struct sqlite_options options = {
        .sync = sync, .vfs = test_disk_vfs(round->disk), .checkpoint_pages = 1 + draw(round, 30)};
    const char *wrong = NULL;
    if (draw(round, 10) == 0) {
        test_disk_cut_after(round->disk, 1 + (int)draw(round, 40)); /* while the file is made */
    }
    if (fixture_open_sqlite(&round->fixture, &options, &error) == HAPPN_OK) {
        test_disk_cut_after(round->disk, 1 + (int)draw(round, 160));
        work(round);
        wrong = check(round);
    } else {
        test_disk_settle(round->disk); /* the file must not be in our way afterwards */
        wrong = can_go_on(round) ? NULL : "cannot be made again";
    }
    totals->acknowledged += round->acknowledged;
    totals->cut_short += round->is_cut_short;
    test_disk_free(round->disk);
    fixture_fini(&round->fixture);
    free(round);
    return wrong;
}

static void no_acknowledged_write_is_lost(void **state)
{
    (void)state;
    int rounds = getenv("HAPPN_ROUNDS") != NULL ? atoi(getenv("HAPPN_ROUNDS")) : 1000;
    struct totals totals = {0, 0};
    for (int i = 0; i < rounds; i++) {
        const char *wrong = run_round((uint64_t)i, true, &totals);
        if (wrong != NULL) {
            fail_msg("HAPPN_SEED=%llu, round %d: %s", (unsigned long long)seed, i, wrong);
        }
    }
    print_message("%d rounds, %d cut in the middle of work, %d acknowledged writes\n", rounds, totals.cut_short,
                  totals.acknowledged);
    assert_true(totals.acknowledged > rounds && totals.cut_short > rounds / 4);
}

/* The proof that the test above can fail. */
static void without_syncs_losses_are_seen(void **state)
{
    (void)state;
    struct totals totals = {0, 0};
    int losses = 0, rounds = 0;
    while (losses < 5 && rounds < 200) {
        losses += run_round((uint64_t)rounds++, false, &totals) != NULL;
    }
    print_message("%d losses in %d rounds\n", losses, rounds);
    assert_int_equal(losses, 5);
}

int main(void)
{
    seed = getenv("HAPPN_SEED") != NULL ? strtoull(getenv("HAPPN_SEED"), NULL, 10) : (uint64_t)time(NULL);
    print_message("HAPPN_SEED=%llu\n", (unsigned long long)seed);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_syncs_losses_are_seen),
        cmocka_unit_test(no_acknowledged_write_is_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
