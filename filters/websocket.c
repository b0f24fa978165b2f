#include "websocket.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "sha1.h"

static const char GUID[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
enum { ACCEPT_LENGTH = 28, NO_CODE = 1005 };

static void base64(const unsigned char *from, size_t length, char *to) {
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < length; i += 3) {
        uint32_t group = (uint32_t)from[i] << 16;
        if (i + 1 < length)
            group |= (uint32_t)from[i + 1] << 8;
        if (i + 2 < length)
            group |= from[i + 2];
        *to++ = digits[group >> 18];
        *to++ = digits[group >> 12 & 63];
        *to++ = i + 1 < length ? digits[group >> 6 & 63] : '=';
        *to++ = i + 2 < length ? digits[group & 63] : '=';
    }
    *to = '\0';
}

void ws_key(const unsigned char nonce[WS_NONCE], char key[WS_KEY + 1]) {
    base64(nonce, WS_NONCE, key);
}

size_t ws_request(char *to, size_t room, text host, text path, const char *key) {
    int length = snprintf(to, room,
                          "GET %.*s HTTP/1.1\r\n"
                          "Host: %.*s\r\n"
                          "Upgrade: websocket\r\n"
                          "Connection: Upgrade\r\n"
                          "Sec-WebSocket-Key: %s\r\n"
                          "Sec-WebSocket-Version: 13\r\n\r\n",
                          (int)path.length, path.at, (int)host.length, host.at, key);
    return length > 0 && (size_t)length < room ? (size_t)length : 0;
}

static bool proves(text value, const char *key) {
    char proof[WS_KEY + sizeof GUID], accept[ACCEPT_LENGTH + 1];
    unsigned char digest[SHA1_BYTES];
    (void)snprintf(proof, sizeof proof, "%s%s", key, GUID);
    sha1(text_of(proof), digest);
    base64(digest, sizeof digest, accept);
    return text_equal(value, text_of(accept));
}

static text trimmed(text value) {
    while (value.length > 0 && (*value.at == ' ' || *value.at == '\t')) {
        value.at++;
        value.length--;
    }
    while (value.length > 0 && value.at[value.length - 1] == ' ')
        value.length--;
    return value;
}

/* The value of a header; empty if it is not there. */
static text header(text head, const char *name) {
    size_t name_length = strlen(name);
    const char *at = head.at, *end = head.at + head.length;
    while (at < end) {
        const char *line_end = memchr(at, '\r', (size_t)(end - at));
        if (line_end == NULL)
            line_end = end;
        if ((size_t)(line_end - at) > name_length && at[name_length] == ':' &&
            strncasecmp(at, name, name_length) == 0) {
            at += name_length + 1;
            return trimmed((text){at, (size_t)(line_end - at)});
        }
        at = line_end + 2;
    }
    return (text){"", 0};
}

ws_reply ws_read_reply(text came, const char *key, size_t *used, int *status) {
    const char *end = memmem(came.at, came.length, "\r\n\r\n", 4);
    *status = 0;
    if (end == NULL)
        return WS_INCOMPLETE;
    text head = {came.at, (size_t)(end - came.at) + 2};
    *used = head.length + 2;
    if (!text_starts(head, TEXT("HTTP/1.1 ")) || head.length < 13)
        return WS_REFUSED;
    *status = atoi(head.at + 9); /* stops at the space; the line ends with CR LF in any case */
    text upgrade = header(head, "upgrade");
    bool is_websocket = upgrade.length == 9 && strncasecmp(upgrade.at, "websocket", 9) == 0;
    if (*status != 101 || !is_websocket || !proves(header(head, "sec-websocket-accept"), key))
        return WS_REFUSED;
    return WS_ACCEPTED;
}

size_t ws_write(unsigned char *to, enum ws_opcode opcode, const void *payload, size_t length,
                const unsigned char mask[4]) {
    unsigned char *at = to;
    int size_bytes = length < 126 ? 0 : length <= 0xffff ? 2 : 8;
    *at++ = (unsigned char)(0x80 | opcode);
    *at++ = (unsigned char)(0x80 | (size_bytes == 0 ? length : size_bytes == 2 ? 126 : 127));
    for (int i = size_bytes - 1; i >= 0; i--)
        *at++ = (unsigned char)((uint64_t)length >> (8 * i));
    memcpy(at, mask, 4);
    at += 4;
    for (size_t i = 0; i < length; i++)
        *at++ = ((const unsigned char *)payload)[i] ^ mask[i & 3];
    return (size_t)(at - to);
}

ws_seen ws_read(text came, ws_frame *frame) {
    const unsigned char *at = (const unsigned char *)came.at;
    if (came.length < 2)
        return WS_MORE;
    uint64_t length = at[1] & 0x7f;
    size_t size_bytes = length == 126 ? 2 : length == 127 ? 8 : 0;
    /* Reserved bits speak of an extension, a mask of a confused server: nothing to go on with. */
    if ((at[0] & 0x70) != 0 || (at[1] & 0x80) != 0)
        return WS_BROKEN;
    if (came.length < 2 + size_bytes)
        return WS_MORE;
    for (size_t i = 0; i < size_bytes; i++)
        length = (i == 0 ? 0 : length << 8) | at[2 + i];
    frame->opcode = at[0] & 0x0f;
    frame->length = length;
    frame->head_bytes = 2 + size_bytes;
    frame->payload = (text){came.at + frame->head_bytes, 0};
    if (frame->opcode < WS_CLOSE)
        return WS_FRAME;
    if (length > WS_LARGEST_CONTROL || (at[0] & 0x80) == 0)
        return WS_BROKEN;
    frame->payload.length = (size_t)length;
    return came.length < frame->head_bytes + length ? WS_MORE : WS_FRAME;
}

int ws_close_code(const ws_frame *frame) {
    if (frame->payload.length < 2)
        return NO_CODE;
    return (unsigned char)frame->payload.at[0] << 8 | (unsigned char)frame->payload.at[1];
}
