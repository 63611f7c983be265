/* The boundary for other languages. No function of the host ever runs on our thread, except the wake function, which
 * only says "there is something".
 *
 * Two queues under one lock: calls go in (any thread puts, the loop's thread carries out), events come out (the loop's thread
 * puts, any thread takes). A signal is given once, when the first event waits that no take has seen; take makes the next
 * one possible, and gives it itself when it leaves events behind.
 *
 * Promised: a call that returned 0 has exactly one DONE, with the caller's ticket; a service, client or subscription has
 * exactly one END, its last event; both are never dropped, because their memory is allocated when the call is made.
 * DATA is dropped above the high-water marks, for the number of events and for their bytes, newest first, and STATE says so. */

#include "mailbox/mailbox.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "json/scan.h"

enum { DEFAULT_HIGH_WATER = 100000, DEFAULT_HIGH_WATER_BYTES = 256 << 20 };

struct happn_batch {
    size_t count;
    struct mail *mails[];
};

/* --- signals; all with the lock held */

static void signal_waiting(happn_mailbox *mailbox)
{
    if (mailbox->is_signalled || mailbox->is_closed || mailbox->count == 0) {
        return;
    }
    mailbox->is_signalled = true;
    if (mailbox->wake != NULL) {
        mailbox->wake(mailbox->wake_context);
    } else {
        uint64_t one = 1;
        mailbox->is_fd_set = true;
        (void)!write(mailbox->fd, &one, sizeof one);
    }
}

static void reset_signal(happn_mailbox *mailbox)
{
    uint64_t ignored;
    mailbox->is_signalled = false;
    if (mailbox->is_fd_set) {
        mailbox->is_fd_set = false;
        (void)!read(mailbox->fd, &ignored, sizeof ignored);
    }
}

/* --- events */

void mailbox_drop_mail(struct mail *mail)
{
    if (mail != NULL) {
        memory_free(NULL, mail->text);
        memory_free(NULL, mail);
    }
}

void mail_fill(struct mail *mail, happn_status status, struct str meta, struct str body)
{
    mail->event.status = status;
    mail->event.meta = mail->event.body = "";
    mail->text = memory_alloc(NULL, meta.len + body.len + 2);
    if (mail->text == NULL) {
        mail->event.status = HAPPN_E_MEMORY;
        return;
    }
    char *at = mail->text;
    memcpy(at, meta.ptr != NULL ? meta.ptr : "", meta.len);
    at[meta.len] = '\0';
    mail->event.meta = at;
    mail->event.meta_len = meta.len;
    at += meta.len + 1;
    memcpy(at, body.ptr != NULL ? body.ptr : "", body.len);
    at[body.len] = '\0';
    mail->event.body = at;
    mail->event.body_len = body.len;
}

/* What counts for the high-water marks. */
static size_t data_bytes(const struct mail *mail)
{
    return mail->event.kind == HAPPN_EV_DATA ? mail->event.meta_len + mail->event.body_len : 0;
}

static void append(happn_mailbox *mailbox, struct mail *mail)
{
    mail->next = NULL;
    *mailbox->last = mail;
    mailbox->last = &mail->next;
    mailbox->count++;
    mailbox->data_count += mail->event.kind == HAPPN_EV_DATA;
    mailbox->data_bytes += data_bytes(mail);
}

void mailbox_post(happn_mailbox *mailbox, struct mail *mail)
{
    pthread_mutex_lock(&mailbox->lock);
    bool keep = !mailbox->is_closed;
    if (keep) {
        append(mailbox, mail);
        signal_waiting(mailbox);
    }
    pthread_mutex_unlock(&mailbox->lock);
    if (!keep) {
        mailbox_drop_mail(mail);
    }
}

struct mail *mailbox_new_mail(happn_event_kind kind, uint64_t ticket, struct str meta, struct str body)
{
    struct mail *mail = memory_zalloc(NULL, sizeof *mail + meta.len + body.len + 2);
    if (mail == NULL) {
        return NULL;
    }
    char *at = (char *)(mail + 1);
    memcpy(at, meta.ptr, meta.len);
    memcpy(at + meta.len + 1, body.ptr, body.len);
    mail->event = (happn_event){.kind = (int32_t)kind,
                                .ticket = ticket,
                                .meta = at,
                                .meta_len = meta.len,
                                .body = at + meta.len + 1,
                                .body_len = body.len};
    return mail;
}

static struct mail *state_mail(const char *state, const char *number_name, uint64_t number)
{
    char text[128];
    int len = snprintf(text, sizeof text, "{\"state\":\"%s\",\"%s\":%llu}", state, number_name, (unsigned long long)number);
    return mailbox_new_mail(HAPPN_EV_STATE, 0, str_make(text, (size_t)len), STR_LIT("null"));
}

