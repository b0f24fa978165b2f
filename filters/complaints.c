#include "complaints.h"

#include <stdarg.h>
#include <stdio.h>

enum { LONGEST_LINE = 512 };

void tell(int level, const char *format, ...) {
    char line[LONGEST_LINE];
    va_list values;
    if (!envoy_dynamic_module_callback_log_enabled(level))
        return;
    va_start(values, format);
    int length = vsnprintf(line, sizeof line, format, values);
    va_end(values);
    if (length < 0)
        return;
    size_t kept = (size_t)length < sizeof line ? (size_t)length : sizeof line - 1;
    envoy_dynamic_module_callback_log(level, (text){line, kept});
}
