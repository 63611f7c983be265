#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

happn_status error_set(happn_error *error, happn_status status, const char *format, ...)
{
    if (error != NULL) {
        memset(error, 0, sizeof *error);
        error->status = status;
        va_list args;
        va_start(args, format);
        vsnprintf(error->message, sizeof error->message, format, args);
        va_end(args);
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
