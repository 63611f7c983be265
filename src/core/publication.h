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
    struct str data;         /* JSON text */
    struct str posted;       /* what was passed in, for merge subscriptions */
    struct str event_id;     /* raw */
    struct str meta;         /* raw JSON object of the publisher's, or unset */
    bool has_dates;
    bool has_timestamp;
    int64_t created, modified, timestamp;
    struct str modified_by;
    int consistency;
    size_t queued, successful, failed;
};

/* Hands the publication to every recipient. */
void publication_deliver(struct publication *publication);

#endif
