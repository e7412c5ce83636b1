"""A service that tells Germany's carbon intensity, in the form of Electricity Maps' answers."""

from __future__ import annotations

import json
import os
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer


class _Answer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        known = (self.path, self.headers["auth-token"]) == ("/?zone=DE", "secret")
        self.send_response(200 if known else 401)
        self.end_headers()
        self.wfile.write(json.dumps({"zone": "DE", "carbonIntensity": 251}).encode())

    def log_message(self, *_: object) -> None:
        pass


_server = HTTPServer(("127.0.0.1", 0), _Answer)
threading.Thread(target=_server.serve_forever, daemon=True).start()
os.environ["INTENSITY_URL"] = f"http://127.0.0.1:{_server.server_port}/"
