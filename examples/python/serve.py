"""Invokes the handler at Lambda's HTTP API, as `sam local start-lambda` does, without a container:
python serve.py 3001, for `bitting local --lambda http://127.0.0.1:3001`."""

import json
import sys
import traceback
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from app import handler


class Invoke(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        event = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        failed = {}
        try:
            answer = handler(event, None)
        except Exception as error:
            traceback.print_exc()
            failed = {"X-Amz-Function-Error": "Unhandled"}
            answer = {"errorMessage": str(error), "errorType": type(error).__name__}

        body = json.dumps(answer).encode()
        self.send_response(200)
        for name, value in {**failed, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1]) if len(sys.argv) > 1 else 3001), Invoke)
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()
