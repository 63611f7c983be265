/* From JSON text to conditions. Everything that can be wrong is found here, and named. */

#include "search/criteria.h"

#include "base/error.h"

struct compiler {
    struct arena *arena;
    happn_error *error;
    size_t depth, conditions;
};

/* What an operator takes. */
enum takes { ANY, LIST, CONDITIONS, BOOLEAN, PATTERN, COUNT, ELEMENT, REMAINDER, TYPE_NAME, NEGATION };

static const struct {
    struct str name;
    enum operator op;
    enum takes takes;
    bool on_top, on_field;
} operators[] = {
    {STR_LIT("$and"), OP_AND, CONDITIONS, true, false},  {STR_LIT("$or"), OP_OR, CONDITIONS, true, false},
    {STR_LIT("$nor"), OP_NOR, CONDITIONS, true, false},  {STR_LIT("$not"), OP_NOT, NEGATION, true, true},
    {STR_LIT("$eq"), OP_EQ, ANY, false, true},           {STR_LIT("$ne"), OP_NE, ANY, false, true},
    {STR_LIT("$gt"), OP_GT, ANY, false, true},           {STR_LIT("$gte"), OP_GTE, ANY, false, true},
    {STR_LIT("$lt"), OP_LT, ANY, false, true},           {STR_LIT("$lte"), OP_LTE, ANY, false, true},
    {STR_LIT("$in"), OP_IN, LIST, false, true},          {STR_LIT("$nin"), OP_NIN, LIST, false, true},
    {STR_LIT("$all"), OP_ALL, LIST, false, true},        {STR_LIT("$exists"), OP_EXISTS, BOOLEAN, false, true},
    {STR_LIT("$regex"), OP_REGEX, PATTERN, false, true}, {STR_LIT("$size"), OP_SIZE, COUNT, false, true},
    {STR_LIT("$elemMatch"), OP_ELEM_MATCH, ELEMENT, false, true},
    {STR_LIT("$mod"), OP_MOD, REMAINDER, false, true},   {STR_LIT("$type"), OP_TYPE, TYPE_NAME, false, true},
};

static happn_status no_memory(struct compiler *compiler)
{
    return error_set(compiler->error, HAPPN_E_MEMORY, "%s", happn_status_text(HAPPN_E_MEMORY));
}

static happn_status wrong(struct compiler *compiler, struct str what, const char *expected)
{
    return error_set(compiler->error, HAPPN_E_ARGUMENT, "criteria: %.*s %s", (int)(what.len < 100 ? what.len : 100), what.ptr, expected);
}

static int find_operator(struct str key, bool on_top)
{
    for (size_t i = 0; i < sizeof operators / sizeof operators[0]; i++) {
        if (json_text_is(key, operators[i].name) && (on_top ? operators[i].on_top : operators[i].on_field)) {
            return (int)i;
        }
    }
    return -1;
}

static happn_status unknown(struct compiler *compiler, struct str key, bool on_top)
{
    bool elsewhere = find_operator(key, !on_top) >= 0;
    if (elsewhere && on_top) {
        return wrong(compiler, key, "belongs to a field: {\"field\": {\"$operator\": value}}");
    }
    return elsewhere ? wrong(compiler, key, "combines conditions and cannot stand on a field")
                     : error_set(compiler->error, HAPPN_E_ARGUMENT, "criteria: unknown operator %.*s",
                                 (int)(key.len < 100 ? key.len : 100), key.ptr);
}

static happn_status add(struct compiler *compiler, struct condition *parent, struct condition ***tail, enum operator op,
                        const struct field *field, struct condition **out)
{
    if (++compiler->conditions > CRITERIA_MAX_CONDITIONS) {
        return error_set(compiler->error, HAPPN_E_LIMIT, "criteria: more than %d conditions", CRITERIA_MAX_CONDITIONS);
    }
    struct condition *condition = arena_alloc(compiler->arena, sizeof *condition);
    if (condition == NULL) {
        return no_memory(compiler);
    }
    *condition = (struct condition){.op = op, .is_element = parent->is_element};
    if (field != NULL) {
        condition->field = *field;
    }
    **tail = condition;
    *tail = &condition->next;
    *out = condition;
    return HAPPN_OK;
}

