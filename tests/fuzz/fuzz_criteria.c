/* Criteria, sort, fields and regular expressions: the first line is the options, the second a document. */
#include <stdint.h>

#include "json/scan.h"
#include "search/search.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    arena_init(&arena, &memory_default);
    struct str input = arena_str(&arena, str_make((const char *)data, size));
    const char *end = size != 0 ? memchr(input.ptr, '\n', size) : NULL;
    struct str options = str_make(input.ptr, end != NULL ? (size_t)(end - input.ptr) : size);
    struct str document = end != NULL ? str_skip(input, options.len + 1) : STR_LIT("{\"a\":[1,{\"b\":\"text\"}],\"c\":null}");
    if (json_check(options, NULL) == HAPPN_OK && json_check(document, NULL) == HAPPN_OK && json_type_of(document) == JSON_OBJECT) {
        struct search_text text = {.criteria = json_get(options, "criteria"), .fields = json_get(options, "fields"), .sort = json_get(options, "sort"), .limit = 2};
        struct search *search;
        happn_error error = {.status = HAPPN_OK};
        if (search_compile(&arena, &text, &search, &error) == HAPPN_OK) {
            struct document documents[3] = {{.path = STR_LIT("/b"), .data = document}, {.path = STR_LIT("/a"), .data = STR_LIT("{}")}, {.path = STR_LIT("/c"), .data = document}};
            struct search_work work;
            size_t count = 3;
            search_work_init(&work, &memory_default);
            (void)search_matches(search, &documents[0], &work);
            search_work_fini(&work);
            (void)search_arrange(search, true, &arena, documents, &count);
        } else if (error.message[0] == '\0') {
            __builtin_trap(); /* what is refused must say why */
        }
    }
    arena_fini(&arena);
    return 0;
}
