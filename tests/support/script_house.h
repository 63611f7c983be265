/* A core with scripts for a test: peers that say and hear frames, requests over HTTP, scripts in a folder of their own. No sockets, no
 * sleeping; limits are counted in instructions. A header, because its happn_http_* stand in for those of src/net in the one program that
 * includes it. */
#ifndef HAPPN_TEST_SCRIPT_HOUSE_H
#define HAPPN_TEST_SCRIPT_HOUSE_H

#define HELPER static __attribute__((unused))

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/layers.h"
#include "json/scan.h"
#include "script/api.h"
#include "script/scripts.h"
#include "store/datastores.h"
#include "store/memory.h"
#include "wire/message.h"
#include "test_folder.h"

enum { MAX_FRAMES = 64 };

/* -- a peer: frames in, frames out -- */

struct peer {
    struct link link;
    struct session *session;
    struct buf out;
    struct str frames[MAX_FRAMES];
    size_t count, read;
};

static struct loop loop;
static struct core core;
static struct scripts *scripts;
HELPER char root[TEST_FOLDER_SIZE], log_file[96];

HELPER struct buf *begin(struct link *link)
{
    struct peer *peer = (struct peer *)link;
    buf_clear(&peer->out);
    return &peer->out;
}

HELPER void keep(struct peer *peer, struct str text)
{
    assert_true(peer->count < MAX_FRAMES);
    if (json_check(text, NULL) != HAPPN_OK) {
        fail_msg("not JSON: %.*s", (int)text.len, text.ptr);
    }
    peer->frames[peer->count++] = str_make(memory_strdup(NULL, text.ptr, text.len), text.len);
}

HELPER void commit(struct link *link)
{
    struct peer *peer = (struct peer *)link;
    keep(peer, buf_str(&peer->out));
}

HELPER void send_payload(struct link *link, struct payload *payload)
{
    keep((struct peer *)link, payload_text(payload));
}

HELPER void close_link(struct link *link, const char *reason)
{
    (void)link, (void)reason;
}

static const struct link_ops link_ops = {begin, commit, send_payload, close_link, NULL, NULL};

HELPER void say(struct peer *peer, const char *text)
{
    core_receive(peer->session, str_of(text));
}

/* Long scripts are cut into slices: a turn for each. */
enum { MOST_TURNS = 100000 };

HELPER void turn(void)
{
    uv_run(&loop.uv, UV_RUN_NOWAIT);
}

HELPER struct str hear(struct peer *peer)
{
    for (int i = 0; i < MOST_TURNS && peer->read == peer->count; i++) {
        turn();
    }
    if (peer->read == peer->count) {
        fail_msg("nothing was said");
    }
    return peer->frames[peer->read++];
}

HELPER void expect_silence(struct peer *peer)
{
    if (peer->read != peer->count) {
        fail_msg("said: %.*s", (int)peer->frames[peer->read].len, peer->frames[peer->read].ptr);
    }
}

HELPER bool has_part(struct str text, const char *part)
{
    return memmem(text.ptr, text.len, part, strlen(part)) != NULL;
}

HELPER void expect_part(struct str text, const char *part)
{
    if (!has_part(text, part)) {
        fail_msg("%s is not in %.*s", part, (int)text.len, text.ptr);
    }
}

/* Whether the object has all these members; in which order a table of Lua's is written is Lua's affair. */
HELPER bool has_members(struct str object, const char *members)
{
    bool has_all = json_type_of(object) == JSON_OBJECT;
    for (struct json_iter it = json_iter(str_of(members)); has_all && json_next(&it);) {
        char name[40];
        snprintf(name, sizeof name, "%.*s", (int)it.key.len, it.key.ptr);
        has_all = str_equal(json_get(object, name), it.value);
    }
    return has_all;
}

HELPER void expect_members(struct str object, const char *members)
{
    if (!has_members(object, members)) {
        fail_msg("%s are not in %.*s", members, (int)object.len, object.ptr);
    }
}

HELPER void expect_data(struct peer *peer, const char *data)
{
    struct str frame = hear(peer);
    if (!str_is(json_get(frame, "data"), data)) {
        fail_msg("wanted %s, got %.*s", data, (int)frame.len, frame.ptr);
    }
}

