/* Messages and Primus strings of a session: whatever arrives, every answer is JSON. One message a line. */
#include <stdlib.h>

#include "core/core.h"
#include "core/session.h"
#include "json/scan.h"
#include "store/datastores.h"
#include "store/memory.h"
#include "wire/message.h"

struct peer {
    struct link link;
    struct buf out;
};

static struct buf *begin(struct link *link)
{
    buf_clear(&((struct peer *)link)->out);
    return &((struct peer *)link)->out;
}

static void commit(struct link *link)
{
    struct peer *peer = (struct peer *)link;
    if (peer->out.status == HAPPN_OK && json_check(buf_str(&peer->out), NULL) == HAPPN_E_JSON) {
        abort();
    }
}

static void send_shared(struct link *link, struct payload *payload)
{
    (void)link;
    if (json_check(str_make(payload->bytes, payload->len), NULL) == HAPPN_E_JSON) {
        abort();
    }
}

static void close_link(struct link *link, const char *reason)
{
    (void)link, (void)reason;
}

static const struct link_ops ops = {begin, commit, send_shared, close_link, NULL, NULL};

static void ignore_closed(void *arg)
{
    (void)arg;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct loop loop;
    static struct core core;
    static bool is_open;
    if (!is_open) {
        is_open = true;
        if (loop_init(&loop, NULL) != HAPPN_OK || core_init(&core, &loop, NULL) != HAPPN_OK) {
            abort();
        }
        core.wire = &wire_ops;
    }
    struct provider *provider;
    core.stores = datastores_new(&loop, &memory_default);
    if (store_memory_open(&loop, NULL, &provider) != HAPPN_OK ||
        datastores_add(core.stores, "default", provider, true, NULL) != HAPPN_OK) {
        abort();
    }
    struct peer peer = {.link.ops = &ops};
    buf_init(&peer.out, NULL, 64u << 20);
    struct session *session = core_session_open(&core, &peer.link);
    for (struct str rest = str_make((const char *)data, size); rest.len != 0;) {
        const char *end = memchr(rest.ptr, '\n', rest.len);
        size_t len = end != NULL ? (size_t)(end - rest.ptr) : rest.len;
        core_receive(session, str_make(rest.ptr, len));
        rest = str_skip(rest, len + 1);
    }
    core_session_closed(session);
    datastores_close(core.stores, ignore_closed, NULL);
    uv_run(&loop.uv, UV_RUN_NOWAIT);
    buf_fini(&peer.out);
    return 0;
}
