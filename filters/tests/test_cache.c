#include "check.h"
const test_case CACHE_TESTS[] = {{NULL, NULL}};
