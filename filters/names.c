#include "names.h"

#include <stdlib.h>

#include "clock.h"

enum { FIRST_ROOM = 64 };

static name *slot_of(const names *in, text key) {
    size_t at = (size_t)text_hash(key, in->seed) & (in->room - 1);
    while (in->slots[at].text != NULL &&
           !text_equal((text){in->slots[at].text, in->slots[at].length}, key))
        at = (at + 1) & (in->room - 1);
    return &in->slots[at];
}

static bool grow(names *in) {
    names larger = {.room = in->room == 0 ? FIRST_ROOM : in->room * 2, .seed = in->seed};
    if (in->room == 0)
        random_bytes(&larger.seed, sizeof larger.seed);
    larger.slots = calloc(larger.room, sizeof *larger.slots);
    if (larger.slots == NULL)
        return false;
    for (size_t i = 0; i < in->room; i++)
        if (in->slots[i].text != NULL)
            *slot_of(&larger, (text){in->slots[i].text, in->slots[i].length}) = in->slots[i];
    larger.count = in->count;
    free(in->slots);
    *in = larger;
    return true;
}

static char *copied(text value) {
    char *copy = malloc(value.length + 1);
    if (copy != NULL) {
        memcpy(copy, value.at, value.length);
        copy[value.length] = '\0';
    }
    return copy;
}

bool names_put(names *in, text key, text meaning) {
    /* Half full at most: searches for what is not there end soon. */
    if (in->count * 2 >= in->room && !grow(in))
        return false;
    name *slot = slot_of(in, key);
    char *means = copied(meaning);
    char *spelled = slot->text == NULL ? copied(key) : slot->text;
    if (means == NULL || spelled == NULL) {
        free(means);
        if (spelled != slot->text)
            free(spelled);
        return false;
    }
    in->count += slot->text == NULL;
    free(slot->meaning);
    *slot = (name){spelled, key.length, means};
    return true;
}

const char *names_find(const names *in, text key) {
    return in->room == 0 ? NULL : slot_of(in, key)->meaning;
}

void names_free(names *in) {
    for (size_t i = 0; i < in->room; i++) {
        free(in->slots[i].text);
        free(in->slots[i].meaning);
    }
    free(in->slots);
    *in = (names){0};
}
