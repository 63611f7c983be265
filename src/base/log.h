/* Logging with levels and components, text or JSON lines, to standard error or a file. */
#ifndef HAPPN_BASE_LOG_H
#define HAPPN_BASE_LOG_H

#include "base/buf.h"
#include "base/memory.h"
#include "base/str.h"
#include "happn/status.h"

enum log_level { LOG_OFF, LOG_FATAL, LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG, LOG_TRACE };

struct log;

/* file NULL or empty: standard error. components: comma separated list, empty for all. */
happn_status log_open(enum log_level level, bool as_json, const char *file, const char *components, struct log **out,
                      happn_error *error);
void log_close(struct log *log);
bool log_wants(const struct log *log, enum log_level level);
/* log may be NULL: nothing is written. One line. */
void log_write(struct log *log, enum log_level level, const char *component, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* "off fatal error warn info debug trace all" -> level; -1 for other text. */
int log_level_of(struct str name);

#endif
