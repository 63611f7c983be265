/* Stands in for src/base/version.c where that is not in the tree yet. */
#include "happn/version.h"

const char *happn_version(void)
{
    return HAPPN_VERSION;
}
