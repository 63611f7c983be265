#include "paths/path.h"

#include <ctype.h>

static bool is_allowed(unsigned char c)
{
    if (c >= 0x80) {
        return false;
    }
    return isalnum(c) || isspace(c) || (c != 0 && strchr("@./_*-()+=&:%{}", c) != NULL);
}

static happn_status check_characters(struct str path, happn_error *error)
{
    for (size_t i = 0; i < path.len; i++) {
        if (!is_allowed((unsigned char)path.ptr[i])) {
            return error_set(error, HAPPN_E_PATH,
                             "Bad path, can only contain characters a-z A-Z 0-9 / & + = : @ %% * ( ) _ -, ie: "
                             "factory1@I&J(western-cape)/plant1:conveyer_2/stats=true/capacity=10%%/*");
        }
    }
    return HAPPN_OK;
}

happn_status path_check(struct str path, enum path_use use, happn_error *error)
{
    if (path.len > PATH_MAX_LENGTH) {
        return error_set(error, HAPPN_E_PATH, "Bad path, longer than %d bytes", PATH_MAX_LENGTH);
    }
    if (use == PATH_FOR_GET) {
        return HAPPN_OK; /* a bad path just finds nothing */
    }
    if (path.len == 0) {
        return error_set(error, HAPPN_E_PATH, "Bad path, must not be empty");
    }
    if (use == PATH_FOR_SET && path_has_wildcard(path)) {
        return error_set(error, HAPPN_E_PATH,
                         "Bad path, if the action is 'set' the path cannot contain the * wildcard character");
    }
    return check_characters(path, error);
}

bool path_is_system(struct str path)
{
    struct str system = STR_LIT("_SYSTEM");
    if (str_starts(path, STR_LIT("/"))) {
        path = str_skip(path, 1);
    }
    return str_starts(path, system) && (path.len == system.len || path.ptr[system.len] == '/');
}
