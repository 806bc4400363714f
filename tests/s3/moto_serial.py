"""An S3 server for tests: moto, one request at a time.

Stock moto looks whether a key exists and stores the object in two separate steps, and serves requests on several
threads, so of two conditional PUTs of one key both can succeed. Real S3 does not do that. Here every request is
handled under one lock; bodies are read before the lock is taken, so that a slow client holds up nobody.

Usage: moto_serial.py [PORT]     (no port: any free one; the line "listening on PORT" says which)
Ends when its standard input is closed, so that it never outlives the test that started it.
"""

import io
import os
import sys
import threading

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server


class OneAtATime:
    """WSGI middleware that lets one request at a time into an application."""

    def __init__(self, application):
        self._application = application
        self._lock = threading.Lock()

    def __call__(self, environ, start_response):
        environ["wsgi.input"] = io.BytesIO(self._read_body(environ))
        with self._lock:
            answer = self._application(environ, start_response)
            try:
                return [b"".join(answer)]
            finally:
                close = getattr(answer, "close", None)
                if close is not None:
                    close()

    @staticmethod
    def _read_body(environ):
        length = environ.get("CONTENT_LENGTH")
        if length:
            return environ["wsgi.input"].read(int(length))
        if environ.get("wsgi.input_terminated"):
            return environ["wsgi.input"].read()
        return b""


class Handler(MotoRequestHandler):
    """Speaks HTTP/1.1, so that clients keep their connections, and keeps quiet."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_request(self, code="-", size="-"):
        pass


def end_with_parent():
    while sys.stdin.buffer.read(4096):
        pass
    os._exit(0)


def main():
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    application = OneAtATime(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", port, application, threaded=True, request_handler=Handler)
    print(f"listening on {server.server_port}", flush=True)
    threading.Thread(target=end_with_parent, daemon=True).start()
    server.serve_forever()


if __name__ == "__main__":
    main()