HELPER void expect_error(struct peer *peer, const char *part)
{
    struct str frame = hear(peer);
    expect_part(frame, "\"status\":\"error\"");
    expect_part(frame, part);
}

HELPER void enter(struct peer *peer)
{
    memset(peer, 0, sizeof *peer);
    peer->link.ops = &link_ops;
    buf_init(&peer->out, NULL, 1u << 24);
    peer->session = core_session_open(&core, &peer->link);
    peer->session->protocol = core.wire->find(&core, STR_LIT("happn_4"));
}

HELPER void leave(struct peer *peer)
{
    core_session_closed(peer->session);
    for (size_t i = 0; i < peer->count; i++) {
        memory_free(NULL, (char *)peer->frames[i].ptr);
    }
    buf_fini(&peer->out);
}

/* -- HTTP, faked -- */

struct happn_http {
    const char *method, *path, *query, *body;
    int status;
    char type[80], answer[4096], headers[512];
    size_t len;
    int answers;
    int is_slow; /* what is written waits until `drain` */
    void (*progress)(happn_http *http, happn_status status, void *arg);
    void *arg;
};

const char *happn_http_method(const happn_http *http)
{
    return http->method;
}

HELPER const char *give(const char *text, size_t *len)
{
    if (len != NULL) {
        *len = text != NULL ? strlen(text) : 0;
    }
    return text;
}

const char *happn_http_path(const happn_http *http, size_t *len)
{
    return give(http->path, len);
}

const char *happn_http_query(const happn_http *http, size_t *len)
{
    return give(http->query, len);
}

const char *happn_http_body(const happn_http *http, size_t *len)
{
    return give(http->body, len);
}

const char *happn_http_header(const happn_http *http, const char *name, size_t *len)
{
    (void)http;
    return give(strcmp(name, "x-who") == 0 ? "bob" : strcmp(name, "cookie") == 0 ? "sid=first; q=a=b;e=; bare; sid=second" : NULL, len);
}

const char *happn_http_address(const happn_http *http)
{
    (void)http;
    return "127.0.0.1";
}

happn_status happn_http_add_header(happn_http *http, const char *name, const char *value)
{
    size_t used = strlen(http->headers);
    snprintf(http->headers + used, sizeof http->headers - used, "%s=%s;", name, value);
    return HAPPN_OK;
}

void happn_http_respond(happn_http *http, int status, const char *content_type, const void *body, size_t len)
{
    http->answers++;
    http->status = status;
    snprintf(http->type, sizeof http->type, "%s", content_type != NULL ? content_type : "application/json");
    assert_true(len < sizeof http->answer);
    memcpy(http->answer, body, len);
    http->answer[len] = '\0';
    http->len = len;
}

happn_status happn_http_begin(happn_http *http, int status, const char *content_type)
{
    http->status = status;
    snprintf(http->type, sizeof http->type, "%s", content_type);
    return HAPPN_OK;
}

happn_status happn_http_write(happn_http *http, const void *bytes, size_t len)
{
    assert_true(http->len + len < sizeof http->answer);
    memcpy(http->answer + http->len, bytes, len);
    http->len += len;
    http->answer[http->len] = '\0';
    return http->is_slow ? HAPPN_PENDING : HAPPN_OK;
}

void happn_http_on_progress(happn_http *http, void (*progress)(happn_http *http, happn_status status, void *arg), void *arg)
{
    http->progress = progress;
    http->arg = arg;
}

/* Who asked has read what was written, or has left. */
HELPER void drain(happn_http *http, happn_status status)
{
    if (http->answers == 0) {
        http->progress(http, status, http->arg);
    }
}

void happn_http_end(happn_http *http, int failed)
{
    http->answers++;
    http->status = failed ? -1 : http->status;
}

struct identity *core_http_identity(const happn_http *http)
{
    (void)http;
    return NULL;
}

HELPER happn_http ask(const char *method, const char *path, const char *query, const char *body)
{
    happn_http http = {.method = method, .path = path, .query = query, .body = body};
    if (!core_route(&core, &http, method, str_of(path))) {
        http.status = 404;
        return http;
    }
    for (int i = 0; i < MOST_TURNS && http.answers == 0; i++) {
        turn();
    }
    return http;
}

