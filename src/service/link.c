/* Links of the host's own (happn/protocol.h). */

#include "base/error.h"
#include "core/session.h"
#include "service/service.h"
#include "wire/host_protocol.h"

struct happn_link {
    struct link link; /* what the session sends to */
    struct core *core;
    struct session *session;
    const happn_link_ops *ops;
    void *host;
    struct buf text;
    bool is_closing;
};

static struct buf *begin(struct link *link)
{
    struct happn_link *self = (struct happn_link *)link;
    buf_clear(&self->text);
    return self->is_closing ? NULL : &self->text;
}

static void close_link(struct link *link, const char *reason)
{
    struct happn_link *self = (struct happn_link *)link;
    if (!self->is_closing) {
        self->is_closing = true;
        self->ops->close(reason, self->host);
    }
}

static void commit(struct link *link)
{
    struct happn_link *self = (struct happn_link *)link;
    if (self->text.status != HAPPN_OK) {
        close_link(link, happn_status_text(self->text.status));
    } else if (self->text.len != 0) {
        self->ops->send(self->text.ptr, self->text.len, self->host);
    }
}

static void send_payload(struct link *link, struct payload *payload)
{
    struct happn_link *self = (struct happn_link *)link;
    struct str text = payload_text(payload);
    if (text.ptr == NULL) {
        close_link(link, happn_status_text(HAPPN_E_MEMORY));
    } else if (!self->is_closing) {
        self->ops->send(text.ptr, text.len, self->host);
    }
}

static const struct link_ops link_ops = {begin, commit, send_payload, close_link, NULL, NULL};

happn_status happn_service_add_protocol(happn_service *service, const char *name, const happn_protocol_ops *ops, void *host,
                                        happn_error *error)
{
    if (service->state == SERVICE_CLOSING) {
        return error_set(error, HAPPN_E_CLOSED, "the service is closed");
    }
    return host_protocol_add(&service->core, name, ops, host, error);
}

happn_status happn_link_open(happn_service *service, const char *protocol, const happn_link_ops *ops, void *host, happn_link **out,
                             happn_error *error)
{
    struct core *core = &service->core;
    const struct protocol *spoken = host_protocol_find(core, str_of(protocol));
    if (service->state != SERVICE_OPEN) {
        return error_set(error, HAPPN_E_CLOSED, "the service does not run");
    }
    if (spoken == NULL || ops == NULL || ops->size < sizeof *ops || ops->send == NULL || ops->close == NULL) {
        return error_set(error, HAPPN_E_ARGUMENT, spoken == NULL ? "there is no protocol %.100s" : "the link of %.100s lacks a function", protocol);
    }
    struct happn_link *link = memory_zalloc(core->allocator, sizeof *link);
    if (link == NULL) {
        return error_set(error, HAPPN_E_MEMORY, "%s", happn_status_text(HAPPN_E_MEMORY));
    }
    *link = (struct happn_link){.link.ops = &link_ops, .core = core, .ops = ops, .host = host};
    buf_init(&link->text, core->allocator, core->limits.message_bytes + 65536);
    link->session = core_session_open(core, &link->link);
    if (link->session == NULL) {
        memory_free(core->allocator, link);
        return error_set(error, HAPPN_E_MEMORY, "%s", happn_status_text(HAPPN_E_MEMORY));
    }
    link->session->protocol = spoken;
    *out = link;
    return HAPPN_OK;
}

void happn_link_receive(happn_link *link, const char *text, size_t len)
{
    if (!link->is_closing && len <= link->core->limits.message_bytes) {
        core_receive(link->session, str_make(text, len));
    }
}

void happn_link_end(happn_link *link)
{
    link->is_closing = true;
    core_session_closed(link->session);
    buf_fini(&link->text);
    memory_free(link->core->allocator, link);
}
