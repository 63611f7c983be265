/* Hexadecimal digits. */
#ifndef HAPPN_BASE_HEX_H
#define HAPPN_BASE_HEX_H

#include <stddef.h>

/* The value of a digit in either case; -1: it is none. */
int hex_value(char c);
/* Two digits a byte, in lower case, and a NUL: 2 * len + 1 bytes. */
void hex_write(char *out, const unsigned char *bytes, size_t len);

#endif
