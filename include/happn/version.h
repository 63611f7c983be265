/* Version of the library. */
#ifndef HAPPN_VERSION_H
#define HAPPN_VERSION_H

#include "happn/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Returns the version of the running library, such as "0.1.0"; static. */
HAPPN_API const char *happn_version(void);

#ifdef __cplusplus
}
#endif
#endif
