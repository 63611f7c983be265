/* Primus control strings: JSON strings that belong to the transport. */

#include <stdio.h>

#include "json/scan.h"
#include "wire/message.h"

static void answer(struct session *session, struct str head, struct str tail)
{
    struct buf *out = session->link != NULL ? session->link->ops->begin(session->link) : NULL;
    if (out == NULL) {
        return;
    }
    buf_add_str(out, head);
    buf_add_str(out, tail);
    session->link->ops->commit(session->link);
}

bool primus_receive(struct session *session, struct str text)
{
    struct str ping = STR_LIT("\"primus::ping::");
    if (!str_starts(text, STR_LIT("\"primus::")) || json_check(text, NULL) != HAPPN_OK) {
        return false; /* what is echoed must be one whole string */
    }
    if (str_starts(text, ping) && text.len < 128) {
        answer(session, STR_LIT("\"primus::pong::"), str_skip(text, ping.len));
    } else if (str_is(text, "\"primus::id::\"")) {
        char id[48];
        int len = snprintf(id, sizeof id, "%s\"", session->id);
        answer(session, STR_LIT("\"primus::id::"), str_make(id, (size_t)len));
    }
    return true;
}