static happn_status compile_object(struct compiler *compiler, struct str json, struct condition *parent, bool is_element);

/* What stands behind a field: operators, or the value it must equal. */
static happn_status compile_field(struct compiler *compiler, const struct field *field, struct str value,
                                  struct condition *parent, struct condition ***tail);

static happn_status enter(struct compiler *compiler)
{
    if (++compiler->depth > CRITERIA_MAX_DEPTH) {
        return error_set(compiler->error, HAPPN_E_LIMIT, "criteria: nested more than %d deep", CRITERIA_MAX_DEPTH);
    }
    return HAPPN_OK;
}

static happn_status compile_list(struct compiler *compiler, struct str name, struct str value, struct condition *condition)
{
    if (json_type_of(value) != JSON_ARRAY) {
        return wrong(compiler, name, "needs an array");
    }
    for (struct json_iter it = json_iter(value); json_next(&it);) {
        condition->count++;
    }
    if (condition->count > CRITERIA_MAX_LIST) {
        return error_set(compiler->error, HAPPN_E_LIMIT, "criteria: %.*s has more than %d values", (int)name.len, name.ptr, CRITERIA_MAX_LIST);
    }
    condition->list = arena_alloc(compiler->arena, (condition->count + 1) * sizeof *condition->list);
    if (condition->list == NULL) {
        return no_memory(compiler);
    }
    size_t at = 0;
    for (struct json_iter it = json_iter(value); json_next(&it);) {
        condition->list[at++] = value_of(compiler->arena, it.value);
    }
    return HAPPN_OK;
}

static happn_status compile_conditions(struct compiler *compiler, struct str name, struct str value, struct condition *condition)
{
    if (json_type_of(value) != JSON_ARRAY) {
        return wrong(compiler, name, "needs an array of conditions");
    }
    struct condition **tail = &condition->first;
    for (struct json_iter it = json_iter(value); json_next(&it);) {
        if (json_type_of(it.value) != JSON_OBJECT) {
            return wrong(compiler, name, "needs an array of objects");
        }
        struct condition *each;
        happn_status status = add(compiler, condition, &tail, OP_AND, NULL, &each);
        if (status == HAPPN_OK) {
            status = compile_object(compiler, it.value, each, condition->is_element);
        }
        if (status != HAPPN_OK) {
            return status;
        }
    }
    return HAPPN_OK;
}

/* "source", or ["source", "flags"], with $options beside it. */
static happn_status compile_pattern(struct compiler *compiler, struct str name, struct str value, struct str siblings,
                                    struct condition *condition)
{
    struct str source = value, flags = json_get(siblings, "$options");
    if (json_type_of(value) == JSON_ARRAY) {
        struct json_iter it = json_iter(value);
        source = json_next(&it) ? it.value : STR_NONE;
        flags = json_next(&it) ? it.value : flags;
    }
    bool fits = json_type_of(source) == JSON_STRING && (!str_is_set(flags) || json_type_of(flags) == JSON_STRING);
    if (!fits) {
        return wrong(compiler, name, "needs a text, or an array of a text and flags: [\"^a\", \"i\"]");
    }
    struct str pattern = json_string(compiler->arena, source);
    struct str options = str_is_set(flags) ? json_string(compiler->arena, flags) : STR_LIT("");
    if (pattern.ptr == NULL || options.ptr == NULL) {
        return no_memory(compiler);
    }
    return regex_compile(compiler->arena, pattern, options, &condition->regex, compiler->error);
}

static happn_status compile_type(struct compiler *compiler, struct str name, struct str value, struct condition *condition)
{
    static const struct {
        const char *name;
        enum value_type type;
    } types[] = {{"null", VALUE_NULL},   {"number", VALUE_NUMBER}, {"double", VALUE_NUMBER}, {"int", VALUE_NUMBER}, {"long", VALUE_NUMBER},
                 {"string", VALUE_STRING}, {"bool", VALUE_BOOL},     {"boolean", VALUE_BOOL},  {"array", VALUE_ARRAY}, {"object", VALUE_OBJECT}};
    struct str wanted = json_type_of(value) == JSON_STRING ? json_string(compiler->arena, value) : STR_NONE;
    for (size_t i = 0; str_is_set(wanted) && i < sizeof types / sizeof types[0]; i++) {
        if (str_is(wanted, types[i].name)) {
            condition->operand = value_number(types[i].type);
            return HAPPN_OK;
        }
    }
    return wrong(compiler, name, "needs one of \"null\", \"number\", \"string\", \"bool\", \"array\", \"object\"");
}

