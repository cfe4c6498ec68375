# SPDX-License-Identifier: MIT
"""Debian's packages for a machine that has no way out of its own: a proxy for HTTP that listens on the loopback of this process's
namespaces and of others', and keeps every .deb that it has fetched, as long as somebody asks for it now and then."""
import ctypes
import hashlib
import http.server
import os
import pathlib
import shutil
import subprocess
import threading
import time
import urllib.error
import urllib.request

import lab

PORT = 3142                                          # as that of apt-cacher-ng
USUAL = {'bookworm': 'http://deb.debian.org/debian', 'bookworm-security': 'http://deb.debian.org/debian-security'}
KEEP_S = 60 * 86400
CHUNK = 1 << 20


def sources():
    """From where this machine has Debian 12: address, and lines of a sources.list, as far as they are had without TLS, which no proxy
    can look into."""
    addresses = []
    for codename in 'bookworm', 'bookworm-security':
        asked = subprocess.run(['apt-get', 'indextargets', '--format', '$(REPO_URI)', f'Codename: {codename}'], capture_output=True,
                               text=True, check=False).stdout.split()
        addresses.append(next((a.rstrip('/') for a in asked if a.startswith('http://')), USUAL[codename]))
    return addresses[0], [f'deb {addresses[0]} bookworm main', f'deb {addresses[0]} bookworm-updates main',
                          f'deb {addresses[1]} bookworm-security main']


class Handler(http.server.BaseHTTPRequestHandler):
    """One request; Larder says where things are kept."""
    protocol_version = 'HTTP/1.1'
    server_version = 'larder'

    def do_GET(self):                                # pylint: disable=invalid-name
        """The file that the whole address names."""
        try:
            with self.server.larder.open(self.path) as file:
                self.send_response(200)
                self.send_header('Content-Length', str(os.fstat(file.fileno()).st_size))
                self.end_headers()
                shutil.copyfileobj(file, self.wfile, CHUNK)
        except urllib.error.HTTPError as e:
            self.send_error(e.code)
        except (urllib.error.URLError, ValueError) as e:
            self.send_error(502, str(e)[:80])

    def log_message(self, *_):                       # pylint: disable=arguments-differ
        """Nobody reads that."""


class Server(http.server.ThreadingHTTPServer):
    """One listening socket."""
    daemon_threads = True
    allow_reuse_address = True


class Larder:
    """In @folder."""

    def __init__(self, folder):
        self.folder, self.servers = pathlib.Path(folder), []
        self.folder.mkdir(parents=True, exist_ok=True)
        for kept in self.folder.iterdir():
            if kept.stat().st_mtime < time.time() - KEEP_S or kept.suffix == '.new':
                kept.unlink(missing_ok=True)

    def open(self, address):
        """What is there, opened. Signatures of lists and sums of packages are apt's to check."""
        kept = self.folder / f'{hashlib.sha256(address.encode()).hexdigest()[:16]}-{address.rsplit("/", 1)[-1][:100]}'
        if address.endswith('.deb') and kept.exists():
            os.utime(kept)
            return open(kept, 'rb')
        fresh = self.folder / f'{kept.name}.{threading.get_ident()}.new'
        with open(fresh, 'wb') as file, urllib.request.urlopen(address, timeout=60) as there:
            shutil.copyfileobj(there, file, CHUNK)
        file = open(fresh, 'rb')                     # pylint: disable=consider-using-with
        if address.endswith('.deb'):
            fresh.rename(kept)
        else:
            fresh.unlink()
        return file

    def serve(self, pid=None):
        """From now on, on the loopback of this process's network namespace or of @pid's. Returns address and port."""
        made = []

        def listen():
            if pid and lab.libc.setns(os.open(f'/proc/{pid}/ns/net', os.O_RDONLY | os.O_CLOEXEC), lab.CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), 'setns')
            made.append(Server(('127.0.0.1', PORT if pid else 0), Handler))

        thread = threading.Thread(target=listen)     # a namespace is a thread's, a socket's where it was made
        thread.start()
        thread.join()
        server = made[0]
        server.larder = self
        self.servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f'127.0.0.1:{server.server_address[1]}'
