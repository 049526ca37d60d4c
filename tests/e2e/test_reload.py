"""Listeners and reload: what is taken over at once, what is refused, and who isn't disturbed."""
import contextlib
import os
import smtplib
import socket
import ssl

import pytest

from posternd import IS_ROOT, CtlError, Posternd, free_ports, wait_until
from testca import TestCa

pytestmark = pytest.mark.user


def banner(address, port):
    try:
        with socket.create_connection((address, port), 10) as client:
            return client.recv(4) == b'220 '
    except OSError:
        return False


def listener(ports, address='127.0.0.1', more=''):
    return f'{{ address = "{address}"; ports = "{ports}"; {more} }}'


def reload_with(postern, listeners):
    postern.listeners = listeners
    postern.write_config()
    postern.ctl('reload')


def test_ports_come_and_go(postern):
    kept, new = postern.port, free_ports(1)[0]
    with postern.client() as client:
        reload_with(postern, listener(f'{kept},{new}'))
        wait_until(lambda: banner('127.0.0.1', new), 'the new port is open')
        wait_until(lambda: not banner('127.0.0.1', postern.tls_port), 'the other one is closed')
        assert client.noop()[0] == 250
        reload_with(postern, listener(new))
        wait_until(lambda: not banner('127.0.0.1', kept), 'the first one is closed as well')
        assert client.noop()[0] == 250      # its own port is gone, the session isn't


def test_taken_port_is_tried_again(tmp_path):
    postern = Posternd(tmp_path)
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(socket.create_server(('127.0.0.1', 0))) for _ in range(3)]
        taken = sorted(server.getsockname()[1] for server in servers)
        postern.listeners = listener(','.join(map(str, [postern.port, *taken])))
        postern.expect_trouble('ports=|in use')
        with postern:
            lines = [line for line in postern.log().splitlines() if str(taken[0]) in line]
            assert len(lines) == 1 and all(str(port) in lines[0] for port in taken)
            assert 'count=3' in lines[0] or '3 ' in lines[0]
            for server in servers:
                server.close()
            postern.ctl('reload')
            wait_until(lambda: all(banner('127.0.0.1', port) for port in taken), 'taken now')
            assert postern.ctl('status')['listeners'][0]['skipped'] == 0


@pytest.mark.parametrize('address, reached', [('::1', ['::1']), ('*', ['127.0.0.1', '::1'])])
def test_ipv6(postern, address, reached):
    port = free_ports(1)[0]
    reload_with(postern, listener(f'{postern.port}') + ', ' + listener(port, address))
    for host in reached:
        wait_until(lambda: banner(host, port), f'{host} answers')
    postern.wait_for_log('event=connected', 'client=[::1]:')


def free_range(count):
    """The first of so many free ports in a row."""
    for _ in range(100):
        first = free_ports(1)[0]
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            for port in range(first, first + count):
                stack.enter_context(socket.create_server(('127.0.0.1', port)))
            return first
    raise RuntimeError(f'there are no {count} free ports in a row')


def test_ranges_without_the_excluded(postern):
    first = free_range(4)
    more = f'exclude = "{first + 1}";'
    reload_with(postern, listener(f'{postern.port},{first}-{first + 3}', more=more))
    postern.expect_trouble('in use|ports=')
    for port in (first, first + 2, first + 3):
        wait_until(lambda: banner('127.0.0.1', port), f'port {port} of the range')
    assert not banner('127.0.0.1', first + 1)


def test_changed_certificate_serves_new_sessions(postern, tmp_path):
    ca = TestCa(tmp_path)

    def serial():
        context = ssl.create_default_context(cafile=ca.path)
        with smtplib.SMTP('localhost', postern.port, timeout=10) as client:
            client.starttls(context=context)
            return client.sock.getpeercert()['serialNumber']

    seen = []
    with postern.client() as old:
        for name in ('first', 'second'):
            pair = ca.issue(name)
            postern.write_config(
                f'tls = {{ certificate = "{pair.certificate}"; key = "{pair.key}"; }};')
            postern.ctl('reload')
            wait_until(lambda: banner('127.0.0.1', postern.port), 'it is there')
            with contextlib.suppress(ssl.SSLError):
                wait_until(lambda: serial() not in seen, 'the new certificate')
            seen.append(serial())
            assert old.noop()[0] == 250
    assert seen[0] != seen[1]
    postern.write_config('')


@pytest.mark.parametrize('key, value', [
    ('state_dir', '"NOWHERE"'), ('run_dir', '"NOWHERE"'), ('capture_dir', '"NOWHERE"'),
    ('smtpd_processes', '3'), ('user', '"nobody"'),
    ('net_user', '"nobody"'), ('admin_group', '"daemon"'),
])
def test_options_that_need_a_restart_are_refused(postern, tmp_path, key, value):
    nowhere = tmp_path / 'nowhere'
    value = value.replace('NOWHERE', str(nowhere))
    text = [line for line in postern.config_path.read_text().splitlines()
            if not line.startswith(f'{key} =')]
    before = postern.ctl('status')['config_generation']
    postern.config_path.write_text('\n'.join([f'{key} = {value};', *text]))
    with pytest.raises(CtlError) as caught:
        postern.ctl('reload')
    assert caught.value.status == 1
    assert key in caught.value.message and 'restart' in caught.value.message
    assert postern.ctl('status')['config_generation'] == before
    assert not nowhere.exists()         # nothing was made for it


def sockets_of(pid):
    for fd in os.listdir(f'/proc/{pid}/fd'):
        with contextlib.suppress(OSError):
            target = os.readlink(f'/proc/{pid}/fd/{fd}')
            if target.startswith('socket:['):
                yield target[8:-1]


@pytest.mark.skipif(not IS_ROOT, reason='only root may see what the roles have open')
def test_processes_share_the_clients(make_postern):
    postern = make_postern(smtpd_processes=2)
    pids = {pid: name for name, pid in postern.roles().items() if name.startswith('smtpd')}
    assert len(pids) == 2

    def clients(pid):
        with open(f'/proc/{pid}/net/tcp', encoding='ascii') as table:
            ends = {row.split()[9] for row in list(table)[1:]}
        return sum(1 for fd in sockets_of(pid) if fd in ends)
    with contextlib.ExitStack() as stack:
        # the kernel wakes both; which one is faster depends on what else it has to do
        for _ in range(40):
            stack.enter_context(postern.client(tls='none'))
        while min(clients(pid) for pid in pids) < 5:
            stack.enter_context(postern.client(tls='none'))
