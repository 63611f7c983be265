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
        if (vsnprintf(error->message, sizeof error->message, format, args) >= (int)sizeof error->message) {
            utf8_mend(error->message); /* it goes into frames, which must be UTF-8 */
        }
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
