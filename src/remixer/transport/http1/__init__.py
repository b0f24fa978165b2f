"""A small HTTP/1.1 server for answers that need only a request's head.

`head` and `answer` are the protocol, without I/O; `connection` is one connection, `server` the
listeners and what all connections share; `port` is what a service sees. Made for authorization
calls of proxies: a cached answer costs microseconds, and no HTTP library has to be imported.

No body is ever parsed: a request that announces one is answered, and the connection ends. So
nobody can hide a second request in a body, and a proxy that forwards the `Content-Length` of a
body that it keeps (nginx, unless told otherwise) cannot desynchronize anything.
"""
