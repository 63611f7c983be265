#include "security/policy.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "json/scan.h"
#include "json/write.h"
#include "paths/path.h"
#include "security/address.h"

static const char defaults[] =
    "[{\"name\":\"default-browser\",\"session\":{\"info._browser\":true},\"policy\":{\"ttl\":604800000,\"inactivity_threshold\":3600000}},"
    "{\"name\":\"default-stateful\",\"session\":{\"type\":1},\"policy\":{\"ttl\":0,\"inactivity_threshold\":null}},"
    "{\"name\":\"default-stateless\",\"session\":{\"type\":0},\"policy\":{\"ttl\":0,\"inactivity_threshold\":null}}]";

/* --- durations */

static const struct {
    const char *name;
    double ms;
} units[] = {
    {"ms", 1}, {"msec", 1}, {"msecs", 1}, {"millisecond", 1}, {"milliseconds", 1},
    {"s", 1e3}, {"sec", 1e3}, {"secs", 1e3}, {"second", 1e3}, {"seconds", 1e3},
    {"m", 6e4}, {"min", 6e4}, {"mins", 6e4}, {"minute", 6e4}, {"minutes", 6e4},
    {"h", 36e5}, {"hr", 36e5}, {"hrs", 36e5}, {"hour", 36e5}, {"hours", 36e5},
    {"d", 864e5}, {"day", 864e5}, {"days", 864e5}, {"w", 6048e5}, {"week", 6048e5}, {"weeks", 6048e5},
    {"y", 315576e5}, {"yr", 315576e5}, {"yrs", 315576e5}, {"year", 315576e5}, {"years", 315576e5},
};

/* Digits, maybe with a fraction: no sign, no exponent, nothing hexadecimal, and whatever the locale. Sets *end behind them. */
static double read_decimal(const char *text, const char **end)
{
    double number = 0, unit = 1;
    size_t digits = 0;
    for (; *text >= '0' && *text <= '9'; text++, digits++) {
        number = number * 10 + (*text - '0');
    }
    for (text += *text == '.'; *text >= '0' && *text <= '9'; text++, digits++) {
        unit *= 10;
        number = number * 10 + (*text - '0');
    }
    *end = digits != 0 ? text : NULL;
    return number / unit;
}

static bool read_span(const char *text, int64_t *ms)
{
    const char *end;
    if (strcasecmp(text, "infinity") == 0) {
        *ms = 0;
        return true;
    }
    double number = read_decimal(text, &end);
    if (end == NULL) {
        return false;
    }
    while (*end == ' ') {
        end++;
    }
    double factor = *end == '\0' ? 1 : 0;
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        factor = strcasecmp(end, units[i].name) == 0 ? units[i].ms : factor;
    }
    if (factor == 0 || !(number * factor < 9e15)) {
        return false;
    }
    *ms = (int64_t)(number * factor);
    return true;
}

bool duration_read(struct arena *arena, struct str value, int64_t *ms)
{
    enum json_type type = json_type_of(value);
    if (type == JSON_NULL) {
        *ms = 0;
        return true;
    }
    if (type == JSON_NUMBER) {
        double number = json_number(value, -1);
        *ms = number >= 0 && number < 9e15 ? (int64_t)number : 0;
        return number >= 0 && number < 9e15;
    }
    struct str text = type == JSON_STRING ? json_string(arena, value) : STR_NONE;
    text = str_is_set(text) ? arena_str(arena, json_trim(text)) : STR_NONE;
    return str_is_set(text) && !str_has(text, '\0') && read_span(text.ptr, ms);
}

/* --- permissions */

/* Everything that is wrong, joined as the original joins it, as far as there is room. */
static void complain(happn_error *error, const char *format, ...)
{
    if (error == NULL) {
        return;
    }
    size_t len = strlen(error->message);
    va_list args;
    va_start(args, format);
    if (len != 0 && len + 2 < sizeof error->message) {
        error->message[len++] = ',';
    }
    vsnprintf(error->message + len, sizeof error->message - len, format, args);
    va_end(args);
}