static happn_status compile_remainder(struct compiler *compiler, struct str name, struct str value, struct condition *condition)
{
    happn_status status = compile_list(compiler, name, value, condition);
    if (status != HAPPN_OK) {
        return status;
    }
    const struct value *list = condition->list;
    bool fits = condition->count == 2 && list[0].type == VALUE_NUMBER && list[1].type == VALUE_NUMBER &&
                (list[0].number >= 1 || list[0].number <= -1);
    return fits ? HAPPN_OK : wrong(compiler, name, "needs an array of a divisor, which is not 0, and a remainder");
}

static happn_status compile_count(struct compiler *compiler, struct str name, struct str value, struct condition *condition)
{
    condition->operand = value_of(compiler->arena, value);
    double number = condition->operand.number;
    bool fits = condition->operand.type == VALUE_NUMBER && number >= 0 && number <= 1e15 && number == (double)(int64_t)number;
    return fits ? HAPPN_OK : wrong(compiler, name, "needs a whole number that is not negative");
}

/* {"sku": "A"} asks members of the element, {"$gt": 5} the element itself. */
static happn_status compile_element(struct compiler *compiler, struct str name, struct str value, struct condition *condition)
{
    if (json_type_of(value) != JSON_OBJECT) {
        return wrong(compiler, name, "needs an object of conditions");
    }
    struct condition **tail = &condition->first, *all;
    happn_status status = add(compiler, condition, &tail, OP_AND, NULL, &all);
    struct json_iter it = json_iter(value);
    bool has_operator = json_next(&it) && it.key.len != 0 && it.key.ptr[0] == '$' && find_operator(it.key, true) < 0;
    if (status != HAPPN_OK || !has_operator) {
        return status != HAPPN_OK ? status : compile_object(compiler, value, all, true);
    }
    struct field itself = {.source = FIELD_DATA};
    struct condition **inner = &all->first;
    all->is_element = true;
    return compile_field(compiler, &itself, value, all, &inner);
}

/* At the top {"$not": {conditions}}, on a field {"field": {"$not": {operators}}}. */
static happn_status compile_negation(struct compiler *compiler, struct str name, struct str value, bool on_top,
                                     struct condition *condition)
{
    if (json_type_of(value) != JSON_OBJECT) {
        return wrong(compiler, name, on_top ? "needs an object of conditions" : "needs an object of operators");
    }
    if (on_top) {
        return compile_object(compiler, value, condition, condition->is_element);
    }
    struct json_iter it = json_iter(value);
    if (!json_next(&it) || it.key.len == 0 || it.key.ptr[0] != '$') {
        return wrong(compiler, name, "needs an object of operators");
    }
    struct condition **tail = &condition->first;
    return compile_field(compiler, &condition->field, value, condition, &tail);
}

static happn_status compile_operand(struct compiler *compiler, enum takes takes, bool on_top, struct str name, struct str value,
                                    struct str siblings, struct condition *condition)
{
    switch (takes) {
    case LIST:
        return compile_list(compiler, name, value, condition);
    case CONDITIONS:
        return compile_conditions(compiler, name, value, condition);
    case NEGATION:
        return compile_negation(compiler, name, value, on_top, condition);
    case BOOLEAN:
        condition->operand = value_of(compiler->arena, value);
        if (condition->operand.type != VALUE_BOOL && condition->operand.type != VALUE_NUMBER) {
            return wrong(compiler, name, "needs true or false");
        }
        return HAPPN_OK;
    case PATTERN:
        return compile_pattern(compiler, name, value, siblings, condition);
    case COUNT:
        return compile_count(compiler, name, value, condition);
    case ELEMENT:
        return compile_element(compiler, name, value, condition);
    case REMAINDER:
        return compile_remainder(compiler, name, value, condition);
    case TYPE_NAME:
        return compile_type(compiler, name, value, condition);
    default:
        condition->operand = value_of(compiler->arena, value);
        return HAPPN_OK;
    }
}

