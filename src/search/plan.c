/* Only conditions that every match must meet count: those of the outermost $and. Of them equality and $in are best, then a range. */

#include "search/plan.h"

#include "search/key.h"

struct planner {
    const struct field *fields;
    size_t count;
    struct arena *arena;
    struct plan best;
    int rank; /* of the best: 0 none, 1 half a range, 2 both ends, 3 values */
    bool (*has_arrays)(void *arg, size_t index);
    void *arg;
};

static bool same_field(const struct field *a, const struct field *b)
{
    if (a->source != b->source || a->count != b->count) {
        return false;
    }
    for (size_t i = 0; i < a->count; i++) {
        if (!str_equal(a->parts[i], b->parts[i])) {
            return false;
        }
    }
    return true;
}

static struct str key_of(struct arena *arena, const struct value *value)
{
    struct buf key;
    buf_init(&key, arena->allocator, KEY_MAX + 16);
    key_add(&key, value);
    struct str copy = key.status == HAPPN_OK ? arena_str(arena, buf_str(&key)) : STR_NONE;
    buf_fini(&key);
    return copy;
}

static bool is_range(enum operator op)
{
    return op == OP_GT || op == OP_GTE || op == OP_LT || op == OP_LTE;
}

/* The first and last key of a type: "2" and "2\xff\xff...": no key of ours has so many. */
static struct str type_end(struct arena *arena, const struct value *value, bool is_last)
{
    char text[12] = {(char)('0' + value->type)};
    memset(text + 1, 0xff, 11);
    return arena_str(arena, str_make(text, is_last ? 12 : 1));
}

static void offer_values(struct planner *planner, size_t index, const struct value *values, size_t count)
{
    struct key_range *ranges = arena_alloc(planner->arena, (count + 1) * sizeof *ranges);
    if (ranges == NULL || planner->rank == 3) {
        return;
    }
    for (size_t i = 0; i < count; i++) {
        struct str key = key_of(planner->arena, &values[i]);
        if (key.ptr == NULL) {
            return;
        }
        ranges[i] = (struct key_range){key, key};
    }
    planner->best = (struct plan){index, ranges, count};
    planner->rank = 3;
}

/* With one value a document both ends of a range can be used together. */
static bool narrow(struct planner *planner, struct key_range *range, const struct condition *condition)
{
    struct str key = key_of(planner->arena, &condition->operand);
    bool from_below = condition->op == OP_GT || condition->op == OP_GTE;
    struct str *end = from_below ? &range->first : &range->last;
    if (key.ptr == NULL) {
        return false;
    }
    if (from_below ? str_compare(key, *end) > 0 : str_compare(key, *end) < 0) {
        *end = key;
    }
    return true;
}

static bool fits(const struct condition *condition, const struct field *field)
{
    bool can_compare = condition->operand.type == VALUE_NUMBER || condition->operand.type == VALUE_STRING;
    return is_range(condition->op) && can_compare && same_field(&condition->field, field);
}

static void offer_range(struct planner *planner, size_t index, const struct condition *first)
{
    const struct condition *start = first;
    struct key_range *range = arena_alloc(planner->arena, sizeof *range);
    if (range == NULL || planner->rank >= 2) {
        return;
    }
    *range = (struct key_range){type_end(planner->arena, &start->operand, false), type_end(planner->arena, &start->operand, true)};
    if (range->first.ptr == NULL || range->last.ptr == NULL || !narrow(planner, range, start)) {
        return;
    }
    int rank = 1;
    bool has_arrays = planner->has_arrays(planner->arg, index);
    for (const struct condition *other = start->next; other != NULL && !has_arrays; other = other->next) {
        if (fits(other, &planner->fields[index]) && other->operand.type == start->operand.type && narrow(planner, range, other)) {
            rank = 2;
        }
    }
    if (rank > planner->rank) {
        planner->best = (struct plan){index, range, 1};
        planner->rank = rank;
    }
}

static void consider(struct planner *planner, const struct condition *condition)
{
    for (size_t i = 0; i < planner->count; i++) {
        if (!same_field(&condition->field, &planner->fields[i])) {
            continue;
        }
        if (condition->op == OP_EQ) {
            offer_values(planner, i, &condition->operand, 1);
        } else if (condition->op == OP_IN) {
            offer_values(planner, i, condition->list, condition->count);
        } else if (condition->op == OP_ALL && condition->count != 0) {
            offer_values(planner, i, condition->list, 1);
        } else if (fits(condition, &planner->fields[i])) {
            offer_range(planner, i, condition);
        }
        return;
    }
}

static void consider_all(struct planner *planner, const struct condition *first)
{
    for (const struct condition *condition = first; condition != NULL; condition = condition->next) {
        if (condition->op == OP_AND) {
            consider_all(planner, condition->first);
        } else if (condition->op > OP_NOT) {
            consider(planner, condition);
        }
    }
}

bool plan_make(const struct search *search, const struct field *fields, size_t count, bool (*has_arrays)(void *arg, size_t index), void *arg,
               struct arena *arena, struct plan *out)
{
    const struct condition *criteria = search_criteria(search);
    if (criteria == NULL || count == 0) {
        return false;
    }
    struct planner planner = {.fields = fields, .count = count, .arena = arena, .has_arrays = has_arrays, .arg = arg};
    consider_all(&planner, criteria->first);
    *out = planner.best;
    return planner.rank != 0;
}
