#include "revision_key.h"

static bool is_edge(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

static bool is_name(text value, size_t longest, bool may_have_dots) {
    if (value.length == 0 || value.length > longest)
        return false;
    if (!is_edge(value.at[0]) || !is_edge(value.at[value.length - 1]))
        return false;
    for (size_t i = 0; i < value.length; i++)
        if (!is_edge(value.at[i]) && value.at[i] != '-' && !(may_have_dots && value.at[i] == '.'))
            return false;
    return true;
}

bool revision_key_make(text namespace_, text name, revision_key *to) {
    if (!is_name(namespace_, LONGEST_NAMESPACE, false) || !is_name(name, LONGEST_NAME, true))
        return false;
    memcpy(to->text, namespace_.at, namespace_.length);
    to->text[namespace_.length] = '/';
    memcpy(to->text + namespace_.length + 1, name.at, name.length);
    to->namespace_length = namespace_.length;
    to->length = namespace_.length + 1 + name.length;
    to->text[to->length] = '\0';
    return true;
}

bool revision_key_read(text whole, revision_key *to) {
    const char *slash = whole.length == 0 ? NULL : memchr(whole.at, '/', whole.length);
    if (slash == NULL)
        return false;
    text namespace_ = {whole.at, (size_t)(slash - whole.at)};
    text name = {slash + 1, whole.length - namespace_.length - 1};
    return revision_key_make(namespace_, name, to);
}