static happn_status compile_operator(struct compiler *compiler, const struct field *field, struct json_iter *member,
                                     struct str siblings, struct condition *parent, struct condition ***tail)
{
    bool on_top = field == NULL;
    if (!on_top && json_text_is(member->key, STR_LIT("$options"))) {
        return str_is_set(json_get(siblings, "$regex")) ? HAPPN_OK : wrong(compiler, member->key, "stands beside $regex only");
    }
    int index = find_operator(member->key, on_top);
    if (index < 0) {
        return unknown(compiler, member->key, on_top);
    }
    struct condition *condition;
    happn_status status = enter(compiler);
    if (status == HAPPN_OK) {
        status = add(compiler, parent, tail, operators[index].op, field, &condition);
    }
    if (status == HAPPN_OK) {
        status = compile_operand(compiler, operators[index].takes, on_top, member->key, member->value, siblings, condition);
    }
    compiler->depth--;
    return status;
}

static happn_status compile_field(struct compiler *compiler, const struct field *field, struct str value,
                                  struct condition *parent, struct condition ***tail)
{
    struct json_iter it = json_iter(value);
    bool has_operators = json_type_of(value) == JSON_OBJECT && json_next(&it) && it.key.len != 0 && it.key.ptr[0] == '$';
    if (!has_operators) {
        struct condition *equal;
        happn_status status = add(compiler, parent, tail, OP_EQ, field, &equal);
        if (status == HAPPN_OK) {
            equal->operand = value_of(compiler->arena, value);
        }
        return status;
    }
    happn_status status = HAPPN_OK;
    for (it = json_iter(value); status == HAPPN_OK && json_next(&it);) {
        status = compile_operator(compiler, field, &it, value, parent, tail);
    }
    return status;
}

/* Inside $elemMatch names are taken as they are: the element is nobody's document. */
static happn_status read_field(struct compiler *compiler, struct str key, bool is_element, struct field *field)
{
    struct str name = json_string(compiler->arena, str_make(key.ptr - 1, key.len + 2)); /* the key with its quotes */
    if (name.ptr == NULL) {
        return no_memory(compiler);
    }
    if (!is_element) {
        return field_read(compiler->arena, name, field, compiler->error);
    }
    size_t len = name.len + 6;
    char *prefixed = arena_alloc(compiler->arena, len);
    if (prefixed == NULL) {
        return no_memory(compiler);
    }
    memcpy(prefixed, "_data.", 6);
    memcpy(prefixed + 6, name.ptr, name.len);
    return field_read(compiler->arena, str_make(prefixed, len), field, compiler->error);
}

static happn_status compile_object(struct compiler *compiler, struct str json, struct condition *parent, bool is_element)
{
    struct condition **tail = &parent->first;
    happn_status status = enter(compiler);
    parent->is_element = is_element;
    for (struct json_iter it = json_iter(json); status == HAPPN_OK && json_next(&it);) {
        if (it.key.len != 0 && it.key.ptr[0] == '$') {
            status = compile_operator(compiler, NULL, &it, json, parent, &tail);
            continue;
        }
        struct field field;
        status = read_field(compiler, it.key, is_element, &field);
        if (status == HAPPN_OK) {
            status = compile_field(compiler, &field, it.value, parent, &tail);
        }
    }
    compiler->depth--;
    return status;
}

happn_status criteria_compile(struct arena *arena, struct str json, struct condition **out, happn_error *error)
{
    struct compiler compiler = {.arena = arena, .error = error};
    if (json_type_of(json) != JSON_OBJECT) {
        return error_set(error, HAPPN_E_ARGUMENT, "criteria must be an object such as {\"age\": {\"$gt\": 30}}");
    }
    struct condition *all = arena_alloc(arena, sizeof *all);
    if (all == NULL) {
        return no_memory(&compiler);
    }
    *all = (struct condition){.op = OP_AND};
    *out = all;
    return compile_object(&compiler, json, all, false);
}
