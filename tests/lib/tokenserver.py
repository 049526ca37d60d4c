"""tokenserver - an OAuth2 token server for tests, honest or rude.

    with TokenServer() as tokens:                       # http on loopback
    with TokenServer(certificate=files) as tokens:      # https: see tests/lib/testca.py
    with TokenServer(mailbox=user, make_token=make)     # access tokens that make(user) gives
        tokens.url('token'), tokens.url('device')
        tokens.url('introspect')                        # says whose a token is (RFC 7662)
        tokens.refresh_token                            # the one that is good now
        tokens.is_good('relay@example.com', token)      # for a mail server
        tokens.say(status=503), tokens.say(body=b'<html>'), tokens.say(error='invalid_grant')

Grants: refresh token (rotated if `rotates`; if it `forgives`, the one before is taken until the access token that it
brought was used), client credentials, device code, and the signed
assertion of a service account, whose signature and claims are checked. What say() was given is said
to the next requests in turn, before the server behaves again; with times=None from then on.
"""
import base64
import contextlib
import http.server
import json
import secrets
import ssl
import subprocess
import tempfile
import threading
import time
import urllib.parse

JWT_BEARER = 'urn:ietf:params:oauth:grant-type:jwt-bearer'
DEVICE_CODE = 'urn:ietf:params:oauth:grant-type:device_code'


class Refusal(Exception):
    def __init__(self, error, description='', status=400):
        super().__init__(error)
        self.error, self.description, self.status = error, description, status


def decode_base64url(text):
    return base64.urlsafe_b64decode(text + '=' * (-len(text) % 4))


def service_account(directory, token_url, bits=2048):
    """The key file that Google would give, and the public key."""
    def openssl(*arguments):
        return subprocess.run(['openssl', *arguments], check=True, capture_output=True,
                              text=True, cwd=directory).stdout
    private = openssl('genpkey', '-algorithm', 'RSA', '-pkeyopt', f'rsa_keygen_bits:{bits}')
    (directory / 'service.pem').write_text(private)
    public = directory / 'service.pub'
    openssl('pkey', '-in', 'service.pem', '-pubout', '-out', str(public))
    path = directory / 'service.json'
    path.write_text(json.dumps({
        'type': 'service_account', 'project_id': 'project', 'private_key_id': 'key-1',
        'private_key': private, 'client_email': 'relay@project.iam.example',
        'client_id': '1234', 'token_uri': token_url}))
    return path, public


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def log_message(self, *_):
        pass

    def do_POST(self):
        server = self.server.tokens
        size = int(self.headers.get('Content-Length', 0))
        form = dict(urllib.parse.parse_qsl(self.rfile.read(size).decode()))
        with contextlib.suppress(OSError):
            self.reply(*server.answer(self.path, form))

    def reply(self, status, body, headers):
        if status is None:      # hangs up without a word
            self.close_connection = True
            return
        self.send_response(status)
        for name, value in {'Content-Type': 'application/json', 'Content-Length': len(body),
                            **headers}.items():
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(body)


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request, client_address):
        pass        # a client that does not trust the certificate, or has gone