static int shown(struct str text, int most)
{
    return text.len < (size_t)most ? (int)text.len : most;
}

/* False: some word is none. */
static bool read_words(struct str list, const char *kind, struct str path, unsigned *bits, happn_error *error)
{
    if (json_type_of(list) != JSON_ARRAY) {
        complain(error, "%s of the permission for %.*s must be a list", kind, shown(path, 200), path.ptr);
        return false;
    }
    bool fits = true;
    for (struct json_iter it = json_iter(list); json_next(&it);) {
        bool is_text = json_type_of(it.value) == JSON_STRING;
        struct str word = is_text ? str_make(it.value.ptr + 1, it.value.len - 2) : it.value;
        unsigned bit = is_text ? may_of(word) : 0;
        if (bit == 0) {
            complain(error, "unknown %saction: %.*s for path: %.*s", strcmp(kind, "prohibit") == 0 ? "prohibit " : "", shown(word, 80),
                     word.ptr, shown(path, 200), path.ptr);
        }
        fits = fits && bit != 0;
        *bits |= bit;
    }
    return fits;
}

/* A path is stored with {{w}} in place of each `*`, so it must not have one of its own. */
static bool check_path(struct str path, happn_error *error)
{
    if (path.len != 0 && memmem(path.ptr, path.len, "{{w}}", 5) != NULL) {
        complain(error, "invalid permission path, cannot contain special string {{w}}");
        return false;
    }
    if (path.len == 0 || path.len > PATH_MAX_LENGTH || str_has(path, '\0')) {
        complain(error, "a permission path has 1 to %d bytes, and no NUL", PATH_MAX_LENGTH);
        return false;
    }
    return true;
}

static bool read_permission(struct str path, struct str value, unsigned *allowed, unsigned *prohibited, happn_error *error)
{
    struct str actions = json_get(value, "actions"), prohibit = json_get(value, "prohibit");
    if (!str_is_set(actions) && !str_is_set(prohibit)) {
        complain(error, "missing allowed actions or prohibit rules: %.*s", shown(path, 200), path.ptr);
        return false;
    }
    bool fits = check_path(path, error);
    fits = (!str_is_set(actions) || read_words(actions, "actions", path, allowed, error)) && fits;
    return (!str_is_set(prohibit) || read_words(prohibit, "prohibit", path, prohibited, error)) && fits;
}

happn_status policy_add_permissions(struct str json, struct permission_set *set, happn_error *error)
{
    if (json_type_of(json) != JSON_OBJECT) {
        return error_set(error, HAPPN_E_ARGUMENT, "permissions must be an object: {\"/path/*\": {\"actions\": [\"get\"]}}");
    }
    struct arena arena;
    arena_init(&arena, NULL);
    bool fits = true;
    happn_status status = error_set(error, HAPPN_OK, "%s", "");
    for (struct json_iter it = json_iter(json); status == HAPPN_OK && json_next(&it);) {
        struct str path = json_string(&arena, str_make(it.key.ptr - 1, it.key.len + 2));
        unsigned allowed = 0, prohibited = 0;
        fits = path.ptr != NULL && read_permission(path, it.value, &allowed, &prohibited, error) && fits;
        status = path.ptr == NULL ? HAPPN_E_MEMORY : fits && set != NULL ? permission_set_add(set, path, allowed, prohibited) : HAPPN_OK;
    }
    arena_fini(&arena);
    status = status == HAPPN_OK && !fits ? HAPPN_E_ARGUMENT : status;
    if (error != NULL) {
        error->status = status;
    }
    return status;
}

/* --- profiles */

/* {user: {username: "x"}} asks for the same as {"user.username": "x"}: criteria know the second. Every field is written as data.<field>,
 * because a session's own `timestamp` or `path` must not be taken for a document's. */
#define FIELDS "data"

