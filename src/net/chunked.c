#include "net/chunked.h"

enum { MOST_DIGITS = 8, MOST_IGNORED = 8192 };

static int digit_of(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool may_be_ignored(struct chunked *self, char c)
{
    return ++self->ignored <= MOST_IGNORED && ((unsigned char)c >= ' ' || c == '\t') && c != 127;
}

static bool go_to(struct chunked *self, enum chunked_step step)
{
    self->step = step;
    return true;
}

static bool take_size(struct chunked *self, char c)
{
    int digit = digit_of(c);
    if (digit >= 0 && self->digits < MOST_DIGITS) {
        self->digits++;
        self->left = self->left * 16 + (unsigned)digit;
        return true;
    }
    if (digit >= 0 || self->digits == 0) {
        return false;
    }
    return c == ';' ? go_to(self, CHUNKED_EXTENSION) : c == '\r' && go_to(self, CHUNKED_SIZE_END);
}

/* A chunk of no bytes is the last one. */
static bool begin_data(struct chunked *self)
{
    self->digits = 0;
    return go_to(self, self->left != 0 ? CHUNKED_DATA : CHUNKED_LINE);
}

/* False: that character cannot stand there. */
static bool take_one(struct chunked *self, char c)
{
    switch (self->step) {
    case CHUNKED_SIZE:
        return take_size(self, c);
    case CHUNKED_EXTENSION:
        return c == '\r' ? go_to(self, CHUNKED_SIZE_END) : may_be_ignored(self, c);
    case CHUNKED_SIZE_END:
        return c == '\n' && begin_data(self);
    case CHUNKED_DATA_CR:
        return c == '\r' && go_to(self, CHUNKED_DATA_LF);
    case CHUNKED_DATA_LF:
        return c == '\n' && go_to(self, CHUNKED_SIZE);
    case CHUNKED_LINE:
        return c == '\r' ? go_to(self, CHUNKED_LAST_LF) : may_be_ignored(self, c) && go_to(self, CHUNKED_TRAILER);
    case CHUNKED_TRAILER:
        return c == '\r' ? go_to(self, CHUNKED_TRAILER_LF) : may_be_ignored(self, c);
    case CHUNKED_TRAILER_LF:
        return c == '\n' && go_to(self, CHUNKED_LINE);
    default:
        return c == '\n';
    }
}

static struct str take_data(struct chunked *self, struct str *in)
{
    size_t len = self->left < in->len ? (size_t)self->left : in->len;
    struct str part = str_make(in->ptr, len);
    *in = str_skip(*in, len);
    self->left -= len;
    self->step = self->left != 0 ? CHUNKED_DATA : CHUNKED_DATA_CR;
    return part;
}

enum chunked_found chunked_take(struct chunked *self, struct str *in, struct str *out)
{
    while (in->len != 0) {
        if (self->step == CHUNKED_DATA) {
            *out = take_data(self, in);
            return CHUNKED_PART;
        }
        bool is_last = self->step == CHUNKED_LAST_LF;
        if (!take_one(self, in->ptr[0])) {
            return CHUNKED_BROKEN;
        }
        *in = str_skip(*in, 1);
        if (is_last) {
            return CHUNKED_END;
        }
    }
    return CHUNKED_MORE;
}
