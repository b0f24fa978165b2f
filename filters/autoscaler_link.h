/* The durable connection to the autoscaler: a websocket that comes back.
 *
 *     DOWN --time to try--> CONNECTING --connected--> UPGRADING --101--> UP
 *     any --refused, broken, silent for too long--> DOWN, waiting longer each time
 *     UP --closed by the peer, broken--> DOWN, trying again at once
 *
 * Never blocks but for the resolver, if the autoscaler has a name. Nothing is queued while it is
 * down: who uses it sends anew what still counts once `link_ups` has grown. Owned by one thread.
 */
#ifndef REMIXER_AUTOSCALER_LINK_H
#define REMIXER_AUTOSCALER_LINK_H

#include "endpoint.h"
#include "websocket.h"

typedef enum link_stage { LINK_DOWN, LINK_CONNECTING, LINK_UPGRADING, LINK_UP } link_stage;

enum { LONGEST_PATH = 255 };

typedef struct autoscaler_url {
    endpoint at;
    char host[LONGEST_ENDPOINT + 1]; /* as the header wants it */
    char path[LONGEST_PATH + 1];
} autoscaler_url;

typedef struct autoscaler_link {
    const autoscaler_url *url;
    link_stage stage;
    int socket; /* -1 if there is none */
    int tries;  /* in vain, since it was last up */
    uint64_t ups;
    int64_t due_us; /* DOWN: when to try; else: when to give up unless the peer answers */
    int64_t ping_us;
    char key[WS_KEY + 1];
    char cause[96]; /* of the last failure, told once */
    unsigned char *in, *out;
    size_t in_length, out_length;
    uint64_t skip; /* bytes of a message that nobody reads */
} autoscaler_link;

/* False if there is no memory. */
bool link_open(autoscaler_link *link, const autoscaler_url *url);
void link_close(autoscaler_link *link);
/* Does what can be done now. `is_ready`: the socket has something. */
void link_step(autoscaler_link *link, int64_t now_us, bool is_ready);
/* What to wait for, of poll(2). */
short link_events(const autoscaler_link *link);
/* When `link_step` must be called at the latest. */
int64_t link_due_us(const autoscaler_link *link);
/* One binary message. False if it is not up, or its peer does not read. */
bool link_send(autoscaler_link *link, int64_t now_us, const void *payload, size_t length);

/* `ws://host[:port][/path]`; false if it is none. */
bool autoscaler_url_read(text value, autoscaler_url *to);

#endif
