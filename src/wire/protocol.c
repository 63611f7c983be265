#include "wire/protocol.h"

const struct protocol *protocol_find(struct str name)
{
    struct str head = STR_LIT("happn_");
    if (!str_is_set(name) || !str_starts(name, head)) {
        return &protocol_1;
    }
    struct str digits = str_skip(name, head.len);
    int number = 0;
    for (size_t i = 0; i < digits.len && digits.ptr[i] >= '0' && digits.ptr[i] <= '9' && number < 1000; i++) {
        number = number * 10 + (digits.ptr[i] - '0');
    }
    switch (number) {
    case 0:
    case 1:
        return &protocol_1;
    case 2:
        return &protocol_2;
    case 3:
        return &protocol_3;
    default:
        return &protocol_4;
    }
}
