# SPDX-License-Identifier: Apache-2.0
"""Stands in for vLLM's server: says what it was started with and what it was asked."""

import http.server
import json
import sys


class Handler(http.server.BaseHTTPRequestHandler):

  def log_message(self, *_: object) -> None:
    pass

  def do_GET(self) -> None:
    self._answer({'data': [{'id': 'model'}]})

  def do_POST(self) -> None:
    body = json.loads(self.rfile.read(int(self.headers['Content-Length'])))
    if 'chat' in self.path:
      said = ' '.join(f'{message["role"]}:{message["content"]}' for message in body['messages'])
      self._answer({'choices': [{'message': {'content': f'{said} {FLAGS}'}}]})
    else:
      self._answer({'choices': [{'text': f'{body["prompt"]} {FLAGS}'}]})

  def _answer(self, value: object) -> None:
    data = json.dumps(value).encode()
    self.send_response(200)
    self.send_header('Content-Length', str(len(data)))
    self.end_headers()
    self.wfile.write(data)


port = sys.argv.index('--port')
FLAGS = ' '.join(sys.argv[1:port] + sys.argv[port + 2:])
http.server.ThreadingHTTPServer(('127.0.0.1', int(sys.argv[port + 1])), Handler).serve_forever()
