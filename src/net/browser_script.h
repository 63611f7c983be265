/* The client for browsers, bindings/browser, as one script. The build makes it. */
#ifndef HAPPN_NET_BROWSER_SCRIPT_H
#define HAPPN_NET_BROWSER_SCRIPT_H

#include <stddef.h>

extern const char browser_script[];
extern const size_t browser_script_len;

#endif
