#include "script/library.h"

/* Made by cmake/library.cmake from lua/happn/. */
struct library_file {
    const char *name;
    const char *text;
    size_t len;
};
extern const struct library_file library_files[];
extern const size_t library_count;

bool library_find(const char *file, struct str *out)
{
    if (!str_starts(str_of(file), STR_LIT("happn/"))) {
        return false;
    }
    for (size_t i = 0; i < library_count; i++) {
        if (strcmp(library_files[i].name, file) == 0) {
            *out = str_make(library_files[i].text, library_files[i].len);
            return true;
        }
    }
    return false;
}

const char *library_name(size_t index)
{
    return index < library_count ? library_files[index].name : NULL;
}
