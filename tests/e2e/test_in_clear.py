"""Without TLS: which methods show a password to the network, and who allows it."""
import json
import socket

import pytest


def own_address():
    """An address of this machine that isn't loopback; nothing is sent to find it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.connect(('192.0.2.1', 9))
        except OSError:
            return None
        return sock.getsockname()[0]


@pytest.fixture
def walk(postern, make_upstream):
    """`profile test` of a profile for a server on `address`: what it says, and the server."""
    def make(address, methods, *options):
        host = make_upstream(address=address, auth=methods)
        postern.add_upstream(host, 'upstream', '--tls', 'none', '--username', 'user',
                             '--password-stdin', *options, stdin='secret\n')
        done = postern.run_ctl('-j', 'profile', 'test', 'upstream')
        return json.loads(done.stdout), host
    return make


def logins(host):
    return [line for connection in host.connections for line in connection.commands
            if line.startswith(b'AUTH')]


@pytest.fixture
def address():
    return own_address() or pytest.skip('this machine has no address but loopback')


def test_password_is_not_shown_to_a_network(walk, address, postern):
    result, host = walk(address, ('PLAIN', 'LOGIN'))
    assert not result['ok'] and 'auth-in-clear' in result['diagnosis'], result
    assert 'show the password' in result['steps'][-1]['detail']
    assert not logins(host)
    postern.ctl('profile', 'set', 'upstream', '--auth-in-clear', 'yes')
    assert postern.ctl('profile', 'test', 'upstream')['method'] == 'LOGIN'


@pytest.mark.parametrize('methods,options,method', [
    (('PLAIN', 'CRAM-MD5', 'LOGIN'), (), 'CRAM-MD5'),
    (('PLAIN', 'LOGIN'), ('--auth', 'plain'), 'PLAIN'),
])
def test_what_goes_over_a_network(walk, address, methods, options, method):
    result, _ = walk(address, methods, *options)
    assert result['ok'] and result['method'] == method, result


def test_nobody_listens_within_this_machine(walk):
    result, _ = walk('127.0.0.1', ('PLAIN',))
    assert result['ok'] and result['method'] == 'PLAIN', result
