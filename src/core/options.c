/* The options of a request by their names. Unknown ones are left alone, as the original does; known ones whose value makes
 * no sense are refused by name: silently doing something else would be worse. */

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "core/dispatch.h"
#include "core/session.h"
#include "json/scan.h"
#include "json/write.h"
#include "search/search.h"
#include "store/datastores.h"

/* The first thing that is wrong counts. */
static void refuse(struct request *request, const char *text)
{
    if (request->error.status == HAPPN_OK) {
        error_set(&request->error, HAPPN_E_ARGUMENT, "%s", text);
        snprintf(request->error.name, sizeof request->error.name, "SystemError"); /* as the original calls it */
        request->error.code = 500;
    }
}

/* A number, or a text that holds one, as older clients send it. False: neither. */
static bool whole_number(struct str value, int64_t *out)
{
    struct str digits = value;
    if (json_type_of(value) == JSON_STRING) {
        digits = str_make(value.ptr + 1, value.len - 2);
    }
    if (json_type_of(digits) != JSON_NUMBER || digits.len > 18) {
        return false;
    }
    char text[20];
    memcpy(text, digits.ptr, digits.len);
    text[digits.len] = '\0';
    char *end;
    double number = strtod(text, &end);
    *out = (int64_t)number;
    return *end == '\0' && (double)*out == number;
}

static void read_consistency(struct request *request, struct str value)
{
    int64_t number;
    if (whole_number(value, &number)) {
        request->options.consistency = number >= 0 && number <= 3 ? (int)number : 2;
    } else if (json_type_of(value) != JSON_NULL) {
        refuse(request, "the option consistency must be 0, 1, 2 or 3");
    }
}

static void read_depth(struct request *request, struct str value)
{
    int64_t number;
    if (!whole_number(value, &number) || number < 0 || number > WILDCARD_MAX_DEPTH) {
        refuse(request, "the option depth must be a number from 1 to 64");
        return;
    }
    request->options.depth = (int)number;
}

static void read_if_rev(struct request *request, struct str value)
{
    request->options.has_if_rev = whole_number(value, &request->options.if_rev) && request->options.if_rev >= 0;
    if (!request->options.has_if_rev) {
        refuse(request, "the option ifRev must be the rev of a document, or 0 for none");
    }
}

static void read_targets(struct request *request, struct str value)
{
    if (json_type_of(value) != JSON_ARRAY && json_type_of(value) != JSON_STRING) {
        refuse(request, "the option targetClients must be an array of session ids");
        return;
    }
    for (struct json_iter it = json_iter(value); json_type_of(value) == JSON_ARRAY && json_next(&it);) {
        if (json_type_of(it.value) != JSON_STRING) {
            refuse(request, "the option targetClients must be an array of session ids");
        }
    }
    request->options.targets = value;
}

static void read_tag(struct request *request, struct str value)
{
    request->options.tag = json_string(&request->arena, value);
    if (request->options.tag.len == 0) {
        refuse(request, "the option tag must be a text");
    }
}

static void read_increment(struct request *request, struct str value)
{
    if (json_type_of(value) != JSON_NUMBER) {
        refuse(request, "increment option value must be a number");
    }
    request->options.increment = value;
}

static void read_on_behalf_of(struct request *request, struct str value)
{
    request->options.on_behalf_of = json_string(&request->arena, value);
    if (request->options.on_behalf_of.ptr == NULL) {
        refuse(request, "the option onBehalfOf must be the name of a user");
    }
}

/* skip and limit: 0 is none. */
static void read_count(struct request *request, const char *name, struct str value, int64_t *out)
{
    if (json_type_of(value) == JSON_NULL || !str_is_set(value)) {
        return;
    }
    if (!whole_number(value, out) || *out < 0) {
        char text[80];
        snprintf(text, sizeof text, "the option %s must be a whole number that is not negative", name);
        refuse(request, text);
    }
}

static void replace(struct str *at, struct str value)
{
    if (str_is_set(value) && json_type_of(value) != JSON_NULL) {
        *at = value;
    }
}

