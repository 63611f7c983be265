/* One event, encoded once per protocol and channel and shared by its recipients. */
#ifndef HAPPN_CORE_PUBLICATION_H
#define HAPPN_CORE_PUBLICATION_H

#include "core/session.h"

struct publication {
    struct core *core;
    struct session *publisher;
    struct arena *arena;
    int event;               /* EVENT_SET or EVENT_REMOVE */
    struct str path;
    struct str asked_path;   /* of a sibling: the path without its new name, whose subscribers hear of it, too; else unset */
    struct str data;         /* JSON text */
    struct str posted;       /* what was passed in, for merge subscriptions */
    struct str event_id;     /* raw */
    struct str meta;         /* raw JSON object of the publisher's, or unset */
    struct str targets;      /* raw JSON array of session ids: nobody else gets it; or unset */
    bool has_dates;
    bool has_timestamp;
    int64_t created, modified, timestamp;
    struct str modified_by;
    struct str tag;
    int64_t rev;             /* 0: nothing was stored */
    struct lending *lending; /* encoding only: `data`, when it shall be left out; NULL: it stands in the text */
    int consistency;
    struct acknowledgement *waiting; /* level 3: who must acknowledge; NULL otherwise */
    struct publication_results results;
};

/* Hands the publication to every recipient. A failure concerns one recipient, and is counted. */
void publication_deliver(struct publication *publication);

#endif
