#include "security/administration.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "json/scan.h"
#include "json/write.h"
#include "search/search.h"
#include "security/admin_call.h"

enum { MOST_RESULT = 1 << 28 };

static const struct {
    const char *name, *takes, *does;
    void (*run)(struct admin_call *call);
    bool in_turn;
} verbs[] = {
#define ADMIN_VERB(name, fn, takes, does) {name, takes, does, fn, false},
#define ADMIN_CHANGE(name, fn, takes, does) {name, takes, does, fn, true},
#include "security/admin_verbs.def"
#undef ADMIN_VERB
};
enum { VERBS = sizeof verbs / sizeof verbs[0] };

bool administration_verb(size_t index, struct administration_verb *out)
{
    if (index >= VERBS) {
        return false;
    }
    *out = (struct administration_verb){verbs[index].name, verbs[index].takes, verbs[index].does};
    return true;
}

/* --- the ends of a call */

static void end(struct admin_call *call, const happn_error *error)
{
    const struct allocator *allocator = call->security->allocator;
    struct str result = error == NULL ? buf_str(&call->result) : STR_NONE;
    call->done(error, result, call->arg);
    if (call->change != NULL) {
        change_drop(call->change);
    }
    buf_fini(&call->result);
    arena_fini(&call->arena);
    memory_free(allocator, call);
}

void admin_failed(struct admin_call *call)
{
    end(call, &call->error);
}

void admin_fail(struct admin_call *call, happn_status status, const char *format, ...)
{
    char text[440];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    error_set(&call->error, status, "%s", text);
    admin_failed(call);
}

void admin_fail_memory(struct admin_call *call)
{
    admin_fail(call, HAPPN_E_MEMORY, "%s", happn_status_text(HAPPN_E_MEMORY));
}

void admin_reply(struct admin_call *call)
{
    if (call->result.status != HAPPN_OK) {
        admin_fail(call, call->result.status, "%s", happn_status_text(call->result.status));
        return;
    }
    end(call, NULL);
}

static void run_in_turn(struct turn *turn)
{
    struct admin_call *call = (struct admin_call *)turn;
    call->run(call);
}

void administration_call(struct security *security, struct str verb, struct str arguments, administration_fn done, void *arg)
{
    struct admin_call *call = memory_zalloc(security->allocator, sizeof *call);
    happn_error error = {.status = HAPPN_OK};
    if (call == NULL) {
        error_set(&error, HAPPN_E_MEMORY, "%s", happn_status_text(HAPPN_E_MEMORY));
        done(&error, STR_NONE, arg);
        return;
    }
    *call = (struct admin_call){.security = security, .done = done, .arg = arg};
    arena_init(&call->arena, security->allocator);
    buf_init(&call->result, security->allocator, MOST_RESULT);
    call->arguments = arena_str(&call->arena, json_type_of(arguments) == JSON_OBJECT ? arguments : STR_LIT("{}"));
    if (call->arguments.ptr == NULL) {
        admin_fail_memory(call);
        return;
    }
    for (size_t i = 0; i < VERBS; i++) {
        if (str_is(verb, verbs[i].name)) {
            call->run = verbs[i].run;
            if (verbs[i].in_turn) {
                change_in_turn(security, &call->turn, run_in_turn);
            } else {
                call->run(call);
            }
            return;
        }
    }
    admin_fail(call, HAPPN_E_UNSUPPORTED, "there is no verb %.*s", (int)(verb.len < 60 ? verb.len : 60), verb.ptr != NULL ? verb.ptr : "");
}

/* --- arguments */

struct str admin_raw(struct admin_call *call, const char *name)
{
    return json_get(call->arguments, name);
}

struct str admin_text(struct admin_call *call, const char *name)
{
    return json_string(&call->arena, admin_raw(call, name));
}

struct str admin_user_name(struct admin_call *call, struct str name)
{
    return security_user_name(call->security, &call->arena, name);
}

struct str admin_path(struct admin_call *call, struct str a, struct str b, struct str c, struct str d)
{
    struct str parts[] = {STR_LIT(SECURITY_ROOT), a, b, c, d};
    return arena_join(&call->arena, parts, 5);
}

