/* A real service for one test: documents in memory, no sockets, and a clock that goes only when somebody waits. */
#ifndef HAPPN_WORKSHOP_HOUSE_H
#define HAPPN_WORKSHOP_HOUSE_H

#include "base/loop.h"
#include "happn/security.h"
#include "net/local.h"
#include "script/scripts.h"
#include "workshop/coverage.h"

/* A test that waits for longer has nothing to wait for. */
enum { HOUSE_LONGEST_WAIT_MS = 24 * 3600000 };

struct house {
    happn_runtime *runtime;
    struct loop *loop;
    happn_service *service;
    struct listener *http; /* stands in for one */
    bool is_interrupted;   /* house_wait shall return */
    bool is_live;          /* its clock is the machine's: house_open_live, or only a runtime */
    int log;               /* what was logged: a file in memory */
    char log_name[32];
    bool keeps_log;        /* house_open_live: the log is kept for house_take_log, unless the configuration has a file for it; set before */
    struct script_outside outside; /* what happn.http of scripts asks; set before house_open */
};

/* The first of January 2026: tests see the same dates every day. */
#define HOUSE_BEGINNING INT64_C(1767225600000)

/* Opens a runtime with a stopped clock, a service of this configuration (JSON text) on it, sets further keys (an object of dotted keys, or not
 * set), and starts it. coverage may be NULL. On failure error says why; house_close is needed in any case. */
happn_status house_open(struct house *house, struct str config, struct str settings, struct coverage *coverage, happn_error *error);
/* The same with the machine's clock and its own log: for people. config NULL: no service, only a runtime. */
happn_status house_open_live(struct house *house, struct str config, const char *base_dir, happn_error *error);
void house_close(struct house *house);

/* Lets the loop do what there is to do now. False: it never comes to an end. */
bool house_settle(struct house *house);

/* Waits until *done or somebody interrupts, by the machine's clock. */
void house_wait(struct house *house, const bool *done);

/* One timer's step towards `ticks`, and what it causes; false: it is `ticks` o'clock. */
bool house_step(struct house *house, uint64_t ticks);

/* What was logged since the last time; nothing when the log is not kept. */
void house_take_log(struct house *house, struct buf *out);

/* The whole log, JSON lines. */
bool house_read_log(const struct house *house, struct buf *out);

#endif