/* get has most of its options in an object inside: fields of the inner one count more, sort of the outer one. */
static void read_nested(struct request *request, struct str value)
{
    struct request_options *out = &request->options;
    if (json_type_of(value) != JSON_OBJECT) {
        return;
    }
    static const char *const missing[] = {"aggregate", "collation"};
    for (size_t i = 0; i < 2; i++) {
        struct str asked = json_get(value, missing[i]);
        if (str_is_set(asked) && json_type_of(asked) != JSON_NULL) {
            char text[400];
            snprintf(text, sizeof text, "%s feature not available for provider on path: %.*s", missing[i],
                     (int)(request->path.len < 300 ? request->path.len : 300), request->path.ptr);
            refuse(request, text);
        }
    }
    out->path_only = out->path_only || json_true(json_get(value, "path_only"));
    out->explain = out->explain || json_true(json_get(value, "explain"));
    replace(&out->fields, json_get(value, "fields"));
    struct str sort = json_get(value, "sort");
    if (!str_is_set(out->sort)) {
        replace(&out->sort, sort);
    }
    read_count(request, "skip", json_get(value, "skip"), &out->skip);
    read_count(request, "limit", json_get(value, "limit"), &out->limit);
}

/* Those whose value is kept as it is, or says one thing. */

static void read_reference_id(struct request *request, struct str value)
{
    request->options.reference_id = value;
}

static void read_meta(struct request *request, struct str value)
{
    request->options.meta = json_type_of(value) == JSON_OBJECT ? value : STR_NONE;
}

static void read_wildcard(struct request *request, struct str value)
{
    request->options.wildcard = json_string(&request->arena, value);
}

static void read_criteria(struct request *request, struct str value)
{
    request->options.criteria = value;
}

static void read_fields(struct request *request, struct str value)
{
    replace(&request->options.fields, value);
}

static void read_sort(struct request *request, struct str value)
{
    replace(&request->options.sort, value);
}

static void read_set_type(struct request *request, struct str value)
{
    request->options.is_sibling = json_type_of(value) == JSON_STRING && json_text_is(str_make(value.ptr + 1, value.len - 2), STR_LIT("sibling"));
}

static void read_upsert_type(struct request *request, struct str value)
{
    request->options.no_publish = request->options.no_publish || str_is(value, "3"); /* BULK */
}

static void read_listener(struct request *request, struct str value)
{
    request->options.listener = json_int(value, -1);
}

/* --- the table: a flag is a member of request_options that is true or false; others have a function */

#define FLAG(member) offsetof(struct request_options, member), NULL

enum { TAKES_NULL = 1 /* null is as if it were not there */, ADDS_UP = 2 /* true from one place is enough */, READ_LAST = 4 };