/* With the lock held: may this DATA come in? Says when dropping begins and when it is over. */
static bool admit(happn_mailbox *mailbox)
{
    struct mail *state = NULL;
    bool is_full = mailbox->data_count >= mailbox->high_water;
    bool fits = !is_full && mailbox->data_bytes < mailbox->high_water_bytes;
    if (!fits && mailbox->dropped++ == 0) {
        state = is_full ? state_mail("overflow", "highWater", mailbox->high_water) : state_mail("overflow", "highWaterBytes", mailbox->high_water_bytes);
    } else if (fits && mailbox->dropped != 0) {
        state = state_mail("overflow-ended", "dropped", mailbox->dropped);
        mailbox->dropped = 0;
    }
    if (state != NULL) {
        append(mailbox, state);
    }
    return fits;
}

void mailbox_post_data(happn_mailbox *mailbox, uint64_t ticket, struct str meta, struct str body)
{
    struct mail *mail = mailbox_new_mail(HAPPN_EV_DATA, ticket, meta, body);
    pthread_mutex_lock(&mailbox->lock);
    bool keep = !mailbox->is_closed && mail != NULL && admit(mailbox);
    if (keep) {
        append(mailbox, mail);
    }
    signal_waiting(mailbox);
    pthread_mutex_unlock(&mailbox->lock);
    if (!keep) {
        mailbox_drop_mail(mail);
    }
}

int happn_mailbox_take(happn_mailbox *mailbox, size_t max, happn_batch **out)
{
    if (mailbox == NULL || out == NULL) {
        return HAPPN_E_ARGUMENT;
    }
    *out = NULL;
    if (mailbox->owner != getpid()) {
        return HAPPN_E_FORK;
    }
    pthread_mutex_lock(&mailbox->lock);
    size_t count = mailbox->count < max ? mailbox->count : max;
    struct happn_batch *batch = count != 0 ? memory_alloc(NULL, sizeof *batch + count * sizeof(struct mail *)) : NULL;
    reset_signal(mailbox);
    if (batch != NULL) {
        batch->count = count;
        for (size_t i = 0; i < count; i++) {
            struct mail *mail = batch->mails[i] = mailbox->first;
            mailbox->first = mail->next;
            mailbox->data_count -= mail->event.kind == HAPPN_EV_DATA;
            mailbox->data_bytes -= data_bytes(mail);
        }
        mailbox->count -= count;
        if (mailbox->count == 0) {
            mailbox->last = &mailbox->first;
        }
    }
    signal_waiting(mailbox);
    pthread_mutex_unlock(&mailbox->lock);
    *out = batch;
    return count != 0 && batch == NULL ? HAPPN_E_MEMORY : HAPPN_OK;
}

size_t happn_batch_count(const happn_batch *batch)
{
    return batch != NULL ? batch->count : 0;
}

const happn_event *happn_batch_event(const happn_batch *batch, size_t index)
{
    return batch != NULL && index < batch->count ? &batch->mails[index]->event : NULL;
}

void happn_batch_free(happn_batch *batch)
{
    for (size_t i = 0; batch != NULL && i < batch->count; i++) {
        mailbox_drop_mail(batch->mails[i]);
    }
    memory_free(NULL, batch);
}

int happn_mailbox_fd(const happn_mailbox *mailbox)
{
    return mailbox != NULL ? mailbox->fd : HAPPN_E_ARGUMENT;
}

void happn_mailbox_wake(happn_mailbox *mailbox, happn_wake_fn wake, void *context)
{
    if (mailbox == NULL || mailbox->owner != getpid()) {
        return;
    }
    pthread_mutex_lock(&mailbox->lock);
    reset_signal(mailbox);
    mailbox->wake = wake;
    mailbox->wake_context = context;
    signal_waiting(mailbox); /* what has come before is not forgotten */
    pthread_mutex_unlock(&mailbox->lock);
}

happn_status mailbox_check(happn_mailbox *mailbox)
{
    if (mailbox == NULL) {
        return HAPPN_E_ARGUMENT;
    }
    return mailbox->owner == getpid() ? HAPPN_OK : HAPPN_E_FORK;
}

/* --- life */

/* Unchanged when it is not there. */
static happn_status read_mark(struct str options, const char *name, size_t *mark)
{
    struct str value = json_get(options, name);
    int64_t number = json_int(value, (int64_t)*mark);
    if ((str_is_set(value) && json_type_of(value) != JSON_NUMBER) || number < 1) {
        return HAPPN_E_ARGUMENT;
    }
    *mark = (size_t)number;
    return HAPPN_OK;
}