static bool is_nested(struct str value)
{
    struct json_iter it = json_iter(value);
    return json_type_of(value) == JSON_OBJECT && json_next(&it) && !str_starts(it.key, STR_LIT("$"));
}

static void flatten(struct buf *out, struct str filter, const char *prefix, bool *first, int depth);

static void flatten_list(struct buf *out, struct str list, int depth)
{
    bool first_item = true;
    buf_add_char(out, '[');
    for (struct json_iter it = json_iter(list); json_next(&it);) {
        buf_add_text(out, first_item ? "" : ",");
        first_item = false;
        if (json_type_of(it.value) != JSON_OBJECT) {
            buf_add_str(out, it.value);
            continue;
        }
        bool first = true;
        buf_add_char(out, '{');
        flatten(out, it.value, FIELDS, &first, depth + 1);
        buf_add_char(out, '}');
    }
    buf_add_char(out, ']');
}

static void flatten(struct buf *out, struct str filter, const char *prefix, bool *first, int depth)
{
    for (struct json_iter it = json_iter(filter); json_next(&it);) {
        char name[256];
        bool is_operator = str_starts(it.key, STR_LIT("$"));
        int len = snprintf(name, sizeof name, "%s%s%.*s", is_operator ? "" : prefix, is_operator ? "" : ".", shown(it.key, 300), it.key.ptr);
        if (len >= (int)sizeof name || depth > 16) {
            out->status = HAPPN_E_LIMIT;
            return;
        }
        if (!is_operator && is_nested(it.value)) {
            flatten(out, it.value, name, first, depth + 1);
            continue;
        }
        buf_add_text(out, *first ? "\"" : ",\"");
        *first = false;
        buf_add_text(out, name);
        buf_add_lit(out, "\":");
        if (is_operator && json_type_of(it.value) == JSON_ARRAY) {
            flatten_list(out, it.value, depth);
        } else {
            buf_add_str(out, it.value);
        }
    }
}

static happn_status compile_filter(struct arena *arena, struct str name, struct str filter, struct condition **out, happn_error *error)
{
    if (json_type_of(filter) != JSON_OBJECT) {
        return error_set(error, HAPPN_E_CONFIG, "the profile %.*s needs a session filter: {\"user.username\": \"bob\"}", (int)name.len, name.ptr);
    }
    struct buf text;
    buf_init(&text, arena->allocator, 1 << 20);
    bool first = true;
    buf_add_char(&text, '{');
    flatten(&text, filter, FIELDS, &first, 0);
    buf_add_char(&text, '}');
    struct str copy = text.status == HAPPN_OK ? arena_str(arena, buf_str(&text)) : STR_NONE;
    buf_fini(&text);
    return copy.ptr != NULL ? criteria_compile(arena, copy, out, error)
                            : error_set(error, HAPPN_E_CONFIG, "the session filter of the profile %.*s is too large", (int)name.len, name.ptr);
}

static happn_status read_duration(struct arena *arena, struct str name, struct str policy, const char *key, int64_t *out, happn_error *error)
{
    struct str value = json_get(policy, key);
    if (!str_is_set(value) || duration_read(arena, value, out)) {
        return HAPPN_OK;
    }
    return error_set(error, HAPPN_E_CONFIG,
                     "the profile %.*s: %s %.*s is not a duration: write milliseconds, or \"4 seconds\", \"2 hours\", \"7 days\", \"Infinity\"",
                     (int)name.len, name.ptr, key, (int)(value.len < 60 ? value.len : 60), value.ptr);
}

static happn_status check_policy_keys(struct str name, struct str policy, happn_error *error)
{
    static const char *const known[] = {"ttl", "inactivity_threshold", "usage_limit", "permissions", "disallowTokenLogins",
                                        "lockTokenToOrigin", "sourceIPWhitelist"};
    for (struct json_iter it = json_iter(policy); json_next(&it);) {
        size_t i = 0;
        while (i < sizeof known / sizeof known[0] && !json_text_is(it.key, str_of(known[i]))) {
            i++;
        }
        if (i == sizeof known / sizeof known[0]) {
            return error_set(error, HAPPN_E_CONFIG, "the profile %.*s: a policy has no %.*s", (int)name.len, name.ptr, (int)it.key.len, it.key.ptr);
        }
    }
    return HAPPN_OK;
}

