/* Status codes and errors of every happn function. 0 is success, below 0 is failure. */
#ifndef HAPPN_STATUS_H
#define HAPPN_STATUS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(SWIG)
#define HAPPN_API
#define HAPPN_MUST_USE
#elif defined(__GNUC__)
#define HAPPN_API __attribute__((visibility("default")))
#define HAPPN_MUST_USE __attribute__((warn_unused_result))
#else
#define HAPPN_API
#define HAPPN_MUST_USE
#endif

typedef enum happn_status {
#define X(symbol, code, name, text) HAPPN_##symbol = (code),
#include "happn/status.def"
#undef X
} happn_status;

/* Returns the English sentence for `status`; static, never NULL. */
HAPPN_API const char *happn_status_text(happn_status status);

/* Returns the name that clients see in `_meta.error.name`, such as "BadPath"; static, never NULL. */
HAPPN_API const char *happn_status_name(happn_status status);

/* Detail of a failure for people. Fixed size: filling it never allocates. */
typedef struct happn_error {
    happn_status status;
    int32_t code;       /* the original's code (401, 403, 500, ...), 0 when there is none */
    char name[48];      /* empty: happn_status_name(status) */
    char message[464];  /* UTF-8, NUL terminated */
} happn_error;

#ifdef __cplusplus
}
#endif
#endif
