#include "core/budget.h"

#include "core/session.h"

enum { MOST = 16 << 20, LEAST = 256 << 10 };

/* A plain set is answered with what it brought. The answers of others are known only afterwards: they are expected to be as long as the
 * session's longest of late. */
static bool is_known(const struct request *request)
{
    const struct request_options *options = &request->options;
    bool is_plain = !options->merge && !str_is_set(options->tag) && !str_is_set(options->increment);
    return request->action == ACTION_COUNT || request->action == ACTION_REMOVE || (request->action == ACTION_SET && is_plain);
}

static size_t expected(const struct session *session, const struct request *request)
{
    if (is_known(request)) {
        return request->data.len;
    }
    return session->expected_bytes != 0 ? session->expected_bytes : MOST;
}

bool budget_allows(const struct session *session, const struct request *request)
{
    struct link *link = session->link;
    if (link != NULL && link->ops->is_full != NULL && link->ops->is_full(link)) {
        return false;
    }
    return session->spent_bytes == 0 || session->spent_bytes + expected(session, request) <= MOST;
}

void budget_take(struct request *request)
{
    request->budget = expected(request->session, request);
    request->session->spent_bytes += request->budget;
}

static size_t held_by(const struct store_op *op)
{
    size_t bytes = op->document.data.len;
    for (size_t i = 0; op->documents != NULL && i < op->count; i++) {
        bytes += op->documents[i].data.len;
    }
    return bytes;
}

/* Long answers are believed at once, short ones by and by: one says little of the next. */
static size_t next_guess(size_t before, size_t bytes)
{
    size_t least = before / 2 > LEAST ? before / 2 : LEAST;
    return bytes > least ? bytes : least;
}

void budget_learn(struct request *request)
{
    struct session *session = request->session;
    if (is_known(request)) {
        return;
    }
    size_t bytes = held_by(&request->op);
    if (request->op.status == HAPPN_OK) {
        session->expected_bytes = next_guess(session->expected_bytes != 0 ? session->expected_bytes : MOST, bytes);
    }
    session->spent_bytes += bytes - request->budget;
    request->budget = bytes;
}

void budget_give(struct request *request)
{
    request->session->spent_bytes -= request->budget;
    request->budget = 0;
}