static happn_status read_flag(struct str name, struct str policy, const char *key, bool *out, happn_error *error)
{
    struct str value = json_get(policy, key);
    *out = json_true(value);
    if (!str_is_set(value) || json_type_of(value) == JSON_BOOL) {
        return HAPPN_OK;
    }
    return error_set(error, HAPPN_E_CONFIG, "the profile %.*s: %s must be true or false", (int)name.len, name.ptr, key);
}

/* A limit that cannot be read must not become none. */
static happn_status read_limits(struct str name, struct str policy, struct policy *out, happn_error *error)
{
    struct str limit = json_get(policy, "usage_limit");
    out->usage_limit = json_int(limit, 0);
    double number = json_number(limit, -1);
    if (str_is_set(limit) && json_type_of(limit) != JSON_NULL && (out->usage_limit < 0 || number != (double)out->usage_limit)) {
        return error_set(error, HAPPN_E_CONFIG, "the profile %.*s: usage_limit must be a whole number, not negative", (int)name.len, name.ptr);
    }
    happn_status status = read_flag(name, policy, "disallowTokenLogins", &out->no_token_logins, error);
    return status == HAPPN_OK ? read_flag(name, policy, "lockTokenToOrigin", &out->locked_to_origin, error) : status;
}

static happn_status check_addresses(struct str name, struct str list, happn_error *error)
{
    struct str wrong = list;
    if (address_list_check(list, &wrong)) {
        return HAPPN_OK;
    }
    return error_set(error, HAPPN_E_CONFIG, "the profile %.*s: sourceIPWhitelist is a list of addresses such as \"10.0.0.7\" or \"10.0.0.0/8\", "
                     "which %.*s is not", (int)name.len, name.ptr, shown(wrong, 60), wrong.ptr);
}

static happn_status check_permissions(struct str name, struct str permissions, happn_error *error)
{
    happn_error inner;
    happn_status status = policy_add_permissions(permissions, NULL, &inner);
    return status == HAPPN_OK ? status : error_set(error, HAPPN_E_CONFIG, "the profile %.*s: %.300s", (int)name.len, name.ptr, inner.message);
}

static happn_status read_policy(struct arena *arena, struct str name, struct str json, struct policy *out, happn_error *error)
{
    if (json_type_of(json) != JSON_OBJECT) {
        return error_set(error, HAPPN_E_CONFIG, "the profile %.*s has no policy", (int)name.len, name.ptr);
    }
    happn_status status = check_policy_keys(name, json, error);
    if (status == HAPPN_OK) {
        status = read_duration(arena, name, json, "ttl", &out->ttl, error);
    }
    if (status == HAPPN_OK) {
        status = read_duration(arena, name, json, "inactivity_threshold", &out->inactivity, error);
    }
    if (status == HAPPN_OK) {
        status = read_limits(name, json, out, error);
    }
    out->permissions = json_get(json, "permissions");
    out->addresses = json_get(json, "sourceIPWhitelist");
    if (status == HAPPN_OK && str_is_set(out->addresses)) {
        status = check_addresses(name, out->addresses, error);
    }
    return status == HAPPN_OK && str_is_set(out->permissions) ? check_permissions(name, out->permissions, error) : status;
}

static happn_status read_profiles(struct arena *arena, struct str json, struct profiles *out, happn_error *error)
{
    for (struct json_iter it = json_iter(json); json_next(&it);) {
        struct profile *profile = &out->items[out->count++];
        profile->name = json_string(arena, json_get(it.value, "name"));
        if (profile->name.ptr == NULL) {
            return error_set(error, HAPPN_E_CONFIG, "every profile needs a name");
        }
        happn_status status = compile_filter(arena, profile->name, json_get(it.value, "session"), &profile->filter, error);
        if (status == HAPPN_OK) {
            status = read_policy(arena, profile->name, json_get(it.value, "policy"), &profile->policy, error);
        }
        if (status != HAPPN_OK) {
            return status;
        }
    }
    return HAPPN_OK;
}

