# SPDX-License-Identifier: MIT
"""Programs that stand in for QEMU: they say a version, speak a little QMP, and then go wrong in their own way."""
import os


def fake_qemu(lab, name, text):
    """Program @text in the folder of the test; Return: the environment that makes ixctl take it for QEMU."""
    lab.put(name, text)
    os.chmod(lab.path(name), 0o755)
    return {'IXCTL_QEMU': lab.path(name)}


GREETS = '''#!/usr/bin/env python3
import os, sys
if '--version' in sys.argv:
    sys.exit(print('QEMU emulator version 7.2.0'))
fd = int([w for w in sys.argv if w.startswith('socket,id=qmp')][0].split('fd=')[1])
os.write(fd, b'{"QMP": {"version": {"qemu": {"micro": 0, "minor": 2, "major": 7}}, "capabilities": []}}\\n')
os.read(fd, 1)
'''


# A QEMU whose KVM gives up as soon as the guest runs; under TCG it is the real one, or with FAKE_ALWAYS it is not.
STUCK = '''#!/usr/bin/env python3
import os, socket, sys
if '--version' in sys.argv:
    sys.exit(print('QEMU emulator version 10.0.2'))
if 'tcg' in ' '.join(sys.argv) and 'FAKE_ALWAYS' not in os.environ:
    os.execvp('qemu-system-x86_64', sys.argv)
s = socket.socket(fileno=int([w for w in sys.argv if w.startswith('socket,id=qmp')][0].split('fd=')[1]))
s.sendall(b'{"QMP": {"version": {"qemu": {"micro": 2, "minor": 0, "major": 10}}, "capabilities": []}}\\n')
for line in s.makefile():
    if 'query-status' in line:
        s.sendall(b'{"return": {"status": "internal-error", "running": false}}\\n')
    elif 'cont' in line:
        print('KVM internal error. Suberror: 1\\nRAX=0000000000000000', file=sys.stderr, flush=True)
        s.sendall(b'{"event": "RESUME"}\\n{"event": "STOP"}\\n')
'''
