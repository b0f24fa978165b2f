"""Pure vocabulary that every room may use.

Clock, deadline, status, durations, errors, limits, problems and the documents they are found in.
Nothing here does I/O, knows Mixer's configuration or keeps state.
"""
