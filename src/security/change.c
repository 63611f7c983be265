#include "security/change.h"

#include "base/error.h"
#include "json/write.h"

struct item {
    struct item *next;
    struct change *change;
    struct store_op op;
    struct arena results;
    bool has_results;
    bool is_volatile; /* permissions that are not kept: they count, and are not stored */
};

struct change {
    struct security *security;
    struct arena arena;
    struct item *items, **tail;
    size_t waiting;
    happn_status status;
    happn_error error;
    const char *what;
    struct str detail;
    change_fn done;
    void *done_arg;
};

struct change *change_new(struct security *security)
{
    struct change *change = memory_zalloc(security->allocator, sizeof *change);
    if (change == NULL) {
        return NULL;
    }
    change->security = security;
    change->tail = &change->items;
    arena_init(&change->arena, security->allocator);
    return change;
}

static void out_of_memory(struct change *change)
{
    change->status = error_set(&change->error, HAPPN_E_MEMORY, "%s", happn_status_text(HAPPN_E_MEMORY));
}

static void add(struct change *change, enum store_kind kind, struct str path, struct str data)
{
    struct security *security = change->security;
    struct item *item = arena_alloc(&change->arena, sizeof *item);
    struct str own_path = arena_str(&change->arena, path);
    struct str own_data = str_is_set(data) ? arena_str(&change->arena, data) : STR_NONE;
    bool lacks_data = own_data.ptr == NULL && (str_is_set(data) || kind == STORE_SET);
    if (item == NULL || path.ptr == NULL || own_path.ptr == NULL || lacks_data) {
        out_of_memory(change);
        return;
    }
    bool is_permission = str_starts(path, STR_LIT(SECURITY_ROOT "_PERMISSIONS/"));
    *item = (struct item){.change = change, .is_volatile = is_permission && !security->settings.keeps_permissions};
    item->op = (struct store_op){.kind = kind, .path = own_path, .data = own_data};
    *change->tail = item;
    change->tail = &item->next;
}

void change_put(struct change *change, struct str path, struct str data)
{
    add(change, STORE_SET, path, data);
}

void change_remove(struct change *change, struct str path, struct str data)
{
    add(change, STORE_REMOVE, path, data);
}

void change_says(struct change *change, const char *what, struct str detail)
{
    change->what = what;
    change->detail = arena_str(&change->arena, detail);
}

void change_drop(struct change *change)
{
    for (struct item *item = change->items; item != NULL; item = item->next) {
        if (item->has_results) {
            arena_fini(&item->results);
        }
    }
    const struct allocator *allocator = change->security->allocator;
    arena_fini(&change->arena);
    memory_free(allocator, change);
}

/* What is stored counts from now on. */
static void apply(struct item *item)
{
    struct change *change = item->change;
    struct store_op *op = &item->op;
    if (op->status != HAPPN_OK) {
        change->status = op->status;
        change->error = op->error;
        return;
    }
    if (op->kind == STORE_REMOVE) {
        security_drop(change->security, op->path, op->data);
        return;
    }
    struct str data = item->is_volatile ? op->data : op->document.data;
    if (security_put(change->security, op->path, data, op->document.created, op->document.modified) != HAPPN_OK) {
        out_of_memory(change);
    }
}

/* One that ends at once begins no other by itself, so that many of them need no deep stack. */
static void take_turns(struct security *security)
{
    bool is_first = !security->takes_turns;
    security->takes_turns = true;
    while (is_first && security->changes == 0 && security->turns != NULL) {
        struct turn *turn = security->turns;
        security->turns = turn->next;
        security->last_turn = security->turns != NULL ? security->last_turn : NULL;
        turn->run(turn);
    }
    security->takes_turns = !is_first;
}

bool change_is_under_way(const struct security *security)
{
    return security->changes != 0 || security->turns != NULL;
}

