#include "settings_reader.h"

#include <stdio.h>

#include "complaints.h"

void settings_fault(settings_reader *in, const char *path, const char *what) {
    in->faults++;
    tell(LOG_ERROR, "%s: setting `%s`: %s", in->filter, path, what);
}

void settings_only(settings_reader *in, const json *object, const char *path,
                   const char *const *known) {
    if (object == NULL || object->kind != JSON_OBJECT)
        return;
    for (const json *each = object->first; each != NULL; each = each->next) {
        const char *const *name = known;
        while (*name != NULL && strcmp(*name, each->name) != 0)
            name++;
        if (*name == NULL) {
            char whole[128];
            (void)snprintf(whole, sizeof whole, "%s%s", path, each->name);
            settings_fault(in, whole, "is not known here; correct or remove it");
        }
    }
}

const json *settings_get(settings_reader *in, const json *object, const char *path,
                         const char *name, json_kind kind) {
    static const char *const words[] = {"null", "true or false", "a number",
                                        "a string", "a list", "an object"};
    const json *found = json_member(object, name);
    if (found == NULL || found->kind == kind)
        return found;
    char whole[128], what[64];
    (void)snprintf(whole, sizeof whole, "%s%s", path, name);
    (void)snprintf(what, sizeof what, "must be %s", words[kind]);
    settings_fault(in, whole, what);
    return NULL;
}

double settings_number(settings_reader *in, const json *object, const char *name, double otherwise,
                       double least, double most) {
    const json *found = settings_get(in, object, "", name, JSON_NUMBER);
    if (found == NULL)
        return otherwise;
    if (found->number >= least && found->number <= most)
        return found->number;
    char what[96];
    (void)snprintf(what, sizeof what, "is %g; must be from %g to %g", found->number, least, most);
    settings_fault(in, name, what);
    return otherwise;
}

const char *settings_text(settings_reader *in, const json *object, const char *name,
                          const char *otherwise) {
    const json *found = settings_get(in, object, "", name, JSON_STRING);
    return found == NULL ? otherwise : found->string;
}
