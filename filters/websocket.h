/* The client's side of RFC 6455, as far as sending binary messages needs it. Pure.
 *
 * Nothing is offered (no extension, no subprotocol, no Origin: the autoscaler refuses one that is
 * not its host). What the server sends is only skipped, pings, pongs and closes excepted.
 */
#ifndef REMIXER_WEBSOCKET_H
#define REMIXER_WEBSOCKET_H

#include "text.h"

enum {
    WS_NONCE = 16,
    WS_KEY = 24, /* the nonce in base64 */
    WS_LONGEST_REQUEST = 1024,
    WS_LARGEST_HEADER = 14,
    WS_LARGEST_CONTROL = 125
};
enum ws_opcode { WS_TEXT = 1, WS_BINARY = 2, WS_CLOSE = 8, WS_PING = 9, WS_PONG = 10 };
enum { WS_RESTARTING = 1012 };

void ws_key(const unsigned char nonce[WS_NONCE], char key[WS_KEY + 1]);
/* The opening request; 0 if it would not fit. */
size_t ws_request(char *to, size_t room, text host, text path, const char *key);

typedef enum ws_reply { WS_INCOMPLETE, WS_ACCEPTED, WS_REFUSED } ws_reply;
/* Judges what came so far; `*used` is where frames begin, `*status` the answer's status. */
ws_reply ws_read_reply(text came, const char *key, size_t *used, int *status);

/* Writes a frame, masked as clients must; `to` has room for WS_LARGEST_HEADER more. */
size_t ws_write(unsigned char *to, enum ws_opcode opcode, const void *payload, size_t length,
                const unsigned char mask[4]);

typedef struct ws_frame {
    int opcode;
    text payload;      /* of a control frame; of others what has come of it is not kept */
    uint64_t length;   /* of the whole payload */
    size_t head_bytes; /* before the payload */
} ws_frame;

typedef enum ws_seen { WS_MORE, WS_FRAME, WS_BROKEN } ws_seen;
/* The next frame: a control frame whole, of another only its head. */
ws_seen ws_read(text came, ws_frame *frame);
/* The code of a close frame; 1005 if it has none. */
int ws_close_code(const ws_frame *frame);

#endif
