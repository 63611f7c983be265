#include "script/errors.h"

#include <stdio.h>

#include "base/id.h"

enum { QUIET_MS = 60000 };

/* The place's entry; a new one takes the oldest. */
static struct error_place *find_place(struct errors *errors, const char *source, int line)
{
    struct error_place *oldest = &errors->places[0];
    for (size_t i = 0; i < ERRORS_PLACES; i++) {
        struct error_place *place = &errors->places[i];
        if (place->logged_at != 0 && place->line == line && strcmp(place->source, source) == 0) {
            return place;
        }
        if (place->logged_at < oldest->logged_at) {
            oldest = place;
        }
    }
    *oldest = (struct error_place){.line = line};
    snprintf(oldest->source, sizeof oldest->source, "%s", source);
    return oldest;
}

static void write_line(struct core *core, const struct error_report *report, const char *id, unsigned since)
{
    char more[64] = "";
    if (since != 0) {
        snprintf(more, sizeof more, " (and %u more in the last minutes)", since);
    }
    log_write(core->log, LOG_ERROR, "script", "script error id=%s script=%s line=%d hook=%s action=%.*s path=%.*s%s: %s", id,
              report->script, report->line, report->hook, (int)report->action.len, report->action.ptr != NULL ? report->action.ptr : "",
              (int)(report->path.len > 200 ? 200 : report->path.len), report->path.ptr != NULL ? report->path.ptr : "", more, report->text);
}

void errors_report(struct errors *errors, struct core *core, const struct error_report *report, char id[ERROR_ID_SIZE])
{
    char random[23];
    id_short(random);
    memcpy(id, random, ERROR_ID_SIZE - 1);
    id[ERROR_ID_SIZE - 1] = '\0';
    struct error_place *place = find_place(errors, report->source[0] != '\0' ? report->source : report->script, report->line);
    int64_t now = loop_now_ms(core->loop);
    if (place->logged_at != 0 && now - place->logged_at < QUIET_MS) {
        place->since++;
        return;
    }
    write_line(core, report, id, place->since);
    place->logged_at = now;
    place->since = 0;
}
