/* The matcher against one that is too simple to be wrong, and against the index. First line: pattern; rest: path. */
#include <stdlib.h>

#include "paths/subscriptions.h"

static bool simple(struct str pattern, struct str path)
{
    if (pattern.len == 0) {
        return path.len == 0;
    }
    if (pattern.ptr[0] == '*') {
        for (size_t i = 0; i <= path.len; i++) {
            if (simple(str_skip(pattern, 1), str_skip(path, i))) {
                return true;
            }
        }
        return false;
    }
    return path.len != 0 && path.ptr[0] == pattern.ptr[0] && simple(str_skip(pattern, 1), str_skip(path, 1));
}

static void count(struct subscription *subscription, void *arg)
{
    (void)subscription;
    ++*(int *)arg;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *line = size != 0 ? memchr(data, '\n', size) : NULL;
    if (line == NULL || size > 200) {
        return 0;
    }
    struct str pattern = str_make((const char *)data, (size_t)(line - (const char *)data));
    struct str path = str_make(line + 1, size - pattern.len - 1);
    size_t stars = 0;
    for (size_t i = 0; i < pattern.len; i++) {
        stars += pattern.ptr[i] == '*';
    }
    for (int language = WILDCARD_STRING; language <= WILDCARD_SEGMENT; language++) {
        bool matches = wildcard_matches((enum wildcard_language)language, pattern, path, 5);
        if (language == WILDCARD_STRING && stars <= 4 && matches != simple(pattern, path)) {
            abort();
        }
        struct subscriptions *index = subscriptions_new(NULL);
        struct subscription subscription = {.pattern = pattern, .events = EVENT_ALL, .language = (unsigned char)language, .depth = 5};
        int found = 0;
        if (subscriptions_add(index, &subscription) == HAPPN_OK) {
            subscriptions_match(index, path, EVENT_SET, count, &found);
            subscriptions_remove(index, &subscription);
        }
        if (found != (int)matches) {
            abort();
        }
        subscriptions_free(index);
    }
    return 0;
}
