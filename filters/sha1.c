/* Source: FIPS 180-4, section 6.1. */
#include "sha1.h"

enum { BLOCK = 64 };

static uint32_t rotate(uint32_t value, unsigned by) { return value << by | value >> (32 - by); }

static uint32_t big_endian(const unsigned char *at) {
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static void put_big_endian(unsigned char *to, uint32_t value) {
    for (int i = 3; i >= 0; i--, value >>= 8)
        to[i] = (unsigned char)value;
}

static uint32_t mix(int round, uint32_t b, uint32_t c, uint32_t d) {
    if (round < 20)
        return ((b & c) | (~b & d)) + 0x5a827999;
    if (round < 40)
        return (b ^ c ^ d) + 0x6ed9eba1;
    if (round < 60)
        return ((b & c) | (b & d) | (c & d)) + 0x8f1bbcdc;
    return (b ^ c ^ d) + 0xca62c1d6;
}

static void add_block(uint32_t state[5], const unsigned char *block) {
    uint32_t w[80], a = state[0], b = state[1], c = state[2], d = state[3], e = state[4];
    for (int i = 0; i < 16; i++)
        w[i] = big_endian(block + 4 * i);
    for (int i = 16; i < 80; i++)
        w[i] = rotate(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
    for (int i = 0; i < 80; i++) {
        uint32_t next = rotate(a, 5) + mix(i, b, c, d) + e + w[i];
        e = d;
        d = c;
        c = rotate(b, 30);
        b = a;
        a = next;
    }
    state[0] += a;
    state[1] += b;
    state[2] += c;
    state[3] += d;
    state[4] += e;
}

void sha1(text message, unsigned char digest[SHA1_BYTES]) {
    uint32_t state[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
    unsigned char padded[2 * BLOCK] = {0};
    size_t blocks = message.length + 9 > BLOCK ? 2 : 1;
    memcpy(padded, message.at, message.length);
    padded[message.length] = 0x80;
    put_big_endian(padded + blocks * BLOCK - 4, (uint32_t)message.length * 8);
    for (size_t i = 0; i < blocks; i++)
        add_block(state, padded + i * BLOCK);
    for (int i = 0; i < 5; i++)
        put_big_endian(digest + 4 * i, state[i]);
}
