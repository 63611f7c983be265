#include "json/merge.h"

/* Members of the patch by name. Keys are compared decoded, so the hash must not see escapes: keys with a backslash
 * share one slot. */
struct member {
    struct str key;
    struct str value;
    bool used;
    struct member *next;
};

struct table {
    struct member *members;
    struct member **slots;
    size_t count, mask;
};

static size_t slot_of(const struct table *table, struct str key)
{
    if (str_has(key, '\\')) {
        return 0;
    }
    size_t hash = 5381;
    for (size_t i = 0; i < key.len; i++) {
        hash = hash * 33 ^ (unsigned char)key.ptr[i];
    }
    return hash & table->mask;
}

static bool same_key(struct str a, struct str b)
{
    if (!str_has(a, '\\') && !str_has(b, '\\')) {
        return str_equal(a, b);
    }
    struct arena arena;
    arena_init(&arena, NULL);
    /* Slices have their quotes around them in the text they come from. */
    struct str x = json_string(&arena, str_make(a.ptr - 1, a.len + 2));
    struct str y = json_string(&arena, str_make(b.ptr - 1, b.len + 2));
    bool same = x.ptr != NULL && y.ptr != NULL && str_equal(x, y);
    arena_fini(&arena);
    return same;
}

static struct member *search(struct member *member, struct str key)
{
    while (member != NULL && !same_key(member->key, key)) {
        member = member->next;
    }
    return member;
}

/* A key without escapes may equal one with them, which lies in slot 0. */
static struct member *find(const struct table *table, struct str key)
{
    if (str_has(key, '\\')) {
        for (size_t i = 0; i <= table->mask; i++) {
            struct member *found = search(table->slots[i], key);
            if (found != NULL) {
                return found;
            }
        }
        return NULL;
    }
    struct member *found = search(table->slots[slot_of(table, key)], key);
    return found != NULL ? found : search(table->slots[0], key);
}

static bool build(struct table *table, struct str patch, const struct allocator *allocator)
{
    size_t count = 0, slots = 8;
    for (struct json_iter it = json_iter(patch); json_next(&it);) {
        count++;
    }
    while (slots < count) {
        slots *= 2;
    }
    table->members = memory_alloc(allocator, count * sizeof *table->members);
    table->slots = memory_zalloc(allocator, slots * sizeof *table->slots);
    table->mask = slots - 1;
    if (table->members == NULL || table->slots == NULL) {
        return false;
    }
    for (struct json_iter it = json_iter(patch); json_next(&it);) {
        struct member *known = find(table, it.key);
        if (known != NULL) {
            known->value = it.value;
            continue;
        }
        struct member *member = &table->members[table->count++];
        size_t slot = slot_of(table, it.key);
        *member = (struct member){it.key, it.value, false, table->slots[slot]};
        table->slots[slot] = member;
    }
    return true;
}

static void add(struct buf *out, bool *has_members, struct str key, struct str value)
{
    buf_add_text(out, *has_members ? ",\"" : "\"");
    buf_add_str(out, key);
    buf_add_lit(out, "\":");
    buf_add_str(out, value);
    *has_members = true;
}

void json_merge(struct buf *out, struct str base, struct str patch)
{
    struct table table = {0};
    bool has_members = false;
    if (!build(&table, patch, out->allocator)) {
        out->status = HAPPN_E_MEMORY;
    } else {
        buf_add_char(out, '{');
        for (struct json_iter it = json_iter(base); json_next(&it);) {
            struct member *member = find(&table, it.key);
            add(out, &has_members, it.key, member != NULL ? member->value : it.value);
            if (member != NULL) {
                member->used = true;
            }
        }
        for (size_t i = 0; i < table.count; i++) {
            if (!table.members[i].used) {
                add(out, &has_members, table.members[i].key, table.members[i].value);
            }
        }
        buf_add_char(out, '}');
    }
    memory_free(out->allocator, table.members);
    memory_free(out->allocator, table.slots);
}
