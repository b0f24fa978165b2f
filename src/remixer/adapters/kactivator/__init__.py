"""`kactivator`: wakes idle Knative revisions, and holds requests until one answers."""
