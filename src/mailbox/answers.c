/* What a call is answered with: one DONE, which is the call itself. */

#include "base/buf.h"
#include "json/scan.h"
#include "json/write.h"
#include "mailbox/calls.h"

void answer_call(struct call *call, happn_status status, struct str meta, struct str body)
{
    mail_fill(&call->mail, status, meta, body);
    mailbox_post(call->mailbox, &call->mail);
}

/* The error as JSON: name, message, code, and whatever else the server's error had. */
void answer_error(struct call *call, const happn_error *error, struct str meta)
{
    struct buf body;
    buf_init(&body, NULL, 1 << 20);
    buf_add_lit(&body, "{\"name\":");
    json_add_string(&body, str_of(error->name[0] != '\0' ? error->name : happn_status_name(error->status)));
    buf_add_lit(&body, ",\"message\":");
    json_add_string(&body, str_of(error->message[0] != '\0' ? error->message : happn_status_text(error->status)));
    if (error->code != 0) {
        buf_add_lit(&body, ",\"code\":");
        buf_add_i64(&body, error->code);
    }
    struct str fields = json_type_of(meta) == JSON_OBJECT ? json_get(meta, "error") : STR_NONE;
    struct json_iter it = json_iter(fields);
    while (json_type_of(fields) == JSON_OBJECT && json_next(&it)) {
        if (!json_text_is(it.key, STR_LIT("name")) && !json_text_is(it.key, STR_LIT("message")) &&
            !json_text_is(it.key, STR_LIT("code"))) {
            buf_add_lit(&body, ",\"");
            buf_add_str(&body, it.key);
            buf_add_lit(&body, "\":");
            buf_add_str(&body, it.value);
        }
    }
    buf_add_char(&body, '}');
    answer_call(call, error->status, str_is_set(meta) ? meta : STR_LIT("{}"),
           body.status == HAPPN_OK ? buf_str(&body) : STR_LIT("null"));
    buf_fini(&body);
}

void answer_status(struct call *call, happn_status status)
{
    if (status == HAPPN_OK) {
        answer_call(call, status, STR_LIT("{}"), STR_LIT("null"));
        return;
    }
    happn_error error = {.status = status};
    answer_error(call, &error, STR_NONE);
}

void answer_result(const happn_result *result, void *arg)
{
    struct call *call = arg;
    struct str meta = str_make(result->meta, result->meta_len);
    if (result->status != HAPPN_OK) {
        answer_error(call, result->error, meta);
        return;
    }
    answer_call(call, HAPPN_OK, meta, str_make(result->data, result->data_len));
}

/* A function of the client that fails does not call back: then the answer is given here. */
void answer_failure(struct call *call, happn_status status)
{
    if (status != HAPPN_OK) {
        answer_status(call, status);
    }
}
