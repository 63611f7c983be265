#include "workshop/coverage.h"

static struct covered_file *find(const struct coverage *coverage, const char *name)
{
    struct covered_file *file = coverage->files;
    while (file != NULL && strcmp(file->name, name) != 0) {
        file = file->next;
    }
    return file;
}

static struct covered_file *find_or_add(struct coverage *coverage, const char *name)
{
    struct covered_file *file = find(coverage, name);
    if (file == NULL && (file = arena_alloc(coverage->arena, sizeof *file)) != NULL) {
        memset(file, 0, sizeof *file);
        file->name = arena_str(coverage->arena, str_of(name)).ptr;
        if (file->name == NULL) {
            return NULL;
        }
        file->next = coverage->files;
        coverage->files = file;
    }
    return file;
}

void coverage_note(void *arg, const char *name, int line)
{
    struct coverage *coverage = arg;
    struct covered_file *file = coverage->latest;
    if (file == NULL || strcmp(file->name, name) != 0) {
        file = find_or_add(coverage, name);
        coverage->latest = file;
    }
    if (file != NULL && line > 0 && line < COVERAGE_LINES) {
        file->lines[line / 8] |= (unsigned char)(1 << line % 8);
    }
}

bool coverage_has(const struct covered_file *file, int line)
{
    return file != NULL && line > 0 && line < COVERAGE_LINES && (file->lines[line / 8] >> line % 8 & 1) != 0;
}

const struct covered_file *coverage_find(const struct coverage *coverage, const char *name)
{
    return find(coverage, name);
}