HELPER void expect_answer(const char *method, const char *path, int status, const char *body)
{
    happn_http http = ask(method, path, NULL, NULL);
    if (http.status != status || strcmp(http.answer, body) != 0) {
        fail_msg("%s %s: wanted %d %s, got %d %s", method, path, status, body, http.status, http.answer);
    }
}

/* -- set-up -- */

HELPER void write_file(const char *name, const char *text, size_t len)
{
    char path[160];
    snprintf(path, sizeof path, "%s/%s", root, name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, len, file), len);
    fclose(file);
}

HELPER void script(const char *name, const char *text)
{
    write_file(name, text, strlen(text));
}

HELPER struct str read_log(void)
{
    static char text[65536];
    FILE *file = fopen(log_file, "rb");
    size_t len = file != NULL ? fread(text, 1, sizeof text, file) : 0;
    if (file != NULL) {
        fclose(file);
    }
    return str_make(text, len);
}

static struct script_entry inbound[4], outbound[4], routes[4];
static struct scripts_options options;

HELPER int open_core(void **state)
{
    (void)state;
    happn_error error;
    test_folder_make(root);
    snprintf(log_file, sizeof log_file, "%s/log", root);
    assert_int_equal(loop_init(&loop, NULL), HAPPN_OK);
    assert_int_equal(core_init(&core, &loop, NULL), HAPPN_OK);
    core.wire = &wire_ops;
    assert_int_equal(log_open(LOG_DEBUG, false, log_file, NULL, &core.log, &error), HAPPN_OK);
    struct provider *provider;
    assert_int_equal(store_memory_open(&loop, NULL, &provider), HAPPN_OK);
    core.stores = datastores_new(&loop, &memory_default);
    assert_int_equal(datastores_add(core.stores, "default", provider, true, NULL), HAPPN_OK);
    scripts = NULL;
    /* The clock must never decide: only instructions count. */
    options = (struct scripts_options){.root = root, .memory = 8 << 20, .instructions = 1000000, .layer_cpu = 600000, .unbroken = 600000,
                                       .route_cpu = 600000, .inbound = inbound, .outbound = outbound, .routes = routes};
    return 0;
}

HELPER void note_closed(void *arg)
{
    ++*(int *)arg;
}

HELPER void close_scripts(void)
{
    int closed = 0;
    scripts_close(scripts, note_closed, &closed);
    assert_int_equal(closed, 0);
    while (closed == 0) {
        turn();
    }
    scripts = NULL;
}

HELPER void ignore_closed(void *arg)
{
    (void)arg;
}

HELPER int close_core(void **state)
{
    (void)state;
    if (scripts != NULL) {
        close_scripts();
    }
    core_close_timer(&core);
    datastores_close(core.stores, ignore_closed, NULL);
    loop_fini(&loop);
    assert_int_equal(core.request_count, 0);
    assert_int_equal(core.session_count, 0);
    core_fini(&core);
    log_close(core.log);
    test_folder_remove(root);
    return 0;
}

HELPER void open_scripts(void)
{
    happn_error error = {0};
    if (scripts_open(&core, &options, &scripts, &error) != HAPPN_OK) {
        fail_msg("%s", error.message);
    }
}

HELPER void use_inbound(const char *file, const char *text)
{
    script(file, text);
    inbound[options.inbound_count++] = (struct script_entry){.file = file};
}

HELPER void use_outbound(const char *file, const char *text)
{
    script(file, text);
    outbound[options.outbound_count++] = (struct script_entry){.file = file};
}

HELPER void use_routes(const char *file, const char *mount, const char *text)
{
    script(file, text);
    routes[options.route_count++] = (struct script_entry){.file = file, .mount = mount};
}

HELPER void expect_load_error(const char *text, const char *part)
{
    happn_error error = {0};
    struct scripts *out;
    script("broken.lua", text);
    inbound[0] = (struct script_entry){.file = "broken.lua"};
    options.inbound_count = 1;
    assert_int_not_equal(scripts_open(&core, &options, &out, &error), HAPPN_OK);
    if (strstr(error.message, part) == NULL) {
        fail_msg("%s is not in %s", part, error.message);
    }
    assert_null(core.layers[LAYERS_INBOUND]);
}

#endif
