#!/usr/bin/env python3
"""An S3 server for tests: moto, with every request handled one at a time.

    moto_serial.py [PORT]      0 or none: any free port; the first line printed is the address, once it answers

moto checks If-None-Match and stores the object in two steps without a lock between them, so that its own threaded server lets two
conditional PUTs of one key both succeed. A request's body is read before the lock is taken, so a slow client does not hold
up the others. The server ends when its standard input does: a test that dies leaves none behind.
"""

import io
import os
import sys
import threading

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server


class Serial:
    """A WSGI application that calls another one, one request at a time."""

    def __init__(self, app):
        self.app, self.lock = app, threading.Lock()

    def __call__(self, environ, start_response):
        length, source = environ.get("CONTENT_LENGTH"), environ["wsgi.input"]
        if length:
            body = source.read(int(length))
        else:
            body = source.read() if environ.get("wsgi.input_terminated") else b""
        environ["wsgi.input"] = io.BytesIO(body)
        with self.lock:
            answer = self.app(environ, start_response)
            try:
                return [b"".join(answer)]
            finally:
                if hasattr(answer, "close"):
                    answer.close()


class Handler(MotoRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_request(self, *args, **kwargs):
        pass


def end_with_stdin():
    while sys.stdin.buffer.read(4096):
        pass
    os._exit(0)


def main():
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    server = make_server("127.0.0.1", port, Serial(DomainDispatcherApplication(create_backend_app)), threaded=True, request_handler=Handler)
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    threading.Thread(target=end_with_stdin, daemon=True).start()
    server.serve_forever()


if __name__ == "__main__":
    main()
