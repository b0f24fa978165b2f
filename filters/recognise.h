/* Which revision a request is for. */
#ifndef REMIXER_RECOGNISE_H
#define REMIXER_RECOGNISE_H

#include "knative_settings.h"

/* By header, host, or the cluster of its route, whichever the settings name and tells first.
 * False if none tells. */
bool recognise(const knative_settings *of, envoy_stream stream, revision_key *to);
/* As the part of it that knows hosts; `host` may have a port and capitals. */
bool recognise_host(const knative_settings *of, text host, revision_key *to);

#endif
