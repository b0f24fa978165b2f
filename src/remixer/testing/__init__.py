"""What we and third parties test with: virtual time, fakes for every port, harnesses.

* `clock`: a clock that stands still until told, and an event loop whose waiting takes no time;
* `http`: an HTTP client that answers from a table;
* `adapters`: an `AdapterHarness` that gives one adapter all that the process would lend it;
* `engine`: a whole runtime over YAML texts, without sockets or files;
* `scripted`: adapters that do what their parameters say, and a journal of it;
* `runtime_told`: what the runtime tells its metrics and its log;
* `call_costs`: what a call makes the interpreter do, in counts that are the same each time;
* `texts`: configuration documents, one per call;
* `http2_client`, `http2_fields`: HTTP/2 frames and HPACK by hand, right or wrong;
* `http2_lines`, `http2_script`, `http2_seen`, `http2_play`, `http2_peers`, `http2_service`: scripts
  of what the two ends of a connection say, played against the transport's core or a server;
* `knative_autoscaler`: Knative's autoscaler, a `websocket_server` before `knative_decider`'s rules;
* `mixer_client`, `server_process`: callers of a served Mixer, and a server as a process.

A fake here passes the same contract suite as the real thing. Nothing in the service imports
this room.
"""
