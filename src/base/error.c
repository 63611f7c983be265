#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"

happn_status error_set(happn_error *error, happn_status status, const char *format, ...)
{
    if (error != NULL) {
        memset(error, 0, sizeof *error);
        error->status = status;
        va_list args;
        va_start(args, format);
        vsnprintf(error->message, sizeof error->message, format, args);
        va_end(args);
        utf8_mend(error->message); /* texts in it may have been cut, and it goes into frames, which must be UTF-8 */
    }
    return status;
}

const char *happn_status_text(happn_status status)
{
    switch (status) {
#define X(symbol, code, name, text) \
    case HAPPN_##symbol:            \
        return text;
#include "happn/status.def"
#undef X
    }
    return "unknown status";
}

const char *happn_status_name(happn_status status)
{
    switch (status) {
#define X(symbol, code, name, text) \
    case HAPPN_##symbol:            \
        return name;
#include "happn/status.def"
#undef X
    }
    return "Unknown";
}