static const struct option {
    struct str name;
    int how;
    size_t flag;
    void (*read)(struct request *request, struct str value);
} options[] = {
    {STR_LIT("noStore"), TAKES_NULL, FLAG(no_store)},
    {STR_LIT("noPublish"), TAKES_NULL | ADDS_UP, FLAG(no_publish)},
    {STR_LIT("merge"), TAKES_NULL, FLAG(merge)},
    {STR_LIT("path_only"), TAKES_NULL | ADDS_UP, FLAG(path_only)},
    {STR_LIT("initialCallback"), TAKES_NULL, FLAG(initial_callback)},
    {STR_LIT("initialEmit"), TAKES_NULL, FLAG(initial_emit)},
    {STR_LIT("consistency"), TAKES_NULL, 0, read_consistency},
    {STR_LIT("depth"), TAKES_NULL, 0, read_depth},
    {STR_LIT("referenceId"), TAKES_NULL, 0, read_reference_id},
    {STR_LIT("meta"), TAKES_NULL, 0, read_meta},
    {STR_LIT("wildcard"), TAKES_NULL, 0, read_wildcard},
    {STR_LIT("options"), TAKES_NULL | READ_LAST, 0, read_nested}, /* when everything else is known */
    {STR_LIT("criteria"), TAKES_NULL, 0, read_criteria},
    {STR_LIT("tag"), TAKES_NULL, 0, read_tag},
    {STR_LIT("set_type"), TAKES_NULL, 0, read_set_type},
    {STR_LIT("increment"), 0, 0, read_increment},
    {STR_LIT("targetClients"), TAKES_NULL, 0, read_targets},
    {STR_LIT("fields"), TAKES_NULL, 0, read_fields},
    {STR_LIT("sort"), TAKES_NULL, 0, read_sort},
    {STR_LIT("ifRev"), 0, 0, read_if_rev},
    {STR_LIT("rev"), TAKES_NULL, FLAG(shows_rev)},
    {STR_LIT("publishResults"), TAKES_NULL, FLAG(publish_results)},
    {STR_LIT("noDataResponse"), TAKES_NULL, FLAG(no_data_response)},
    {STR_LIT("upsertType"), TAKES_NULL, 0, read_upsert_type},
    {STR_LIT("publishEach"), TAKES_NULL, FLAG(publish_each)},
    {STR_LIT("explain"), TAKES_NULL, FLAG(explain)},
    {STR_LIT("listenerId"), TAKES_NULL, 0, read_listener},
    {STR_LIT("onBehalfOf"), TAKES_NULL, 0, read_on_behalf_of},
    {STR_LIT("revokeSession"), TAKES_NULL | ADDS_UP, FLAG(revokes)},
    {STR_LIT("revokeToken"), TAKES_NULL | ADDS_UP, FLAG(revokes)},
};

static const struct option *find_option(struct str key)
{
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
        if (str_equal(key, options[i].name)) {
            return &options[i];
        }
    }
    return NULL;
}

static void read_flag(struct request *request, const struct option *option, struct str value)
{
    bool *flag = (bool *)((char *)&request->options + option->flag);
    *flag = json_true(value) || ((option->how & ADDS_UP) != 0 && *flag);
}

/* A rev is that of one document: with a pattern, or with nothing stored, there is none to compare with. */
static void check_if_rev(struct request *request)
{
    bool has_pattern = request->action == ACTION_REMOVE && path_has_wildcard(request->path);
    bool stores_nothing = request->action == ACTION_SET && request->options.no_store;
    if (request->options.has_if_rev && (has_pattern || stores_nothing)) {
        refuse(request, "the option ifRev is about one document that is stored: neither a pattern nor noStore goes with it");
    }
}

void options_read(struct request *request)
{
    request->options = (struct request_options){.consistency = 2, .listener = -1};
    request->error = (happn_error){.status = HAPPN_OK};
    if (json_type_of(request->options_raw) != JSON_OBJECT) {
        return;
    }
    struct str nested = STR_NONE;
    for (struct json_iter it = json_iter(request->options_raw); json_next(&it);) {
        const struct option *option = find_option(it.key);
        if (option == NULL || (json_type_of(it.value) == JSON_NULL && (option->how & TAKES_NULL) != 0)) {
            continue;
        }
        if ((option->how & READ_LAST) != 0) {
            nested = it.value;
        } else if (option->read != NULL) {
            option->read(request, it.value);
        } else {
            read_flag(request, option, it.value);
        }
    }
    if (str_is_set(nested)) {
        read_nested(request, nested);
    }
    check_if_rev(request);
}

bool options_compile_search(struct request *request, bool is_count)
{
    const struct request_options *asked = &request->options;
    struct search_text text = {.criteria = asked->criteria, .skip = asked->skip, .limit = asked->limit};
    if (!is_count && !asked->path_only) {
        text.fields = asked->fields;
    }
    if (!is_count) {
        text.sort = asked->sort;
    }
    struct search *search;
    happn_error error = {.status = HAPPN_OK};
    happn_status status = search_compile(&request->arena, &text, &search, &error);
    if (status != HAPPN_OK) {
        core_fail(request, status, "SystemError", 500, error.message);
        return false;
    }
    request->op.search = search;
    return true;
}
