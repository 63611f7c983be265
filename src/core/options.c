/* The options of a request by their names. Unknown ones are left alone, as the original does; known ones whose value makes
 * no sense are refused by name: silently doing something else would be worse. */

#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "core/dispatch.h"
#include "core/session.h"
#include "json/scan.h"
#include "json/write.h"
#include "search/search.h"
#include "store/datastores.h"

enum option { NO_STORE, NO_PUBLISH, MERGE, PATH_ONLY, INITIAL_CALLBACK, INITIAL_EMIT, CONSISTENCY, DEPTH, REFERENCE_ID, META, WILDCARD,
              NESTED, CRITERIA, TAG, SET_TYPE, INCREMENT, TARGET_CLIENTS, FIELDS, SORT, IF_REV, REV, PUBLISH_RESULTS,
              NO_DATA_RESPONSE, UPSERT_TYPE, PUBLISH_EACH, EXPLAIN, LISTENER, ON_BEHALF_OF, REVOKE };

static const struct {
    struct str name;
    enum option option;
} options[] = {
    {STR_LIT("noStore"), NO_STORE},
    {STR_LIT("noPublish"), NO_PUBLISH},
    {STR_LIT("merge"), MERGE},
    {STR_LIT("path_only"), PATH_ONLY},
    {STR_LIT("initialCallback"), INITIAL_CALLBACK},
    {STR_LIT("initialEmit"), INITIAL_EMIT},
    {STR_LIT("consistency"), CONSISTENCY},
    {STR_LIT("depth"), DEPTH},
    {STR_LIT("referenceId"), REFERENCE_ID},
    {STR_LIT("meta"), META},
    {STR_LIT("wildcard"), WILDCARD},
    {STR_LIT("options"), NESTED},
    {STR_LIT("criteria"), CRITERIA},
    {STR_LIT("tag"), TAG},
    {STR_LIT("set_type"), SET_TYPE},
    {STR_LIT("increment"), INCREMENT},
    {STR_LIT("targetClients"), TARGET_CLIENTS},
    {STR_LIT("fields"), FIELDS},
    {STR_LIT("sort"), SORT},
    {STR_LIT("ifRev"), IF_REV},
    {STR_LIT("rev"), REV},
    {STR_LIT("publishResults"), PUBLISH_RESULTS},
    {STR_LIT("noDataResponse"), NO_DATA_RESPONSE},
    {STR_LIT("upsertType"), UPSERT_TYPE},
    {STR_LIT("publishEach"), PUBLISH_EACH},
    {STR_LIT("explain"), EXPLAIN},
    {STR_LIT("listenerId"), LISTENER},
    {STR_LIT("onBehalfOf"), ON_BEHALF_OF},
    {STR_LIT("revokeSession"), REVOKE},
    {STR_LIT("revokeToken"), REVOKE},
};

static int find_option(struct str key)
{
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
        if (str_equal(key, options[i].name)) {
            return (int)i;
        }
    }
    return -1;
}

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

static void read_option(struct request *request, enum option option, struct str value)
{
    struct request_options *out = &request->options;
    switch (option) {
    case NO_STORE:
        out->no_store = json_true(value);
        return;
    case NO_PUBLISH:
        out->no_publish = out->no_publish || json_true(value);
        return;
    case MERGE:
        out->merge = json_true(value);
        return;
    case PATH_ONLY:
        out->path_only = json_true(value) || out->path_only;
        return;
    case INITIAL_CALLBACK:
        out->initial_callback = json_true(value);
        return;
    case INITIAL_EMIT:
        out->initial_emit = json_true(value);
        return;
    case CONSISTENCY:
        read_consistency(request, value);
        return;
    case DEPTH:
        read_depth(request, value);
        return;
    case REFERENCE_ID:
        out->reference_id = value;
        return;
    case META:
        out->meta = json_type_of(value) == JSON_OBJECT ? value : STR_NONE;
        return;
    case WILDCARD:
        out->wildcard = json_string(&request->arena, value);
        return;
    case NESTED:
        return; /* when everything else is known */
    case CRITERIA:
        out->criteria = value;
        return;
    case TAG:
        read_tag(request, value);
        return;
    case SET_TYPE:
        out->is_sibling = json_type_of(value) == JSON_STRING && json_text_is(str_make(value.ptr + 1, value.len - 2), STR_LIT("sibling"));
        return;
    case INCREMENT:
        read_increment(request, value);
        return;
    case TARGET_CLIENTS:
        read_targets(request, value);
        return;
    case FIELDS:
        replace(&out->fields, value);
        return;
    case SORT:
        replace(&out->sort, value);
        return;
    case IF_REV:
        read_if_rev(request, value);
        return;
    case REV:
        out->shows_rev = json_true(value);
        return;
    case PUBLISH_RESULTS:
        out->publish_results = json_true(value);
        return;
    case NO_DATA_RESPONSE:
        out->no_data_response = json_true(value);
        return;
    case UPSERT_TYPE:
        out->no_publish = out->no_publish || str_is(value, "3"); /* BULK */
        return;
    case PUBLISH_EACH:
        out->publish_each = json_true(value);
        return;
    case LISTENER:
        out->listener = json_int(value, -1);
        return;
    case EXPLAIN:
        out->explain = json_true(value);
        return;
    case ON_BEHALF_OF:
        read_on_behalf_of(request, value);
        return;
    case REVOKE:
        out->revokes = out->revokes || json_true(value);
        return;
    }
}

static bool takes_null(enum option option)
{
    return option != IF_REV && option != INCREMENT;
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
        int index = find_option(it.key);
        if (index < 0 || (json_type_of(it.value) == JSON_NULL && takes_null(options[index].option))) {
            continue;
        }
        if (options[index].option == NESTED) {
            nested = it.value;
        } else {
            read_option(request, options[index].option, it.value);
        }
    }
    if (str_is_set(nested)) {
        read_nested(request, nested);
    }
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
