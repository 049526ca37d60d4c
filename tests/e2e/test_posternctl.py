"""What an operator meets at posternctl and its socket."""
import socket
import subprocess
import time

import pytest

from posternd import free_ports

pytestmark = pytest.mark.user


def test_clients_that_connect_and_leave_do_not_lock_others_out(postern):
    """More than the socket has places for; each place is free again at once."""
    for _ in range(200):
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(postern.socket_path))
    started = time.monotonic()
    assert postern.ctl('list', 'ls') == []
    assert time.monotonic() - started < 10


def test_s_without_a_value_is_an_unknown_command(postern):
    done = subprocess.run([postern.programs['posternctl'], 'list', 'ls', '-s'],
                          capture_output=True, text=True, timeout=30)
    assert done.returncode == 2 and '-s needs a value' in done.stderr


def test_help_of_a_noun_shows_other_nouns(postern):
    text = postern.run_ctl('help', 'list').stdout
    assert 'posternctl list add' in text and 'posternctl user' not in text


def test_profile_test_does_not_name_the_profile(postern):
    done = postern.run_ctl('profile', 'test', 'nope')
    assert done.returncode == 1 and 'there is no profile nope' in done.stderr


def test_profile_test_says_that_the_profile_is_paused(postern, make_upstream):
    postern.add_upstream(make_upstream())
    assert 'but' not in postern.run_ctl('profile', 'test', 'upstream').stdout
    postern.ctl('profile', 'pause', 'upstream')
    done = postern.run_ctl('profile', 'test', 'upstream')
    assert done.returncode == 0 and 'it works: ' in done.stdout
    assert 'but its mail waits: the profile is paused; posternctl profile resume' in done.stdout
    assert postern.ctl('profile', 'test', 'upstream')['standing']['state'] == 'paused'


def test_profile_test_finds_tls_behind_silence(postern, make_upstream):
    """Long before the timeout of a greeting."""
    postern.add_upstream(make_upstream(tls='implicit'), 'upstream', '--tls', 'starttls')
    started = time.monotonic()
    done = postern.run_ctl('profile', 'test', 'upstream')
    assert done.returncode == 1 and time.monotonic() - started < 30
    assert 'speaks TLS here' in done.stdout and '--tls implicit' in done.stderr


@pytest.mark.parametrize('phase', ['banner', 'auth'])
def test_steps_of_a_profile_test_show_when_they_are_done(postern, make_upstream, phase):
    """Before the next one is: that one may take minutes."""
    host = make_upstream(f'{phase}: hold', auth=('PLAIN',))
    postern.add_upstream(host, 'upstream', '--tls', 'none', '--auth', 'plain', '--username', 'user',
                         '--password-stdin', stdin='secret\n')
    with subprocess.Popen([postern.programs['posternctl'], '-s', postern.socket_path, 'profile', 'test', 'upstream'],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as test:
        done = [test.stdout.readline().split()[:2] for _ in range(3 if phase == 'banner' else 5)]
        host.wait_until(lambda: host.is_holding)
        host.release()
        rest, errors = test.communicate(timeout=30)
    assert done[:3] == [['STEP', 'OK'], ['name', 'yes'], ['connect', 'yes']], done
    assert test.returncode == 0 and errors == '', errors
    assert [line.split()[0] for line in rest.splitlines()][-2:] == ['auth', 'it'], rest
    assert (rest + str(done)).count('connect') == 1


def test_profile_test_of_what_is_not_there(postern):
    done = postern.run_ctl('profile', 'test', 'nothing')
    assert (done.returncode, done.stdout) == (1, '') and 'there is no profile nothing' in done.stderr


@pytest.mark.parametrize('script, connections', [('banner connection=1: sleep 12', 2), ('ehlo: sleep 12', 1)])
def test_profile_test_waits_for_who_is_merely_slow(postern, make_upstream, script, connections):
    """To greet, or with anything behind that, when nobody asks for TLS any more."""
    host = make_upstream(script)
    postern.add_upstream(host)
    done = postern.run_ctl('profile', 'test', 'upstream')
    assert done.returncode == 0 and done.stdout.splitlines()[-1].startswith('it works')
    assert len(host.connections) == connections


def test_status_counts_the_ports_and_names_none(make_postern):
    first, second, taken, alone = sorted(free_ports(4))

    def choose(postern):
        postern.listeners = (
            f'{{ address = "127.0.0.1"; ports = "{first},{second},{taken}"; }},'
            f'{{ address = "127.0.0.1"; ports = "{alone}"; }}')
        postern.expect_trouble(str(taken))
    with socket.create_server(('127.0.0.1', taken)):
        postern = make_postern(choose)
        listeners = postern.ctl('status')['listeners']
        text = postern.run_ctl('status').stdout
    assert [(row['ports'], row['bound'], row['skipped'], row['skipped_ports'])
            for row in listeners] == [
        (f'{first},{second},{taken}', 2, 1, str(taken)), (str(alone), 1, 0, '')]
    assert f'{first},{second},{taken}' in text and 'SKIPPED PORTS' in text


def test_an_alert_does_not_show_what_it_is_about(postern):
    user = postern.add_user('shop', '--senders', 'a@example.com')
    postern.add_capture()
    address = 'x' * 64 + '@' + '.'.join(['y' * 60] * 4)
    with postern.client(user) as client:
        client.ehlo()
        assert client.mail(address)[0] == 550
    alert, = postern.ctl('alert', 'ls')
    assert alert['address'] == address and alert['detail']
    heading, row = postern.run_ctl('alert', 'ls').stdout.splitlines()
    assert 'DETAIL' in heading and alert['detail'] in row
    assert address not in row.split(alert['detail'])[0] and f'{"x" * 19}…' in row
