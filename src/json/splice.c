#include "json/splice.h"

#include "json/write.h"

void json_splice(struct buf *out, struct str object, struct str name, struct str value)
{
    bool has_members = false, done = !str_is_set(value);
    buf_add_char(out, '{');
    struct json_iter it = json_iter(object);
    while (json_next(&it)) {
        bool same = json_text_is(it.key, name);
        if (same && done) {
            continue; /* removed, or a doubled name that was written already */
        }
        buf_add_text(out, has_members ? ",\"" : "\"");
        buf_add_str(out, it.key);
        buf_add_lit(out, "\":");
        buf_add_str(out, same ? value : it.value);
        has_members = true;
        done = done || same;
    }
    if (!done) {
        buf_add_text(out, has_members ? "," : "");
        json_add_string(out, name);
        buf_add_char(out, ':');
        buf_add_str(out, value);
    }
    buf_add_char(out, '}');
}
