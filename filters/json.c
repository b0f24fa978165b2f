#include "json.h"

#include <stdio.h>
#include <stdlib.h>

enum { DEEPEST = 16, LARGEST_BYTES = 1 << 20, LONGEST_NUMBER = 40 };

typedef struct reader {
    const char *at;
    const char *end;
    const char *problem;
    int depth;
} reader;

static json *read_value(reader *in);

static void *fail(reader *in, const char *problem) {
    if (in->problem == NULL)
        in->problem = problem;
    return NULL;
}

static void skip_space(reader *in) {
    while (in->at < in->end && strchr(" \t\r\n", *in->at) != NULL && *in->at != '\0')
        in->at++;
}

static bool take(reader *in, char wanted) {
    skip_space(in);
    if (in->at == in->end || *in->at != wanted)
        return false;
    in->at++;
    return true;
}

static bool take_word(reader *in, const char *word) {
    size_t length = strlen(word);
    if ((size_t)(in->end - in->at) < length || memcmp(in->at, word, length) != 0)
        return false;
    in->at += length;
    return true;
}

static int hex_digit(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The character of `\uXXXX`, as far as ASCII; names and addresses need no more. */
static char read_escaped_code(reader *in) {
    int code = 0;
    for (int i = 0; i < 4; i++, in->at++) {
        int digit = in->at < in->end ? hex_digit(*in->at) : -1;
        if (digit < 0) {
            fail(in, "a \\u escape without four hexadecimal digits");
            return '?';
        }
        code = code * 16 + digit;
    }
    if (code == 0 || code > 0x7f)
        fail(in, "a \\u escape that is not ASCII; write the character itself");
    return (char)code;
}

static char read_escape(reader *in) {
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    char c = in->at < in->end ? *in->at++ : '\0';
    const char *found = c == '\0' ? NULL : strchr(from, c);
    if (found != NULL)
        return to[found - from];
    if (c == 'u')
        return read_escaped_code(in);
    fail(in, "an unknown escape in a string");
    return '?';
}

static char *read_string(reader *in) {
    if (!take(in, '"'))
        return fail(in, "a string was expected");
    /* What a string becomes is never longer than how it is written. */
    char *string = malloc((size_t)(in->end - in->at) + 1), *to = string;
    if (string == NULL)
        return fail(in, "no memory");
    while (in->at < in->end && *in->at != '"' && in->problem == NULL) {
        char c = *in->at++;
        if ((unsigned char)c < 0x20)
            fail(in, "a control character in a string");
        *to++ = c == '\\' ? read_escape(in) : c;
    }
    *to = '\0';
    if (!take(in, '"'))
        fail(in, "a string that does not end");
    if (in->problem != NULL) {
        free(string);
        return NULL;
    }
    char *fitted = realloc(string, (size_t)(to - string) + 1);
    return fitted == NULL ? string : fitted;
}

static bool read_number(reader *in, double *number) {
    char digits[LONGEST_NUMBER + 1];
    size_t length = 0;
    while (in->at < in->end && length < LONGEST_NUMBER && *in->at != '\0' &&
           strchr("+-.0123456789eE", *in->at) != NULL)
        digits[length++] = *in->at++;
    digits[length] = '\0';
    char *end = digits;
    *number = strtod(digits, &end);
    return length > 0 && *end == '\0' && digits[0] != '+' && digits[0] != '.';
}

static bool has_member(const json *object, const char *name) {
    return json_member(object, name) != NULL;
}

static void read_members(reader *in, json *parent, char end) {
    json **last = &parent->first;
    if (take(in, end))
        return;
    do {
        char *name = NULL;
        if (parent->kind == JSON_OBJECT) {
            name = read_string(in);
            if (name != NULL && has_member(parent, name))
                fail(in, "a name that occurs twice in an object");
            if (!take(in, ':'))
                fail(in, "a `:` was expected after a name");
        }
        json *member = in->problem == NULL ? read_value(in) : NULL;
        if (member == NULL) {
            free(name);
            return;
        }
        member->name = name;
        *last = member;
        last = &member->next;
    } while (take(in, ','));
    if (!take(in, end))
        fail(in, "a `,` or the end of a list was expected");
}

static bool read_into(reader *in, json *value) {
    char c = *in->at;
    if (c == '"') {
        value->kind = JSON_STRING;
        value->string = read_string(in);
    } else if (c == '{' || c == '[') {
        in->at++;
        value->kind = c == '{' ? JSON_OBJECT : JSON_ARRAY;
        read_members(in, value, c == '{' ? '}' : ']');
    } else if (take_word(in, "true") || take_word(in, "false")) {
        value->kind = JSON_BOOL;
        value->truth = c == 't';
    } else if (take_word(in, "null")) {
        value->kind = JSON_NULL;
    } else {
        value->kind = JSON_NUMBER;
        if (!read_number(in, &value->number))
            fail(in, "a value was expected");
    }
    return in->problem == NULL;
}

static json *read_value(reader *in) {
    skip_space(in);
    if (in->at == in->end)
        return fail(in, "the text ends where a value was expected");
    if (in->depth == DEEPEST)
        return fail(in, "nested too deeply");
    json *value = calloc(1, sizeof *value);
    if (value == NULL)
        return fail(in, "no memory");
    in->depth++;
    bool is_read = read_into(in, value);
    in->depth--;
    if (is_read)
        return value;
    json_free(value);
    return NULL;
}

json *json_read(text source, const char **problem) {
    reader in = {source.at, source.at + source.length, NULL, 0};
    if (source.length > LARGEST_BYTES)
        fail(&in, "longer than 1 MiB");
    json *value = in.problem == NULL ? read_value(&in) : NULL;
    skip_space(&in);
    if (value != NULL && in.at != in.end)
        fail(&in, "something follows the value");
    if (in.problem != NULL) {
        json_free(value);
        value = NULL;
    }
    *problem = in.problem;
    return value;
}

void json_free(json *tree) {
    while (tree != NULL) {
        json *next = tree->next;
        json_free(tree->first); /* no deeper than DEEPEST */
        free(tree->string);
        free(tree->name);
        free(tree);
        tree = next;
    }
}

const json *json_member(const json *object, const char *name) {
    if (object == NULL || object->kind != JSON_OBJECT)
        return NULL;
    for (const json *each = object->first; each != NULL; each = each->next)
        if (strcmp(each->name, name) == 0)
            return each;
    return NULL;
}
