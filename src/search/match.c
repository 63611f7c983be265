/* Does a document meet the criteria? Straight on its text: nothing is built. */

#include <math.h>

#include "search/criteria.h"

/* One condition, one document: what the visits of a field's values need. */
struct test {
    const struct condition *condition;
    struct search_work *work;
    const struct value *wanted; /* of EQ and what is made of it */
};

static bool is_regex_match(struct test *test, const struct value *value)
{
    bool matches = false;
    if (value->type != VALUE_STRING || test->work->status != HAPPN_OK) {
        return false;
    }
    test->work->status = regex_match(test->condition->regex, &test->work->regex, value->text, &matches, &test->work->error);
    return matches && test->work->status == HAPPN_OK;
}

static bool has_remainder(const struct condition *condition, const struct value *value)
{
    double divisor = trunc(condition->list[0].number), rest = trunc(condition->list[1].number);
    return value->type == VALUE_NUMBER && fmod(trunc(value->number), divisor) == rest;
}

static bool compares(const struct condition *condition, const struct value *value)
{
    int order;
    if (!value_compare(value, &condition->operand, &order)) {
        return false;
    }
    switch (condition->op) {
    case OP_GT:
        return order > 0;
    case OP_GTE:
        return order >= 0;
    case OP_LT:
        return order < 0;
    default:
        return order <= 0;
    }
}

/* The value itself, without what is in it. */
static bool fits(struct test *test, const struct value *value)
{
    const struct condition *condition = test->condition;
    switch (condition->op) {
    case OP_REGEX:
        return is_regex_match(test, value);
    case OP_MOD:
        return has_remainder(condition, value);
    case OP_TYPE:
        return value->type == (enum value_type)condition->operand.number;
    case OP_GT:
    case OP_GTE:
    case OP_LT:
    case OP_LTE:
        return compares(condition, value);
    default:
        return value_equals(&test->work->scratch, value, test->wanted);
    }
}

/* An array fits when it does itself, or one of its elements. */
static bool visit(void *arg, const struct value *value)
{
    struct test *test = arg;
    if (fits(test, value)) {
        return true;
    }
    if (value->type != VALUE_ARRAY) {
        return false;
    }
    for (struct json_iter it = json_iter(value->text); json_next(&it);) {
        struct value element = value_of(&test->work->scratch, it.value);
        if (fits(test, &element)) {
            return true;
        }
    }
    return false;
}

static bool visit_any(void *arg, const struct value *value)
{
    (void)arg, (void)value;
    return true;
}

static bool visit_size(void *arg, const struct value *value)
{
    const struct test *test = arg;
    double count = 0;
    if (value->type != VALUE_ARRAY) {
        return false;
    }
    for (struct json_iter it = json_iter(value->text); json_next(&it);) {
        count++;
    }
    return count == test->condition->operand.number;
}

static bool visit_element(void *arg, const struct value *value)
{
    const struct test *test = arg;
    if (value->type != VALUE_ARRAY) {
        return false;
    }
    for (struct json_iter it = json_iter(value->text); json_next(&it);) {
        struct document element = {.data = it.value};
        if (criteria_match(test->condition->first, &element, test->work)) {
            return true;
        }
    }
    return false;
}

static struct str member(struct search_work *work, const struct str *name, struct str data)
{
    if (work->last.data != data.ptr || work->last.name != name) {
        work->last.data = data.ptr;
        work->last.name = name;
        work->last.value = field_member(data, *name);
    }
    return work->last.value;
}

static bool each(struct test *test, const struct document *document, field_visit how)
{
    const struct field *field = &test->condition->field;
    bool is_member = field->source == FIELD_DATA && field->count == 1 && json_type_of(document->data) == JSON_OBJECT;
    if (!is_member) {
        return field_each(field, document, &test->work->scratch, how, test);
    }
    struct str text = member(test->work, field->parts, document->data);
    struct value value = str_is_set(text) ? value_of(&test->work->scratch, text) : (struct value){.type = VALUE_MISSING};
    return str_is_set(text) && how(test, &value);
}

static bool equals_any(struct test *test, const struct document *document)
{
    for (size_t i = 0; i < test->condition->count; i++) {
        test->wanted = &test->condition->list[i];
        if (each(test, document, visit)) {
            return true;
        }
    }
    return false;
}

static bool equals_all(struct test *test, const struct document *document)
{
    for (size_t i = 0; i < test->condition->count; i++) {
        test->wanted = &test->condition->list[i];
        if (!each(test, document, visit)) {
            return false;
        }
    }
    return test->condition->count != 0;
}

static bool all(const struct condition *first, const struct document *document, struct search_work *work)
{
    for (const struct condition *condition = first; condition != NULL; condition = condition->next) {
        if (!criteria_match(condition, document, work)) {
            return false;
        }
    }
    return true;
}

static bool any(const struct condition *first, const struct document *document, struct search_work *work)
{
    for (const struct condition *condition = first; condition != NULL; condition = condition->next) {
        if (criteria_match(condition, document, work)) {
            return true;
        }
    }
    return false;
}

static bool exists(const struct condition *condition, struct test *test, const struct document *document)
{
    bool wanted = condition->operand.type == VALUE_BOOL ? condition->operand.boolean : condition->operand.number != 0;
    return each(test, document, visit_any) == wanted;
}

bool criteria_match(const struct condition *condition, const struct document *document, struct search_work *work)
{
    struct test test = {condition, work, &condition->operand};
    switch (condition->op) {
    case OP_AND:
        return all(condition->first, document, work);
    case OP_OR:
        return any(condition->first, document, work);
    case OP_NOR:
        return !any(condition->first, document, work);
    case OP_NOT:
        return !all(condition->first, document, work);
    case OP_NE:
        return !each(&test, document, visit);
    case OP_IN:
        return equals_any(&test, document);
    case OP_NIN:
        return !equals_any(&test, document);
    case OP_ALL:
        return equals_all(&test, document);
    case OP_EXISTS:
        return exists(condition, &test, document);
    case OP_SIZE:
        return each(&test, document, visit_size);
    case OP_ELEM_MATCH:
        return each(&test, document, visit_element);
    default:
        return each(&test, document, visit);
    }
}
