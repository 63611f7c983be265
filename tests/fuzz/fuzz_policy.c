/* Durations, profiles and permissions, from any JSON: what is refused says why, and what is read has no negative limit. */
#include <stdint.h>

#include "base/utf8.h"
#include "json/scan.h"
#include "security/policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_profiles(struct arena *arena, struct str json)
{
    struct profiles profiles;
    happn_error error = {0};
    if (profiles_read(arena, json, &profiles, &error) != HAPPN_OK) {
        if (error.message[0] == '\0') {
            __builtin_trap();
        }
        return;
    }
    struct search_work work;
    search_work_init(&work, &memory_default);
    const struct profile *profile = profiles_match(&profiles, STR_LIT("{\"type\":1,\"user\":{\"username\":\"u\",\"groups\":{\"G\":{}}}}"), &work);
    if (profile == NULL || profile->policy.ttl < 0 || profile->policy.inactivity < 0 || profile->policy.usage_limit < 0) {
        __builtin_trap();
    }
    search_work_fini(&work);
}

static void check_permissions(struct str json)
{
    struct permission_set *set = permission_set_new(&memory_default);
    happn_error error = {0};
    if (policy_add_permissions(json, set, &error) != HAPPN_OK && error.message[0] == '\0') {
        __builtin_trap();
    }
    bool first = permission_set_allows(set, STR_LIT("/a/b"), MAY_GET);
    if (first != permission_set_allows(set, STR_LIT("/a/b"), MAY_GET) || first != permission_set_permits(set, STR_LIT("/a/b"), MAY_GET)) {
        __builtin_trap();
    }
    permission_set_unref(set);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    arena_init(&arena, &memory_default);
    struct str json = arena_str(&arena, str_make((const char *)data, size));
    int64_t ms = 0;
    if (utf8_is_valid(json) && json_check(json, NULL) == HAPPN_OK) {
        if (duration_read(&arena, json, &ms) && ms < 0) {
            __builtin_trap();
        }
        (void)policy_of(json);
        check_profiles(&arena, json);
        check_permissions(json);
    }
    arena_fini(&arena);
    return 0;
}
