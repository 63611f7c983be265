#include "workshop/notes.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static bool is_known(const struct notes *notes, const char *file, int line, const char *text)
{
    for (const struct note *note = notes->first; note != NULL; note = note->next) {
        if (note->finding.line == line && strcmp(note->finding.file, file) == 0 && strcmp(note->finding.text, text) == 0) {
            return true;
        }
    }
    return false;
}

bool notes_mention(const struct notes *notes, const char *file, int line, const char *text)
{
    for (const struct note *note = notes->first; note != NULL; note = note->next) {
        if (note->finding.line == line && strcmp(note->finding.file, file) == 0 && strstr(note->finding.text, text) != NULL) {
            return true;
        }
    }
    return false;
}

void notes_add(struct notes *notes, const char *file, int line, bool is_warning, const char *format, ...)
{
    char text[600];
    va_list args;
    if (notes->count == NOTES_MOST) {
        return;
    }
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (is_known(notes, file, line, text)) {
        return;
    }
    struct note *note = arena_alloc(notes->arena, sizeof *note);
    const char *file_copy = arena_str(notes->arena, str_of(file)).ptr, *copy = arena_str(notes->arena, str_of(text)).ptr;
    if (note == NULL || copy == NULL || file_copy == NULL) {
        notes->is_full = true;
        return;
    }
    *note = (struct note){notes->first, {file_copy, line, is_warning, copy}};
    notes->first = note;
    notes->count++;
}

void notes_add_error(struct notes *notes, const char *file, const char *text)
{
    char name[256];
    int line = 0;
    const char *end = strstr(text, ".lua:");
    size_t len = end != NULL ? (size_t)(end - text) + 4 : 0;
    if (end == NULL || len >= sizeof name || strcspn(text, " \n") < len) {
        notes_add(notes, file, 0, false, "%s", text);
        return;
    }
    snprintf(name, sizeof name, "%.*s", (int)len, text);
    text += len + 1;
    if (isdigit((unsigned char)*text)) {
        line = (int)strtol(text, (char **)&text, 10);
        text += *text == ':';
    }
    notes_add(notes, name, line, false, "%s", text + strspn(text, " "));
}

static int compare(const void *a, const void *b)
{
    const happn_finding *x = *(const happn_finding *const *)a, *y = *(const happn_finding *const *)b;
    int order = strcmp(x->file, y->file);
    order = order != 0 ? order : (x->line > y->line) - (x->line < y->line);
    return order != 0 ? order : strcmp(x->text, y->text);
}

bool notes_tell(const struct notes *notes, void (*found)(const happn_finding *finding, void *arg), void *arg)
{
    const happn_finding **all = arena_alloc(notes->arena, (notes->count + 1) * sizeof *all);
    size_t count = 0;
    for (const struct note *note = notes->first; all != NULL && note != NULL; note = note->next) {
        all[count++] = &note->finding;
    }
    if (all == NULL || notes->is_full) {
        return false;
    }
    qsort(all, count, sizeof *all, compare);
    for (size_t i = 0; i < count; i++) {
        found(all[i], arg);
    }
    return true;
}
