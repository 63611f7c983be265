#include "core_peer.h"

#include <string.h>

#include "json/scan.h"
#include "store/datastores.h"
#include "store/memory.h"
#include "wire/message.h"

struct loop loop;
struct core core;

static struct buf *begin(struct link *link)
{
    struct peer *peer = (struct peer *)link;
    buf_clear(&peer->out);
    return &peer->out;
}

static void keep(struct peer *peer, struct str text)
{
    assert_true(peer->count < MAX_FRAMES);
    assert_int_equal(json_check(text, NULL), HAPPN_OK);
    peer->frames[peer->count++] = str_make(memory_strdup(NULL, text.ptr, text.len), text.len);
}

static void commit(struct link *link)
{
    struct peer *peer = (struct peer *)link;
    if (peer->out.status != HAPPN_OK) {
        peer->failed = true;
        return;
    }
    keep(peer, buf_str(&peer->out));
}

static void send_payload(struct link *link, struct payload *payload)
{
    struct peer *peer = (struct peer *)link;
    if (payload->lent.block == NULL) {
        keep(peer, str_make(payload->bytes, payload->len));
        return;
    }
    assert_true(peer->count < MAX_FRAMES);
    payload_ref(payload);
    peer->lent[peer->count++] = payload;
}

static void take_lent(struct peer *peer, size_t at)
{
    struct payload *payload = peer->lent[at];
    char *text = memory_alloc(NULL, payload->len);
    payload_copy(payload, 0, text, payload->len);
    peer->frames[at] = str_make(text, payload->len);
    assert_int_equal(json_check(peer->frames[at], NULL), HAPPN_OK);
    payload_unref(payload);
    peer->lent[at] = NULL;
}

static void close_link(struct link *link, const char *reason)
{
    (void)reason;
    ((struct peer *)link)->closed = true;
}

static const struct link_ops link_ops = {begin, commit, send_payload, close_link, NULL, NULL};

void say(struct peer *peer, const char *text)
{
    core_receive(peer->session, str_of(text));
}

struct str hear(struct peer *peer)
{
    if (peer->read == peer->count) {
        fail_msg("nothing was said");
    }
    if (peer->lent[peer->read] != NULL) {
        take_lent(peer, peer->read);
    }
    return peer->frames[peer->read++];
}

void expect_silence(struct peer *peer)
{
    assert_int_equal(peer->read, peer->count);
}

void expect_part(struct str frame, const char *part)
{
    if (memmem(frame.ptr, frame.len, part, strlen(part)) == NULL) {
        fail_msg("%s is not in %.*s", part, (int)frame.len, frame.ptr);
    }
}

void expect_reply(struct peer *peer, const char *event_id, const char *data)
{
    struct str frame = hear(peer), meta = json_get(frame, "_meta");
    if (!str_is(json_get(meta, "eventId"), event_id) || !str_is(json_get(frame, "data"), data) ||
        !str_is(json_get(meta, "status"), "\"ok\"")) {
        fail_msg("wanted %s for %s, got %.*s", data, event_id, (int)frame.len, frame.ptr);
    }
}

void enter(struct peer *peer, const char *protocol)
{
    char text[160];
    memset(peer, 0, sizeof *peer);
    peer->link.ops = &link_ops;
    buf_init(&peer->out, NULL, 1u << 20);
    peer->session = core_session_open(&core, &peer->link);
    snprintf(text, sizeof text, "{\"action\":\"configure-session\",\"eventId\":1,\"data\":{\"protocol\":\"%s\"}}", protocol);
    say(peer, text);
    expect_reply(peer, "1", "null");
}

void forget_frames(struct peer *peer)
{
    for (size_t i = 0; i < peer->count; i++) {
        if (peer->lent[i] != NULL) {
            payload_unref(peer->lent[i]);
        }
        memory_free(NULL, (char *)peer->frames[i].ptr);
        peer->lent[i] = NULL;
        peer->frames[i] = STR_NONE;
    }
    peer->count = peer->read = 0;
}

void leave(struct peer *peer)
{
    assert_false(peer->failed);
    core_session_closed(peer->session);
    forget_frames(peer);
    buf_fini(&peer->out);
}

void open_core_with(const struct allocator *allocator)
{
    assert_int_equal(loop_init(&loop, NULL), HAPPN_OK);
    assert_int_equal(core_init(&core, &loop, allocator), HAPPN_OK);
    snprintf(core.name, sizeof core.name, "test");
    core.wire = &wire_ops;
    struct provider *provider;
    assert_int_equal(store_memory_open(&loop, allocator, &provider), HAPPN_OK);
    core.stores = datastores_new(&loop, &memory_default);
    assert_int_equal(datastores_add(core.stores, "default", provider, true, NULL), HAPPN_OK);
}

int open_core(void **state)
{
    (void)state;
    open_core_with(NULL);
    return 0;
}

static void ignore_closed(void *arg)
{
    (void)arg;
}

int close_core(void **state)
{
    (void)state;
    core_close_timer(&core);
    datastores_close(core.stores, ignore_closed, NULL);
    loop_fini(&loop);
    core_fini(&core);
    return 0;
}