/* --- changes */

bool admin_begin_change(struct admin_call *call)
{
    call->change = change_new(call->security);
    if (call->change == NULL) {
        admin_fail_memory(call);
        return false;
    }
    return true;
}

static void submitted(happn_status status, const happn_error *error, void *arg)
{
    struct admin_call *call = arg;
    if (status != HAPPN_OK) {
        call->error = *error;
        admin_failed(call);
        return;
    }
    admin_reply(call);
}

void admin_submit(struct admin_call *call, const char *what, struct str detail)
{
    struct change *change = call->change;
    call->change = NULL;
    change_says(change, what, detail);
    change_submit(change, submitted, call);
}

/* --- lists */

bool admin_list_wants(const struct admin_list *list, struct str name)
{
    return str_starts(name, list->prefix);
}

bool admin_list_add(struct admin_list *list, struct str name, struct str text, int64_t created, int64_t modified)
{
    struct arena *arena = &list->call->arena;
    if (list->count == list->room) {
        size_t room = list->room == 0 ? 64 : list->room * 2;
        struct document *more = arena_alloc(arena, room * sizeof *more);
        if (more == NULL) {
            return false;
        }
        if (list->count != 0) {
            memcpy(more, list->documents, list->count * sizeof *more);
        }
        list->documents = more;
        list->room = room;
    }
    struct document document = {.path = name, .data = arena_str(arena, text), .created = created, .modified = modified};
    list->documents[list->count++] = document;
    return document.data.ptr != NULL;
}

static struct str either(struct str a, struct str b)
{
    return str_is_set(a) ? a : b;
}

static bool compile(struct admin_call *call, struct search **search)
{
    struct str options = admin_raw(call, "options");
    struct search_text text = {.criteria = either(admin_raw(call, "criteria"), json_get(options, "criteria")),
                               .sort = either(admin_raw(call, "sort"), json_get(options, "sort")),
                               .skip = json_int(either(admin_raw(call, "skip"), json_get(options, "skip")), 0),
                               .limit = json_int(either(admin_raw(call, "limit"), json_get(options, "limit")), 0)};
    if (text.skip < 0 || text.limit < 0) {
        admin_fail(call, HAPPN_E_ARGUMENT, "skip and limit must not be negative");
        return false;
    }
    if (search_compile(&call->arena, &text, search, &call->error) == HAPPN_OK) {
        return true;
    }
    admin_failed(call);
    return false;
}

static happn_status filter(struct admin_list *list, const struct search *search)
{
    struct search_work work;
    search_work_init(&work, list->call->security->allocator);
    size_t kept = 0;
    for (size_t i = 0; i < list->count; i++) {
        if (search_matches(search, &list->documents[i], &work)) {
            list->documents[kept++] = list->documents[i];
        }
    }
    happn_status status = work.status;
    search_work_fini(&work);
    list->count = kept;
    return status;
}

void admin_list_reply(struct admin_list *list)
{
    struct admin_call *call = list->call;
    struct search *search = NULL;
    if (!compile(call, &search)) {
        return;
    }
    happn_status status = filter(list, search);
    size_t found = list->count;
    if (status == HAPPN_OK && !search_arrange(search, true, &call->arena, list->documents, &list->count)) {
        status = HAPPN_E_MEMORY;
    }
    if (status != HAPPN_OK) {
        admin_fail(call, status, "%s", happn_status_text(status));
        return;
    }
    if (json_true(either(admin_raw(call, "count"), json_get(admin_raw(call, "options"), "count")))) {
        buf_add_format(&call->result, "{\"value\":%zu}", found);
        admin_reply(call);
        return;
    }
    buf_add_char(&call->result, '[');
    for (size_t i = 0; i < list->count; i++) {
        buf_add_text(&call->result, i != 0 ? "," : "");
        buf_add_str(&call->result, list->documents[i].data);
    }
    buf_add_char(&call->result, ']');
    admin_reply(call);
}
