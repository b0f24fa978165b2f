#include "stat_message.h"

#include <math.h>

enum wire { VARINT = 0, FIXED64 = 1, BYTES = 2 };
enum { STAT_MOST = LONGEST_POD_NAME + 32 };

static unsigned char *put_varint(unsigned char *to, uint64_t value) {
    for (; value > 0x7f; value >>= 7)
        *to++ = (unsigned char)(value | 0x80);
    *to++ = (unsigned char)value;
    return to;
}

static unsigned char *put_bytes(unsigned char *to, unsigned field, const void *at, size_t length) {
    if (length == 0)
        return to;
    *to++ = (unsigned char)(field << 3 | BYTES);
    to = put_varint(to, length);
    memcpy(to, at, length);
    return to + length;
}

/* Zero is left out, as proto3 does; what is not finite would poison the autoscaler's window. */
static unsigned char *put_double(unsigned char *to, unsigned field, double value) {
    uint64_t bits;
    if (!isfinite(value) || value <= 0)
        return to;
    memcpy(&bits, &value, sizeof bits);
    *to++ = (unsigned char)(field << 3 | FIXED64);
    for (int i = 0; i < 8; i++, bits >>= 8)
        *to++ = (unsigned char)bits;
    return to;
}

size_t stat_write(unsigned char *to, const stat *value) {
    unsigned char inner[STAT_MOST], message[LONGEST_STAT];
    unsigned char *end = put_bytes(inner, 1, value->pod_name.at, value->pod_name.length);
    end = put_double(end, 2, value->concurrency);
    end = put_double(end, 4, value->requests);
    size_t inner_length = (size_t)(end - inner);

    end = put_bytes(message, 1, value->namespace_.at, value->namespace_.length);
    end = put_bytes(end, 2, value->name.at, value->name.length);
    /* Even an empty stat is written: a message without one is skipped by the autoscaler. */
    *end++ = 3 << 3 | BYTES;
    end = put_varint(end, inner_length);
    memcpy(end, inner, inner_length);
    end += inner_length;
    return (size_t)(put_bytes(to, 1, message, (size_t)(end - message)) - to);
}
