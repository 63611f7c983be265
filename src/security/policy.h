/* Session profiles: which limits a login gets. The first profile whose filter matches gives its policy. */
#ifndef HAPPN_SECURITY_POLICY_H
#define HAPPN_SECURITY_POLICY_H

#include "base/buf.h"
#include "search/search.h"
#include "security/permissions.h"

/* What a session is: a login over HTTP, or a connection that stays. */
enum session_type { SESSION_STATELESS = 0, SESSION_STATEFUL = 1 };

struct policy {
    int64_t ttl;          /* milliseconds; 0: for ever */
    int64_t inactivity;   /* milliseconds without a request; 0: any */
    int64_t usage_limit;  /* requests; 0: any number */
    bool no_token_logins; /* its tokens open no sessions */
    bool locked_to_origin; /* its tokens are for the server of the same name only */
    struct str permissions; /* raw JSON; set: they stand in place of the user's own */
    struct str addresses;   /* raw JSON list; set: logins, and requests over HTTP, only from these */
};

struct profile {
    struct str name;
    struct condition *filter;
    struct policy policy;
};

struct profiles {
    struct profile *items;
    size_t count;
};

/* Reads services.security.config.profiles (unset: none) and adds the three defaults. Everything is in the arena. */
happn_status profiles_read(struct arena *arena, struct str json, struct profiles *out, happn_error *error);

/* The first one that matches; there always is one. session: JSON object with type, user, info, ip_address, ... */
const struct profile *profiles_match(const struct profiles *profiles, struct str session, struct search_work *work);

/* {"ttl":..,"inactivity_threshold":..}: the policy as it is told to clients and written into tokens. Infinity is null. */
void policy_add(struct buf *out, const struct policy *policy);
/* Reads that again; texts point into `json`. A duration that cannot be read is negative: it is over. */
struct policy policy_of(struct str json);

/* {"/a/b":{"actions":["get"],"prohibit":["set"]}, ...}; E_ARGUMENT names everything that is wrong, as happn-3 does. set NULL: only checks;
 * with a set some may have been added when it fails. */
happn_status policy_add_permissions(struct str json, struct permission_set *set, happn_error *error);

/* 1500, "1500", "4 seconds", "1.5h", "7 days", "Infinity", null. False: it cannot be read, or is negative. 0 is for ever. */
bool duration_read(struct arena *arena, struct str value, int64_t *ms);

#endif
