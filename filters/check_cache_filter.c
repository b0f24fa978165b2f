#include "filter.h"
const filter_kind CHECK_CACHE_FILTER = {.name = "remixer_check_cache"};
