#include "check_key.h"

typedef struct made_of {
    text attribute;
    text headers[2];
} made_of;

/* `request.api_key` is a header, or a parameter in the path. */
static const made_of MADE_OF[] = {
    {{"request.path", 12}, {{":path", 5}, {NULL, 0}}},
    {{"request.url_path", 16}, {{":path", 5}, {NULL, 0}}},
    {{"request.query_params", 20}, {{":path", 5}, {NULL, 0}}},
    {{"request.method", 14}, {{":method", 7}, {NULL, 0}}},
    {{"request.host", 12}, {{":authority", 10}, {NULL, 0}}},
    {{"request.scheme", 14}, {{":scheme", 7}, {NULL, 0}}},
    {{"request.useragent", 17}, {{"user-agent", 10}, {NULL, 0}}},
    {{"request.referer", 15}, {{"referer", 7}, {NULL, 0}}},
    {{"request.api_key", 15}, {{"x-api-key", 9}, {":path", 5}}},
    {{"context.protocol", 16}, {{"content-type", 12}, {NULL, 0}}},
    {{"source.ip", 9}, {{SOURCE_ADDRESS, 10}, {NULL, 0}}},
};

bool shape_add(check_shape *shape, text name) {
    if (name.length == 0 || name.length > LONGEST_SHAPE_NAME)
        return false;
    for (size_t i = 0; i < shape->count; i++)
        if (text_equal(text_of(shape->names[i]), name))
            return true;
    if (shape->count == MOST_SHAPE_NAMES)
        return false;
    memcpy(shape->names[shape->count], name.at, name.length);
    shape->names[shape->count++][name.length] = '\0';
    return true;
}

bool shape_equal(const check_shape *left, const check_shape *right) {
    if (left->count != right->count)
        return false;
    for (size_t i = 0; i < left->count; i++)
        if (strcmp(left->names[i], right->names[i]) != 0)
            return false;
    return true;
}

/* The name within `request.headers["name"]`; empty if it is nothing of that kind. */
static text header_within(text attribute, text before) {
    text none = {NULL, 0};
    if (!text_starts(attribute, before) || attribute.length < before.length + 3)
        return none;
    if (!text_ends(attribute, TEXT("\"]")))
        return none;
    return (text){attribute.at + before.length, attribute.length - before.length - 2};
}

bool shape_add_attribute(check_shape *shape, text attribute, const names *more) {
    const char *told = names_find(more, attribute);
    if (told != NULL)
        return told[0] == '\0' || shape_add(shape, text_of(told));
    if (text_starts(attribute, TEXT("request.query_params[")))
        return shape_add(shape, TEXT(":path"));
    text header = header_within(attribute, TEXT("request.headers[\""));
    if (header.length > 0)
        return shape_add(shape, header);
    for (size_t i = 0; i < sizeof MADE_OF / sizeof *MADE_OF; i++) {
        if (!text_equal(MADE_OF[i].attribute, attribute))
            continue;
        bool is_added = shape_add(shape, MADE_OF[i].headers[0]);
        text second = MADE_OF[i].headers[1];
        return is_added && (second.length == 0 || shape_add(shape, second));
    }
    return false;
}

typedef struct key_writer {
    unsigned char *to;
    size_t length;
    bool is_full;
} key_writer;

static void put(key_writer *in, const void *at, size_t length) {
    if (in->is_full || MOST_KEY_BYTES - in->length < length) {
        in->is_full = true;
        return;
    }
    memcpy(in->to + in->length, at, length);
    in->length += length;
}

/* Length before text: no value can pass for the end of one and the beginning of the next. */
static void put_value(key_writer *in, text value) {
    uint32_t length = (uint32_t)value.length;
    put(in, &length, sizeof length);
    put(in, value.at, value.length);
}

static void put_header(key_writer *in, const check_request *request, text name) {
    uint32_t seen = 0;
    for (size_t i = 0; i < request->count; i++)
        seen += text_equal(request->headers[i].name, name);
    put(in, &seen, sizeof seen);
    for (size_t i = 0; i < request->count; i++)
        if (text_equal(request->headers[i].name, name))
            put_value(in, request->headers[i].value);
}

size_t check_key(const check_shape *shape, unsigned char salt, const check_request *request,
                 unsigned char key[MOST_KEY_BYTES]) {
    key_writer in = {key, 0, false};
    put(&in, &salt, 1);
    for (size_t i = 0; i < shape->count; i++) {
        if (strcmp(shape->names[i], SOURCE_ADDRESS) == 0)
            put_value(&in, request->source_address);
        else
            put_header(&in, request, text_of(shape->names[i]));
    }
    return in.is_full ? 0 : in.length;
}
