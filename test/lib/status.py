# SPDX-License-Identifier: MIT
"""ixd's HTTP over guests that never ran (test/unit/hostctl/status_server.c), in a process of its own under sanitizers."""
import http.client
import os
import subprocess

SERVER = os.path.join(os.environ.get('IX_BUILD', 'build'), 'test', 'status_server')
SECONDS = 30


class Server:
    """`with Server('few') as s:`; its end must be a clean one, or what a sanitizer said is raised."""

    def __init__(self, what):
        # pylint: disable-next=consider-using-with
        self.process = subprocess.Popen([SERVER, what], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline() or '0')

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        try:
            _, said = self.process.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            _, said = self.process.communicate()
        if kind is None and self.process.returncode != 0:
            raise AssertionError(f'the server ended with {self.process.returncode}: {said[-2000:]}')

    def ask(self, path, method='GET', headers=None, body=None):
        """(status, headers, body)"""
        c = http.client.HTTPConnection('127.0.0.1', self.port, timeout=SECONDS)
        try:
            c.request(method, path, body=body, headers=headers or {})
            answer = c.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            c.close()