happn_status profiles_read(struct arena *arena, struct str json, struct profiles *out, happn_error *error)
{
    size_t count = 3;
    if (str_is_set(json) && json_type_of(json) != JSON_ARRAY) {
        return error_set(error, HAPPN_E_CONFIG, "profiles must be a list");
    }
    for (struct json_iter it = json_iter(json); str_is_set(json) && json_next(&it);) {
        count++;
    }
    *out = (struct profiles){arena_alloc(arena, count * sizeof *out->items), 0};
    if (out->items == NULL) {
        return error_set(error, HAPPN_E_MEMORY, "%s", happn_status_text(HAPPN_E_MEMORY));
    }
    memset(out->items, 0, count * sizeof *out->items);
    happn_status status = str_is_set(json) ? read_profiles(arena, json, out, error) : HAPPN_OK;
    return status == HAPPN_OK ? read_profiles(arena, STR_LIT(defaults), out, error) : status;
}

const struct profile *profiles_match(const struct profiles *profiles, struct str session, struct search_work *work)
{
    struct document document = {.path = STR_LIT(""), .data = session};
    for (size_t i = 0; i + 1 < profiles->count; i++) {
        if (criteria_match(profiles->items[i].filter, &document, work)) {
            return &profiles->items[i];
        }
    }
    return &profiles->items[profiles->count - 1];
}

void policy_add(struct buf *out, const struct policy *policy)
{
    buf_add_format(out, "{\"ttl\":%lld,\"inactivity_threshold\":", (long long)policy->ttl);
    if (policy->inactivity != 0) {
        buf_add_i64(out, policy->inactivity);
    } else {
        buf_add_lit(out, "null");
    }
    if (policy->usage_limit != 0) {
        buf_add_format(out, ",\"usage_limit\":%lld", (long long)policy->usage_limit);
    }
    if (str_is_set(policy->permissions)) {
        buf_add_lit(out, ",\"permissions\":");
        buf_add_str(out, policy->permissions);
    }
    if (str_is_set(policy->addresses)) {
        buf_add_lit(out, ",\"sourceIPWhitelist\":");
        buf_add_str(out, policy->addresses);
    }
    buf_add_text(out, policy->no_token_logins ? ",\"disallowTokenLogins\":true" : "");
    buf_add_text(out, policy->locked_to_origin ? ",\"lockTokenToOrigin\":true}" : "}");
}

/* A number, or what happn-3 leaves as text; less than nothing when it cannot be read. */
static int64_t span_of(struct str json)
{
    char text[64];
    int64_t ms = 0;
    switch (json_type_of(json)) {
    case JSON_NONE:
    case JSON_NULL:
        return 0;
    case JSON_NUMBER:
        return json_number(json, -1) >= 0 && json_number(json, -1) < 9e15 ? (int64_t)json_number(json, 0) : -1;
    default:
        break;
    }
    if (json_type_of(json) != JSON_STRING || json.len - 2 >= sizeof text) {
        return -1;
    }
    snprintf(text, sizeof text, "%.*s", (int)json.len - 2, json.ptr + 1);
    return read_span(text, &ms) ? ms : -1;
}

struct policy policy_of(struct str json)
{
    return (struct policy){.ttl = span_of(json_get(json, "ttl")),
                           .inactivity = span_of(json_get(json, "inactivity_threshold")),
                           .usage_limit = json_int(json_get(json, "usage_limit"), 0),
                           .permissions = json_get(json, "permissions"),
                           .addresses = json_get(json, "sourceIPWhitelist"),
                           .no_token_logins = json_true(json_get(json, "disallowTokenLogins")),
                           .locked_to_origin = json_true(json_get(json, "lockTokenToOrigin"))};
}