class TokenServer:
    def __init__(self, *, certificate=None, client=('app', 'app-secret'), scope=None, life_s=3600,
                 rotates=False, forgives=False, refresh_life_s=None, public_key=None, subject=None,
                 address='127.0.0.1', patience_s=60, mailbox=None, make_token=None):
        self.client, self.scope, self.life_s = client, scope, life_s
        self.rotates, self.forgives, self.refresh_life_s = rotates, forgives, refresh_life_s
        self.unused = None          # (refresh token, access token that it brought), as long as it forgives
        self.public_key, self.subject = public_key, subject
        self.patience_s, self.mailbox, self.make_token = patience_s, mailbox, make_token
        self.lock = threading.Condition()
        self.requests = []          # (path, form)
        self.tokens = {}            # access token → when it ends
        self.refresh_token = 'refresh-' + secrets.token_urlsafe(24)
        self.stale = []             # refresh tokens that were replaced
        self.said = []
        self.device, self.device_answer, self.device_polls = None, None, []
        self.interval_s, self.device_life_s = 1, 900
        self.gives_refresh_token = True
        self.released = threading.Event()
        self.httpd = Server((address, 0), Handler)
        self.httpd.tokens = self
        self.scheme = 'http'
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate.certificate, certificate.key)
            self.httpd.socket = context.wrap_socket(
                self.httpd.socket, server_side=True, do_handshake_on_connect=False)
            self.scheme = 'https'
        self.address, self.port = self.httpd.server_address[:2]
        self.thread = threading.Thread(target=self.httpd.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.released.set()
        self.httpd.shutdown()
        self.thread.join()
        self.httpd.server_close()

    def url(self, path, host=None):
        return f'{self.scheme}://{host or self.address}:{self.port}/{path}'

    # -- for tests --

    def say(self, *, status=200, body=None, error=None, description='', headers=None, times=1,
            hold=False, **fields):
        """A canned answer; `hold`: not before release()."""
        if error is not None:
            status = 400 if status == 200 else status
            fields = {'error': error, 'error_description': description, **fields}
        if body is None:
            body = json.dumps(fields).encode() if fields else b''
        with self.lock:
            self.said.append([times, status, body, headers or {}, hold])

    def behave(self):
        with self.lock:
            self.said.clear()
        self.released.set()

    def wait_for_requests(self, count, path='/token'):
        def found():
            return [form for at, form in self.requests if at == path]
        with self.lock:
            if not self.lock.wait_for(lambda: len(found()) >= count, self.patience_s):
                raise TimeoutError(f'{count} requests to {path}: {len(found())} came')
            return found()

    def is_good(self, user, token):
        with self.lock:
            if self.unused is not None and token == self.unused[1]:
                self.unused = None
            return self.tokens.get(token, 0) > time.monotonic()

    def revoke(self):
        """Access tokens are no good any more, the login is."""
        with self.lock:
            self.tokens.clear()

    def approve(self):
        with self.lock:
            self.device_answer = 'approved'

    def deny(self):
        with self.lock:
            self.device_answer = 'denied'

    # -- answers --

    def canned(self):
        if not self.said:
            return None
        first = self.said[0]
        if first[0] is not None:
            first[0] -= 1
            if first[0] == 0:
                self.said.pop(0)
        return first

    def answer(self, path, form):
        with self.lock:
            self.requests.append((path, form))
            self.lock.notify_all()
            canned = self.canned()
        if canned is not None:
            if canned[4]:
                self.released.wait(self.patience_s)
            if canned[2] != b'' or canned[1] != 200:
                return canned[1], canned[2], canned[3]
        with self.lock:
            try:
                found = {'/token': self.on_token, '/device': self.on_device,
                         '/introspect': self.on_introspect}[path](form)
                return 200, json.dumps(found).encode(), {}
            except Refusal as refusal:
                return refusal.status, json.dumps({
                    'error': refusal.error,
                    'error_description': refusal.description}).encode(), {}

    def check_client(self, form, needs_secret=True):
        secret = form.get('client_secret')
        if form.get('client_id') != self.client[0]:
            raise Refusal('invalid_client', 'AADSTS700016: no such application', 401)
        if secret != self.client[1] if needs_secret else secret not in (None, self.client[1]):
            raise Refusal('invalid_client', 'AADSTS7000215: Invalid client secret provided', 401)
        if self.scope is not None and form.get('scope', self.scope) != self.scope:
            raise Refusal('invalid_scope', 'AADSTS70011: the scope is not valid')

    def issue(self, with_refresh=False):
        token = self.make_token(self.mailbox) if self.make_token else 'access-' + secrets.token_urlsafe(24)
        self.tokens[token] = time.monotonic() + self.life_s
        answer = {'access_token': token, 'token_type': 'Bearer', 'expires_in': self.life_s}
        if with_refresh:
            answer['refresh_token'] = self.refresh_token
        if self.refresh_life_s is not None:
            answer['refresh_token_expires_in'] = self.refresh_life_s
        return answer

    def rotate(self):
        self.stale.append(self.refresh_token)
        self.refresh_token = 'refresh-' + secrets.token_urlsafe(24)

    def on_token(self, form):
        grant = form.get('grant_type')
        if grant == 'refresh_token':
            self.check_client(form, needs_secret=False)
            used = form.get('refresh_token')
            is_forgiven = self.unused is not None and used == self.unused[0]
            if used != self.refresh_token and not is_forgiven:
                raise Refusal('invalid_grant', 'Token has been expired or revoked.')
            if self.rotates:
                self.rotate()
            answer = self.issue(self.rotates)
            if self.forgives:
                self.unused = used, answer['access_token']
            return answer
        if grant == 'client_credentials':
            self.check_client(form)
            return self.issue()
        if grant == DEVICE_CODE:
            return self.on_poll(form)
        if grant == JWT_BEARER:
            self.check_assertion(form.get('assertion', ''))
            return self.issue()
        raise Refusal('unsupported_grant_type')

    def check_assertion(self, assertion):
        head, claims, signature = assertion.split('.')
        header, claims_json = (json.loads(decode_base64url(part)) for part in (head, claims))
        with tempfile.NamedTemporaryFile() as file:
            file.write(decode_base64url(signature))
            file.flush()
            done = subprocess.run(
                ['openssl', 'dgst', '-sha256', '-verify', str(self.public_key), '-signature',
                 file.name], input=f'{head}.{claims}'.encode(), capture_output=True)
        now = time.time()
        if done.returncode != 0 or header != {'alg': 'RS256', 'typ': 'JWT', 'kid': 'key-1'}:
            raise Refusal('invalid_grant', 'Invalid JWT Signature.')
        if not now - 60 < claims_json['iat'] < now + 60 or claims_json['exp'] - now > 3660:
            raise Refusal('invalid_grant', 'Invalid JWT: check your iat and exp values')
        if claims_json['aud'] != self.url('token'):
            raise Refusal('invalid_grant', 'Invalid JWT: wrong audience')
        if claims_json['sub'] != self.subject:
            raise Refusal('invalid_grant', 'Invalid email or User ID')
        if claims_json['scope'] != self.scope:
            raise Refusal('unauthorized_client', 'Client is unauthorized to retrieve access '
                          'tokens using this method, or client not authorized for any of the '
                          'scopes requested.', 401)

    def on_introspect(self, form):
        is_active = self.tokens.get(form.get('token'), 0) > time.monotonic()
        return {'active': True, 'email': self.mailbox} if is_active else {'active': False}

    def on_device(self, form):
        self.check_client(form, needs_secret=False)
        self.device, self.device_answer = secrets.token_urlsafe(24), None
        return {'device_code': self.device, 'user_code': 'WDJB-MJHT', 'interval': self.interval_s,
                'verification_uri': 'https://login.example/device',
                'expires_in': self.device_life_s}

    def on_poll(self, form):
        self.check_client(form, needs_secret=False)
        self.device_polls.append(time.monotonic())
        if form.get('device_code') != self.device:
            raise Refusal('invalid_grant')
        if self.device_answer == 'denied':
            raise Refusal('access_denied', 'the person said no')
        if self.device_answer is None:
            raise Refusal('authorization_pending')
        self.rotate()
        return self.issue(self.gives_refresh_token)
