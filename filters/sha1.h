/* SHA-1 of a short text: the websocket handshake proves with it that the peer speaks websocket. */
#ifndef REMIXER_SHA1_H
#define REMIXER_SHA1_H

#include "text.h"

enum { SHA1_BYTES = 20, SHA1_LONGEST = 119 };

/* `message` of at most SHA1_LONGEST bytes. */
void sha1(text message, unsigned char digest[SHA1_BYTES]);

#endif
