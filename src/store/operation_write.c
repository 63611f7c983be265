/* Writing one document: read what is there, make what shall be there, store it. All of it happens on the shelf's
 * thread, so nothing comes between. */

#include "store/operation.h"

#include "base/error.h"
#include "json/merge.h"
#include "json/splice.h"
#include "json/write.h"

enum { MAX_DOCUMENT = 256u << 20 };

/* Refuses when somebody was faster, and says what is there now. */
static happn_status check_rev(struct store_op *op, const struct document *before)
{
    int64_t rev = str_is_set(before->path) ? before->rev : 0;
    if (!op->has_if_rev || op->if_rev == rev) {
        return HAPPN_OK;
    }
    op->document = (struct document){.rev = rev};
    if (rev == 0) {
        return error_set(&op->error, HAPPN_E_CONFLICT, "somebody was faster: nothing is at this path any more, ifRev was %lld",
                         (long long)op->if_rev);
    }
    return error_set(&op->error, HAPPN_E_CONFLICT, "somebody was faster: the document has rev %lld, ifRev was %lld",
                     (long long)rev, (long long)op->if_rev);
}

/* Ends a text that was built: into the arena, or an error. */
static happn_status finish_text(struct store_op *op, struct arena *out, struct buf *text, struct str *data)
{
    happn_status status = text->status;
    if (status == HAPPN_OK) {
        *data = arena_take(out, text);
    }
    buf_fini(text);
    if (status == HAPPN_E_LIMIT) {
        return error_set(&op->error, status, "the document would be longer than %u bytes", MAX_DOCUMENT);
    }
    return status != HAPPN_OK || data->ptr == NULL ? operation_no_memory(op) : HAPPN_OK;
}

static happn_status merged(struct store_op *op, struct arena *out, struct str before, struct str *data)
{
    struct buf text;
    buf_init(&text, out->allocator, MAX_DOCUMENT);
    json_merge(&text, before, op->data);
    return finish_text(op, out, &text, data);
}

/* The sum as JSON text. Whole numbers stay whole as long as a double holds them. */
static happn_status sum(struct store_op *op, struct arena *out, struct str before)
{
    double value = json_number(before, 0) + json_number(op->by, 0);
    if (value - value != 0) {
        return error_set(&op->error, HAPPN_E_NUMBER, "the counter %.*s would be out of range", (int)op->field.len,
                         op->field.ptr);
    }
    struct buf text;
    buf_init(&text, out->allocator, 64);
    json_add_number(&text, value);
    return finish_text(op, out, &text, &op->number);
}

/* {"name":{"value":n}} beside whatever else the document has. */
static happn_status incremented(struct store_op *op, struct arena *out, struct str before, struct str *data)
{
    struct str counter = STR_NONE;
    for (struct json_iter it = json_iter(before); json_next(&it);) {
        counter = json_text_is(it.key, op->field) ? it.value : counter;
    }
    struct str value = json_type_of(counter) == JSON_OBJECT ? json_get(counter, "value") : STR_NONE;
    if (str_is_set(counter) && json_type_of(value) != JSON_NUMBER) {
        return error_set(&op->error, HAPPN_E_REFUSED, "%.*s is not a counter: it must look like {\"value\":1}",
                         (int)op->field.len, op->field.ptr);
    }
    happn_status status = sum(op, out, value);
    if (status != HAPPN_OK) {
        return status;
    }
    struct buf member, text;
    buf_init(&member, out->allocator, 128);
    buf_init(&text, out->allocator, MAX_DOCUMENT);
    buf_add_lit(&member, "{\"value\":");
    buf_add_str(&member, op->number);
    buf_add_char(&member, '}');
    json_splice(&text, before, op->field, buf_str(&member));
    buf_fini(&member);
    return finish_text(op, out, &text, data);
}

/* The original's wrapper around a snapshot. */
static happn_status snapshot(struct store_op *op, struct arena *out, const struct document *before, struct str *data)
{
    struct buf text;
    buf_init(&text, out->allocator, MAX_DOCUMENT);
    buf_add_lit(&text, "{\"data\":");
    buf_add_str(&text, before->data);
    buf_add_format(&text, ",\"created\":%lld,\"modified\":%lld,\"_id\":", (long long)before->created,
                   (long long)before->modified);
    json_add_string(&text, before->path);
    buf_add_char(&text, '}');
    return finish_text(op, out, &text, data);
}

static happn_status store(struct shelf *shelf, struct store_op *op, const struct document *document)
{
    op->document = *document;
    op->document.rev = shelf->rev + 1;
    happn_status status = shelf->ops->write(shelf, &op->document, &op->error);
    if (status == HAPPN_OK) {
        shelf->rev++;
    }
    return status;
}

static happn_status tag(struct shelf *shelf, struct store_op *op, struct arena *out, const struct document *before)
{
    if (!str_is_set(before->path)) {
        return error_set(&op->error, HAPPN_E_NOT_FOUND, "there is nothing to tag at %.*s",
                         (int)(op->path.len < 300 ? op->path.len : 300), op->path.ptr);
    }
    struct document document = {.path = op->target, .created = op->now, .modified = op->now, .modified_by = op->modified_by,
                                .tag = op->tag};
    happn_status status = snapshot(op, out, before, &document.data);
    op->was_created = true;
    return status == HAPPN_OK ? store(shelf, op, &document) : status;
}

static happn_status restore(struct shelf *shelf, struct store_op *op)
{
    struct document document = op->restored;
    document.path = op->path;
    document.data = op->data;
    return store(shelf, op, &document);
}

static happn_status new_data(struct store_op *op, struct arena *out, const struct document *before, struct str *data)
{
    if (op->kind == STORE_INCREMENT) {
        return incremented(op, out, str_is_set(before->path) ? before->data : STR_LIT("{}"), data);
    }
    if (op->kind == STORE_MERGE && str_is_set(before->path)) {
        return merged(op, out, before->data, data);
    }
    *data = op->data;
    return HAPPN_OK;
}

happn_status operation_write(struct shelf *shelf, struct store_op *op, struct arena *out)
{
    struct document before;
    bool bare = op->kind == STORE_SET || op->kind == STORE_RESTORE;
    happn_status status = shelf->ops->read(shelf, op->path, bare, &before, &op->error);
    if (status == HAPPN_OK) {
        status = check_rev(op, &before);
    }
    if (status == HAPPN_OK && !bare && str_is_set(before.path)) {
        status = operation_check(op, &before);
    }
    if (status != HAPPN_OK) {
        return status;
    }
    op->was_created = !str_is_set(before.path);
    if (op->kind == STORE_TAG) {
        return tag(shelf, op, out, &before);
    }
    if (op->kind == STORE_RESTORE) {
        return restore(shelf, op);
    }
    struct document document = {.path = op->path,
                                .created = op->was_created ? op->now : before.created,
                                .modified = op->now,
                                .modified_by = op->modified_by};
    status = new_data(op, out, &before, &document.data);
    return status == HAPPN_OK ? store(shelf, op, &document) : status;
}
