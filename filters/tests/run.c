#include <string.h>

#include "check.h"

int main(int count, char **words) {
    const test_case *const suites[] = {CODEC_TESTS, WAKE_TESTS, HOLD_TESTS, CACHE_TESTS};
    for (size_t i = 0; i < sizeof suites / sizeof *suites; i++)
        for (const test_case *each = suites[i]; each->name != NULL; each++) {
            if (count < 2)
                (void)puts(each->name);
            else if (strcmp(words[1], each->name) == 0 || strcmp(words[1], "all") == 0)
                each->run();
            else
                continue;
            if (count >= 2 && strcmp(words[1], "all") != 0)
                return 0;
        }
    return count < 2 || strcmp(words[1], "all") == 0 ? 0 : 2;
}
