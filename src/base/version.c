/* Which happn this is. */
#include "happn/version.h"

const char *happn_version(void)
{
    return HAPPN_VERSION;
}
