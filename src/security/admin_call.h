/* One call of an administrator, on its way; what the files admin_*.c share. */
#ifndef HAPPN_SECURITY_ADMIN_CALL_H
#define HAPPN_SECURITY_ADMIN_CALL_H

#include "security/administration.h"
#include "security/change.h"
#include "security/hashing.h"

struct admin_call {
    struct turn turn; /* first */
    struct security *security;
    struct arena arena;
    struct str arguments;
    administration_fn done;
    void *arg;
    struct buf result;       /* JSON */
    happn_error error;
    struct hash_job job;     /* of a password */
    struct change *change;   /* being put together */
    struct str subject;      /* the user's or group's name */
    struct str path, record; /* of a document that is about to be written */
    struct str permissions;  /* raw JSON that comes with it */
    void (*run)(struct admin_call *call);
};

/* Each verb ends with exactly one of these, now or later. */
void admin_reply(struct admin_call *call); /* with call->result */
void admin_fail(struct admin_call *call, happn_status status, const char *format, ...) __attribute__((format(printf, 3, 4)));
void admin_fail_memory(struct admin_call *call);
void admin_failed(struct admin_call *call); /* call->error is set */

/* The argument as decoded text; not set when it is absent or no text. */
struct str admin_text(struct admin_call *call, const char *name);
struct str admin_raw(struct admin_call *call, const char *name);

/* The user's name as it is stored: folded, where names are. */
struct str admin_user_name(struct admin_call *call, struct str name);

/* "/_SYSTEM/_SECURITY/" and the parts, the last one NULL. ptr NULL: no memory. */
struct str admin_path(struct admin_call *call, struct str a, struct str b, struct str c, struct str d);

/* Starts call->change; false: the call has failed. */
bool admin_begin_change(struct admin_call *call);
/* Submits call->change and answers with what is in call->result. what and detail are told to those concerned. */
void admin_submit(struct admin_call *call, const char *what, struct str detail);

/* {"/a":{"actions":[...],"prohibit":[...],"remove":true}}: checked as a whole, E_ARGUMENT names all that is wrong. */
bool admin_check_permissions(struct admin_call *call, struct str permissions, const char *whose);
/* Adds them to the change. owner: "_USER/bob", or the group; rules: what it has. */
void admin_put_permissions(struct admin_call *call, struct str owner, const struct rule *rules, struct str permissions);
/* Takes all of them away. */
void admin_remove_rules(struct admin_call *call, struct str owner, const struct rule *rules);

/* Takes away what the group may because of lookup tables. */
void admin_remove_lookup_lists(struct admin_call *call, struct str group);

/* What a list asks for: name (a prefix, or `*`), criteria, sort, skip, limit, count. */
struct admin_list {
    struct admin_call *call;
    struct str prefix;
    struct document *documents;
    size_t count, room;
};
bool admin_list_wants(const struct admin_list *list, struct str name);
/* The text belongs to the call's arena. False: out of memory. */
bool admin_list_add(struct admin_list *list, struct str name, struct str text, int64_t created, int64_t modified);
void admin_list_reply(struct admin_list *list);

/* The verbs. */
#define ADMIN_VERB(name, fn, takes, does) void fn(struct admin_call *call);
#include "security/admin_verbs.def"
#undef ADMIN_VERB

#endif
