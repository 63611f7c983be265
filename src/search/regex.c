#define PCRE2_CODE_UNIT_WIDTH 8
#include "search/regex.h"

#include <pcre2.h>

#include "base/error.h"

/* A step is some nanoseconds: a match ends after a few milliseconds at the latest. */
enum { MOST_STEPS = 200000, MOST_DEPTH = 5000, MOST_HEAP_KB = 8192, MOST_NESTING = 100 };

struct regex {
    pcre2_code *code;
};

struct regex_work {
    pcre2_match_data *data;
    pcre2_match_context *context;
    int count; /* of the last match: the highest group that caught something, plus one */
};

static void *take(PCRE2_SIZE size, void *arena)
{
    return arena_alloc(arena, size);
}

static void give_back(void *memory, void *arena) /* with the whole arena */
{
    (void)memory, (void)arena;
}

static happn_status read_flags(struct str flags, uint32_t *options, happn_error *error)
{
    for (size_t i = 0; i < flags.len; i++) {
        switch (flags.ptr[i] | 0x20) {
        case 'i':
            *options |= PCRE2_CASELESS;
            break;
        case 'm':
            *options |= PCRE2_MULTILINE;
            break;
        case 's':
            *options |= PCRE2_DOTALL;
            break;
        case 'x':
            *options |= PCRE2_EXTENDED;
            break;
        case 'u':
        case 'g':
        case 'y':
            break;
        default:
            return error_set(error, HAPPN_E_ARGUMENT, "$regex: unknown flag %c, there are i m s x u", flags.ptr[i]);
        }
    }
    return HAPPN_OK;
}

happn_status regex_compile(struct arena *arena, struct str pattern, struct str flags, struct regex **out, happn_error *error)
{
    /* As JavaScript means it: \uXXXX, a $ only at the very end, [] that matches nothing; and never inside of a character. */
    uint32_t options = PCRE2_UTF | PCRE2_ALT_BSUX | PCRE2_DOLLAR_ENDONLY | PCRE2_MATCH_UNSET_BACKREF |
                       PCRE2_ALLOW_EMPTY_CLASS | PCRE2_NEVER_BACKSLASH_C;
    if (pattern.len > REGEX_MAX_LENGTH) {
        return error_set(error, HAPPN_E_LIMIT, "$regex: the pattern is longer than %d bytes", REGEX_MAX_LENGTH);
    }
    happn_status status = read_flags(flags, &options, error);
    if (status != HAPPN_OK) {
        return status;
    }
    *out = arena_alloc(arena, sizeof **out);
    pcre2_general_context *memory = pcre2_general_context_create(take, give_back, arena);
    pcre2_compile_context *context = memory != NULL ? pcre2_compile_context_create(memory) : NULL;
    if (*out == NULL || context == NULL) {
        return error_set(error, HAPPN_E_MEMORY, "%s", happn_status_text(HAPPN_E_MEMORY));
    }
    pcre2_set_parens_nest_limit(context, MOST_NESTING);
    int code;
    PCRE2_SIZE at;
    (*out)->code = pcre2_compile((PCRE2_SPTR)(pattern.ptr != NULL ? pattern.ptr : ""), pattern.len, options, &code, &at, context);
    if ((*out)->code == NULL && code == PCRE2_ERROR_HEAP_FAILED) {
        return error_set(error, HAPPN_E_MEMORY, "%s", happn_status_text(HAPPN_E_MEMORY));
    }
    if ((*out)->code == NULL) {
        char text[160];
        pcre2_get_error_message(code, (PCRE2_UCHAR *)text, sizeof text);
        return error_set(error, HAPPN_E_ARGUMENT, "$regex: invalid regular expression /%.*s/: %s at offset %zu",
                         (int)(pattern.len < 100 ? pattern.len : 100), pattern.ptr, text, at);
    }
    return HAPPN_OK;
}

static struct regex_work *new_work(void)
{
    struct regex_work *work = memory_zalloc(&memory_default, sizeof *work);
    if (work == NULL) {
        return NULL;
    }
    work->context = pcre2_match_context_create(NULL);
    work->data = pcre2_match_data_create(REGEX_GROUPS + 1, NULL);
    if (work->context == NULL || work->data == NULL) {
        regex_work_free(work);
        return NULL;
    }
    pcre2_set_match_limit(work->context, MOST_STEPS);
    pcre2_set_depth_limit(work->context, MOST_DEPTH);
    pcre2_set_heap_limit(work->context, MOST_HEAP_KB);
    return work;
}

void regex_work_free(struct regex_work *work)
{
    if (work != NULL) {
        pcre2_match_data_free(work->data);
        pcre2_match_context_free(work->context);
        memory_free(&memory_default, work);
    }
}

happn_status regex_match(const struct regex *regex, struct regex_work **work, struct str text, bool *matches, happn_error *error)
{
    if (*work == NULL && (*work = new_work()) == NULL) {
        return error_set(error, HAPPN_E_MEMORY, "%s", happn_status_text(HAPPN_E_MEMORY));
    }
    int code = pcre2_match(regex->code, (PCRE2_SPTR)(text.ptr != NULL ? text.ptr : ""), text.len, 0, PCRE2_NO_UTF_CHECK,
                           (*work)->data, (*work)->context);
    *matches = code >= 0;
    (*work)->count = code == 0 ? REGEX_GROUPS + 1 : code; /* 0: it has more groups than there is room for */
    switch (code) {
    case PCRE2_ERROR_NOMATCH:
        return HAPPN_OK;
    case PCRE2_ERROR_MATCHLIMIT:
    case PCRE2_ERROR_DEPTHLIMIT:
    case PCRE2_ERROR_HEAPLIMIT:
        return error_set(error, HAPPN_E_LIMIT, "$regex: matching takes too many steps, make the pattern simpler");
    case PCRE2_ERROR_NOMEMORY:
        return error_set(error, HAPPN_E_MEMORY, "%s", happn_status_text(HAPPN_E_MEMORY));
    default:
        return code >= 0 ? HAPPN_OK : error_set(error, HAPPN_E_ARGUMENT, "$regex: matching failed (%d)", code);
    }
}

struct str regex_group(const struct regex_work *work, struct str text, size_t number)
{
    if (work == NULL || work->count <= 0 || number >= (size_t)work->count) {
        return STR_NONE;
    }
    const PCRE2_SIZE *ends = pcre2_get_ovector_pointer(work->data);
    size_t start = ends[2 * number], end = ends[2 * number + 1];
    bool is_caught = start != PCRE2_UNSET && start <= end && end <= text.len; /* \K can turn them round */
    return is_caught ? str_make(text.ptr + start, end - start) : STR_NONE;
}
