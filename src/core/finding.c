/* A store in memory looks for documents in slices, several stores are asked one beside the other, and others write in the meantime. Events of
 * these writes leave at once; the list leaves last. An event of a document that the list shows as it was before would be taken back by it, in
 * the eyes of a client that follows documents by `on` and `get`. So it waits. One of a document that is still to be looked at does not: the list
 * will have what it tells, or something newer, and behind the list it would be old.
 *
 * Events of other paths follow in their turn once one waits. A removal by pattern is about what has been seen and what has not: it waits, and
 * so does everything behind it. A session has one such list at a time, because its later operations wait for it (dispatch). Nobody else waits. */

#include "core/finding.h"

#include "core/session.h"
#include "paths/path.h"
#include "paths/wildcard.h"
#include "store/datastores.h"

void finding_begin(struct request *request)
{
    request->session->finding = request;
}

static bool covers(const struct request *request, struct str path)
{
    return path_has_wildcard(path) ? wildcard_overlaps(request->op.path, path) : wildcard_matches(WILDCARD_STRING, request->op.path, path, 0);
}

bool finding_holds(struct session *session, const struct publication *publication)
{
    struct request *request = session->finding;
    bool is_stored = publication->rev != 0; /* a list knows nothing of the others */
    if (request->holds_all || !is_stored || !covers(request, publication->path)) {
        return request->holds_all || request->held.first != NULL;
    }
    request->holds_all = path_has_wildcard(publication->path);
    return request->holds_all || datastores_has_passed(request->store, &request->op, publication->path);
}

bool finding_keep(struct session *session, const struct publication *publication, struct payload *payload)
{
    return held_add(&session->finding->held, session->core->allocator, publication, payload);
}

void finding_end(struct session *session)
{
    struct held held = session->finding->held; /* sending may end the session, and the outbox may have ended the request */
    session->finding->held = (struct held){NULL};
    session->finding = NULL;
    held_send(&held, session);
}

void finding_session_closed(struct session *session)
{
    if (session->finding != NULL) {
        held_drop(&session->finding->held, session->core->allocator);
        session->finding = NULL;
    }
}
