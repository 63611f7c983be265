#include "core/publisher.h"

#include <stdio.h>

#include "core/acknowledgement.h"
#include "json/scan.h"

struct str publisher_id(struct arena *arena, const struct session *publisher, struct str event_id)
{
    struct str text = event_id; /* a text joins without its quotes */
    if (json_type_of(event_id) == JSON_STRING) {
        text = str_make(event_id.ptr + 1, event_id.len - 2);
    }
    size_t len = strlen(publisher->id);
    char *id = arena_alloc(arena, len + 1 + text.len);
    if (id == NULL) {
        return STR_NONE;
    }
    memcpy(id, publisher->id, len);
    id[len] = '-';
    if (text.len != 0) {
        memcpy(id + len + 1, text.ptr, text.len);
    }
    return str_make(id, len + 1 + text.len);
}

void publisher_report(struct session *publisher, struct str id, struct str event_id,
                      const struct publication_results *results, bool acknowledged)
{
    struct link *link = publisher->link;
    struct buf *out = link != NULL ? link->ops->begin(link) : NULL;
    if (out != NULL) {
        publisher->protocol->encode_report(publisher, id, event_id, results, acknowledged, out);
        link->ops->commit(link);
    }
}

static void deliver_all(struct publication *publication, struct publication *each, size_t count)
{
    publication_deliver(publication);
    for (size_t i = 0; i < count; i++) {
        each[i].waiting = publication->waiting;
        publication_deliver(&each[i]);
        publication->results.successful += each[i].results.successful;
        publication->results.failed += each[i].results.failed;
        publication->results.queued += each[i].results.queued;
        if (each[i].results.error[0] != '\0') {
            memcpy(publication->results.error, each[i].results.error, sizeof publication->results.error);
        }
    }
}

static void report(struct request *request, const struct publication_results *results, bool acknowledged)
{
    struct str id = publisher_id(&request->arena, request->session, request->event_id);
    if (id.ptr != NULL) {
        publisher_report(request->session, id, request->event_id, results, acknowledged);
    }
}

static void note_one(struct subscription *subscription, void *arg)
{
    (void)subscription;
    *(bool *)arg = true;
}

static bool has_recipients(const struct publication *publication)
{
    bool has = false;
    subscriptions_match(publication->core->subscriptions, publication->path, publication->event, note_one, &has);
    return has;
}

/* What `published` says in a reply that leaves before the events: as each generation did. */
static bool is_published(const struct request *request, const struct publication *publication)
{
    int number = request->session->protocol->number;
    bool deferred = publication->consistency == CONSISTENCY_DEFERRED;
    if (number <= 2) {
        return deferred && !has_recipients(publication); /* then there was nothing to wait for */
    }
    return number == 3 && (deferred || publication->consistency == CONSISTENCY_QUEUED);
}

/* The session may close while it is written to, so it is held. */
static void publish_after_reply(struct request *request, struct publication *publication, struct publication *each, size_t count)
{
    bool waits = publication->consistency == CONSISTENCY_ACKNOWLEDGED;
    request->reply.published = is_published(request, publication);
    publication->waiting = waits ? acknowledgement_open(request) : NULL;
    core_answer(request);
    deliver_all(publication, each, count);
    if (publication->waiting != NULL) {
        acknowledgement_wait(publication->waiting, &publication->results);
    } else if (publication->consistency != CONSISTENCY_QUEUED) {
        if (waits) {
            bool is_full = request->session->unacknowledged >= ACKNOWLEDGEMENTS_MOST;
            snprintf(publication->results.error, sizeof publication->results.error, "%s",
                     is_full ? "too many publications wait to be acknowledged" : happn_status_text(HAPPN_E_MEMORY));
        }
        report(request, &publication->results, false);
    }
    core_end(request);
}

/* Whoever waits for a report shall not wait for what does not happen. */
static void answer_unpublished(struct request *request)
{
    int level = request->options.consistency;
    core_answer(request);
    if (level == CONSISTENCY_DEFERRED || level == CONSISTENCY_ACKNOWLEDGED) {
        report(request, &(struct publication_results){.queued = 0}, level == CONSISTENCY_ACKNOWLEDGED);
    }
    core_end(request);
}

void publisher_answer(struct request *request, struct publication *publication, struct publication *each, size_t count)
{
    if (publication == NULL) {
        core_reply(request);
        return;
    }
    if (request->options.no_publish) {
        answer_unpublished(request);
        return;
    }
    if (publication->consistency != CONSISTENCY_TRANSACTIONAL) {
        publish_after_reply(request, publication, each, count);
        return;
    }
    deliver_all(publication, each, count);
    request->reply.published = true;
    request->reply.has_results = request->options.publish_results;
    request->reply.successful = publication->results.successful;
    request->reply.failed = publication->results.failed;
    request->reply.queued = publication->results.queued;
    core_reply(request);
}
