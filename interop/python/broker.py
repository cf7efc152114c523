"""The broker as a child process."""

import base64
import hashlib
import hmac
import json
import os
import re
import signal
import subprocess
import tempfile
import time

SECRET = base64.b64encode(os.urandom(24)).decode()


def token(user, seconds=60, **claims):
    """A token of a user that ends in so many seconds, signed with SECRET."""
    def part(value):
        return base64.urlsafe_b64encode(value).rstrip(b'=')
    claims = {'sub': user, 'exp': int(time.time()) + seconds, **claims}
    signed = part(json.dumps({'alg': 'HS256'}).encode()) + b'.' + part(json.dumps(claims).encode())
    return (signed + b'.' + part(hmac.new(SECRET.encode(), signed, hashlib.sha256).digest())).decode()


# Everybody may use destinations that begin with open; nobody may read secret ones.
RULES = {
    'auth': {'jwt': {'algorithms': ['HS256'], 'secret': SECRET}},
    'acl': [{'name': 'open', 'allow': ['subscribe', 'send'], 'destinations': ['/queue/open.**', '/topic/open.**']}],
    'limits': {'failed_connects': '0/m'},
}


class Broker:
    """A broker on ports of its own, which ends with the block that it is used in."""

    def __init__(self, config=None, **flags):
        self.config = config or {'auth': {'anonymous': True}}
        self.flags = flags
        self.folder = tempfile.TemporaryDirectory(prefix='hoofbeat-python-')
        self.ws = self.tcp = 0
        self.process = None

    def __enter__(self):
        with open(os.path.join(self.folder.name, 'hoofbeat.yaml'), 'w') as file:
            json.dump(self.config, file)  # JSON is valid YAML
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()
        self.folder.cleanup()

    def start(self):
        """Starts it, on the ports that it had."""
        flags = {
            'listen-websocket-address': f'127.0.0.1:{self.ws}', 'listen-tcp-address': f'127.0.0.1:{self.tcp}',
            'listen-admin-address': '', 'storage-directory': '', 'limits-drain-timeout': '2s', **{k.replace('_', '-'): v for k, v in self.flags.items()},
        }
        self.process = subprocess.Popen(
            [os.environ['BROKER_BIN'], 'serve', *(f'--{k}={v}' for k, v in flags.items())], cwd=self.folder.name,
            env={k: v for k, v in os.environ.items() if not k.startswith('HOOFBEAT_')}, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        ports = {}
        while len(ports) < 2:
            line = self.process.stdout.readline()
            found = re.match(r'hoofbeat accepts STOMP on (ws|tcp)://127\.0\.0\.1:(\d+)', line)
            if not found:
                raise AssertionError(f'the broker has printed {line!r}')
            ports[found[1]] = int(found[2])
        self.ws, self.tcp = ports['ws'], ports['tcp']

    def stop(self):
        """Ends it by SIGTERM, in good order."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(10)
        self.process.stdout.close()
        assert code == 0, f'exit code {code}'