void change_in_turn(struct security *security, struct turn *turn, void (*run)(struct turn *turn))
{
    if (!change_is_under_way(security)) {
        run(turn);
        return;
    }
    *turn = (struct turn){NULL, run};
    *(security->last_turn != NULL ? &security->last_turn->next : &security->turns) = turn;
    security->last_turn = turn;
}

static void finish(struct change *change)
{
    struct security *security = change->security;
    for (struct item *item = change->items; item != NULL; item = item->next) {
        apply(item);
    }
    security_settle(security, change->what, change->detail);
    change_fn done = change->done;
    void *arg = change->done_arg;
    happn_status status = change->status;
    happn_error error = change->error;
    if (error.message[0] == '\0') {
        error_set(&error, status, "%s", happn_status_text(status));
    }
    error.status = status;
    change_drop(change);
    security->changes--;
    bool others_wait = security->turns != NULL; /* else security may have gone after done */
    done(status, status != HAPPN_OK ? &error : NULL, arg);
    if (others_wait) {
        take_turns(security);
    }
}

static void release(struct change *change)
{
    if (--change->waiting == 0) {
        finish(change);
    }
}

static void item_done(struct store_op *op)
{
    struct item *item = op->context;
    release(item->change);
}

/* An imported name may have a `*`, with which its document's path would be a pattern. */
static bool is_this_path(const void *arg, struct str path)
{
    const struct store_op *op = arg;
    return str_equal(op->path, path);
}

static void submit(struct item *item)
{
    struct security *security = item->change->security;
    struct store_op *op = &item->op;
    op->now = loop_now_ms(security->loop);
    op->include_system = true;
    op->shows = is_this_path;
    op->shows_arg = op;
    op->arena = &item->results;
    op->done = item_done;
    op->context = item;
    arena_init(&item->results, security->allocator);
    item->has_results = true;
    if (item->is_volatile) {
        op->document.created = op->document.modified = op->now;
        return;
    }
    happn_status status = datastores_submit(security->stores, datastores_target(security->stores, op), op);
    if (status == HAPPN_PENDING) {
        item->change->waiting++;
    } else {
        op->status = status;
    }
}

void change_submit(struct change *change, change_fn done, void *arg)
{
    change->done = done;
    change->done_arg = arg;
    change->waiting = 1;
    change->security->changes++;
    for (struct item *item = change->items; change->status == HAPPN_OK && item != NULL; item = item->next) {
        submit(item);
    }
    if (change->status != HAPPN_OK) { /* it was never complete: nothing of it was submitted */
        change->items = NULL;
    }
    release(change);
}

/* Every `*` is written {{w}}. */
static struct str hide_stars(struct arena *arena, struct str path)
{
    char *text = arena_alloc(arena, path.len * 5 + 1);
    size_t len = 0;
    for (size_t i = 0; text != NULL && i < path.len; i++) {
        bool is_star = path.ptr[i] == '*';
        memcpy(text + len, is_star ? "{{w}}" : path.ptr + i, is_star ? 5 : 1);
        len += is_star ? 5 : 1;
    }
    return str_make(text, len);
}

struct str permission_path(struct arena *arena, struct str owner, const char *action, struct str path)
{
    struct str hidden = hide_stars(arena, path);
    struct str parts[] = {STR_LIT(SECURITY_ROOT "_PERMISSIONS/"), owner, STR_LIT("/"), str_of(action), STR_LIT("/"), hidden};
    return hidden.ptr != NULL ? arena_join(arena, parts, 6) : STR_NONE;
}

struct str permission_data(struct arena *arena, const char *action, struct str path, bool authorized)
{
    struct buf text;
    buf_init(&text, arena->allocator, 1 << 20);
    buf_add_format(&text, "{\"action\":\"%s\",\"authorized\":%s,\"path\":", action, authorized ? "true" : "false");
    json_add_string(&text, path);
    buf_add_char(&text, '}');
    struct str data = text.status == HAPPN_OK ? arena_str(arena, buf_str(&text)) : STR_NONE;
    buf_fini(&text);
    return data;
}
