#include "wire/sealed.h"

#include "json/scan.h"
#include "json/write.h"
#include "security/crypto.h"
#include "security/ecies.h"
#include "security/security.h"

struct str sealed_open(struct request *request, struct str copy)
{
    const struct session *session = request->session;
    struct str digits = session->secret[0] != '\0' ? json_get(copy, "encrypted") : STR_NONE;
    if (json_type_of(digits) != JSON_STRING) {
        return STR_NONE;
    }
    struct str text = session_open(&request->arena, str_of(session->secret), str_make(digits.ptr + 1, digits.len - 2));
    bool is_request = str_is_set(text) && json_check(text, NULL) == HAPPN_OK && json_type_of(text) == JSON_OBJECT;
    return is_request ? text : STR_NONE;
}

void sealed_text(const struct session *session, struct str text, struct buf *out)
{
    buf_add_lit(out, "{\"encrypted\":\"");
    if (!session_seal(str_of(session->secret), text, out)) {
        out->status = out->status == HAPPN_OK ? HAPPN_E_MEMORY : out->status;
    }
    buf_add_lit(out, "\"}");
}

static void add_bytes(struct buf *out, struct str bytes)
{
    buf_add_lit(out, "{\"type\":\"Buffer\",\"data\":[");
    for (size_t i = 0; i < bytes.len; i++) {
        buf_add_format(out, i != 0 ? ",%u" : "%u", (unsigned)(unsigned char)bytes.ptr[i]);
    }
    buf_add_lit(out, "]}");
}

/* `_meta.type` of a login's reply is "login", inside as well as outside. */
static void rename_type(struct buf *text)
{
    static const char was[] = "\"type\":\"response\"", is[] = "\"type\":\"login\"";
    char *at = NULL;
    for (char *next = text->ptr; (next = memmem(next, text->len - (size_t)(next - text->ptr), was, sizeof was - 1)) != NULL; next++) {
        at = next;
    }
    if (at != NULL) {
        size_t behind = (size_t)(at - text->ptr) + sizeof was - 1;
        memcpy(at, is, sizeof is - 1);
        memmove(at + sizeof is - 1, text->ptr + behind, text->len - behind);
        text->len -= sizeof was - sizeof is;
    }
}

static void seal_login(const struct request *request, struct buf *text, struct buf *out)
{
    const struct security *security = request->core->security;
    struct buf blob;
    buf_init(&blob, request->core->allocator, out->max);
    rename_type(text);
    if (!ecies_seal(&security->key_pair, request->session->peer_point, buf_str(text), &blob)) {
        out->status = HAPPN_E_LIMIT;
    }
    buf_add_lit(out, "{\"encrypted\":");
    add_bytes(out, buf_str(&blob));
    buf_add_lit(out, ",\"_meta\":{\"type\":\"login\",\"status\":\"ok\",\"published\":false");
    if (str_is_set(request->event_id)) {
        buf_add_lit(out, ",\"eventId\":");
        json_add_raw(out, request->event_id);
    }
    buf_add_lit(out, ",\"action\":\"login\"},\"publicKey\":\"");
    crypto_add_base64(out, str_make((const char *)security->key_pair.point, POINT_BYTES));
    buf_add_lit(out, "\"}");
    buf_fini(&blob);
}

void sealed_reply(const struct shape *shape, const struct request *request, struct buf *out)
{
    struct buf text;
    buf_init(&text, request->core->allocator, out->max);
    shape_reply(shape, request, &text);
    if (text.status != HAPPN_OK) {
        out->status = text.status;
    } else if (request->action == ACTION_LOGIN && request->reply.kind == REPLY_ERROR) {
        buf_add_str(out, buf_str(&text)); /* there is no secret yet; and who logs in anew may have forgotten the old one */
    } else if (request->is_sealed) {
        seal_login(request, &text, out);
    } else {
        sealed_text(request->session, buf_str(&text), out);
    }
    buf_fini(&text);
}
