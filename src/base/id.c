#include "base/id.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

void id_random(void *bytes, size_t len)
{
    char *at = bytes;
    while (len != 0) {
        ssize_t got = getrandom(at, len, 0);
        if (got < 0) {
            continue; /* only EINTR can happen here, and only before the pool is ready */
        }
        at += got;
        len -= (size_t)got;
    }
}

void id_uuid(char out[37])
{
    unsigned char b[16];
    id_random(b, sizeof b);
    b[6] = (unsigned char)((b[6] & 0x0f) | 0x40);
    b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
    snprintf(out, 37, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1], b[2],
             b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]);
}

void id_short(char out[23])
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    unsigned char b[22];
    id_random(b, sizeof b);
    for (size_t i = 0; i < sizeof b; i++) {
        out[i] = alphabet[b[i] & 63];
    }
    out[22] = '\0';
}
