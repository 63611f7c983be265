/* Frames of a WebSocket as clients send them: a head, a mask, and the masked text. */
#ifndef HAPPN_CLIENT_FRAME_H
#define HAPPN_CLIENT_FRAME_H

#include "base/buf.h"

enum frame_kind { FRAME_TEXT = 1, FRAME_CLOSE = 8 };

/* Random bytes, drawn many at once and used four at a time. Zero at first. */
struct frame_masks {
    unsigned char bytes[256];
    size_t used;
};

/* Puts a whole message, or a close, behind what `out` has. E_BUSY: that may not grow so far; E_MEMORY. Neither changes anything. */
happn_status frame_add(struct buf *out, struct frame_masks *masks, enum frame_kind kind, struct str text);

#endif