static happn_status read_options(happn_mailbox *mailbox, struct str options)
{
    mailbox->high_water = DEFAULT_HIGH_WATER;
    mailbox->high_water_bytes = DEFAULT_HIGH_WATER_BYTES;
    if (options.ptr == NULL) {
        return HAPPN_OK;
    }
    if (!utf8_is_valid(options) || json_check(options, NULL) != HAPPN_OK || json_type_of(options) != JSON_OBJECT) {
        return HAPPN_E_JSON;
    }
    happn_status status = read_mark(options, "highWater", &mailbox->high_water);
    return status == HAPPN_OK ? read_mark(options, "highWaterBytes", &mailbox->high_water_bytes) : status;
}

static void mailbox_free(happn_mailbox *mailbox)
{
    while (mailbox->first != NULL) {
        struct mail *mail = mailbox->first;
        mailbox->first = mail->next;
        mailbox_drop_mail(mail);
    }
    calls_fini(mailbox);
    idmap_fini(&mailbox->tickets);
    idmap_fini(&mailbox->hooks.pending);
    if (mailbox->fd >= 0) {
        close(mailbox->fd);
    }
    pthread_cond_destroy(&mailbox->shut);
    pthread_mutex_destroy(&mailbox->lock);
    memory_free(NULL, mailbox);
}

int happn_mailbox_open(happn_runtime *runtime, const char *options, size_t options_len, happn_mailbox **out)
{
    if (out == NULL) {
        return HAPPN_E_ARGUMENT;
    }
    *out = NULL;
    happn_mailbox *mailbox = memory_zalloc(NULL, sizeof *mailbox);
    if (mailbox == NULL) {
        return HAPPN_E_MEMORY;
    }
    mailbox->owner = getpid();
    mailbox->last = &mailbox->first;
    mailbox->calls_tail = &mailbox->calls;
    pthread_mutex_init(&mailbox->lock, NULL);
    pthread_cond_init(&mailbox->shut, NULL);
    idmap_init(&mailbox->tickets, NULL);
    idmap_init(&mailbox->hooks.pending, NULL);
    mailbox->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    happn_status status = mailbox->fd >= 0 ? read_options(mailbox, str_make(options, options_len)) : HAPPN_E_IO;
    mailbox->runtime = runtime;
    if (status == HAPPN_OK && runtime == NULL) {
        status = happn_runtime_open(HAPPN_RUNTIME_THREADED, &mailbox->runtime);
        mailbox->owns_runtime = status == HAPPN_OK;
    }
    if (status != HAPPN_OK) {
        mailbox_free(mailbox);
        return status;
    }
    *out = mailbox;
    return HAPPN_OK;
}

void mailbox_shut(happn_mailbox *mailbox)
{
    pthread_mutex_lock(&mailbox->lock);
    mailbox->is_shut = true;
    pthread_cond_signal(&mailbox->shut);
    pthread_mutex_unlock(&mailbox->lock);
}

void mailbox_leave(happn_mailbox *mailbox)
{
    if (--mailbox->open == 0 && mailbox->is_shutting) {
        mailbox_shut(mailbox);
    }
}

static void shut_on_loop(void *arg)
{
    calls_run(arg); /* what was accepted before is answered or closed too */
    calls_shut(arg);
}

/* Waits until the loop's thread has closed everything. When the loop itself is gone there is nothing left to wait for. */
static void wait_until_shut(happn_mailbox *mailbox)
{
    happn_status status;
    while ((status = happn_post(mailbox->runtime, shut_on_loop, mailbox)) == HAPPN_E_MEMORY) {
        usleep(1000);
    }
    pthread_mutex_lock(&mailbox->lock);
    while (status == HAPPN_OK && !mailbox->is_shut) {
        pthread_cond_wait(&mailbox->shut, &mailbox->lock);
    }
    pthread_mutex_unlock(&mailbox->lock);
}

void happn_mailbox_close(happn_mailbox *mailbox)
{
    if (mailbox_check(mailbox) != HAPPN_OK) {
        return; /* in a forked child all of it belongs to the parent */
    }
    pthread_mutex_lock(&mailbox->lock);
    mailbox->is_closed = true;
    mailbox->wake = NULL;
    pthread_mutex_unlock(&mailbox->lock);
    wait_until_shut(mailbox);
    if (mailbox->owns_runtime) {
        happn_runtime_close(mailbox->runtime);
    }
    mailbox_free(mailbox);
}
