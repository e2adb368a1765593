"""A WSGI application that answers by the status in the path, and reads no body.

As a program, the same by http.server on the path that is its argument.
"""

import http.server
import socketserver
import sys

body = b"refused"


def app(environ, start_response):
    status = environ["PATH_INFO"].lstrip("/")
    headers = [("Content-Length", str(len(body))), ("Connection", "close")]
    start_response(status + " Refused", headers)
    return [body]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.send_response(int(self.path.lstrip("/")), "Refused")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True

    def address_string(self):
        return "a path"

    def log_message(self, *_):
        pass


class Server(socketserver.ThreadingUnixStreamServer):
    request_queue_size = 511
    daemon_threads = True


if __name__ == "__main__":
    Server(sys.argv[1], Handler).serve_forever()
