"""Several hosts of one profile: which one takes the mail, and what is no reason to try another."""
import pytest

from fakehost import FakeHost
from posternd import free_ports, wait_until
from testca import TestCa

MESSAGE = b'From: <a@example.com>\r\nSubject: x\r\n\r\nx\r\n'
HOSTS = ('127.0.0.2', '127.0.0.3')


@pytest.fixture
def relay(make_postern):
    """A profile of two hosts on one port, the first as `first` has it, None: nobody is there."""
    made = []

    def make(first, *options, stdin='', second='', first_settings=None, **settings):
        port = free_ports(1)[0]
        hosts = [None if script is None else FakeHost(script, address=address, port=port,
                                                      **{**settings, **own})
                 for script, address, own in ((first, HOSTS[0], first_settings or {}),
                                              (second, HOSTS[1], {}))]
        made.extend(host for host in hosts if host is not None)
        postern = make_postern(config='queue = { retry = "1s 1s 1s"; };')
        postern.expect_trouble('upstream=127')
        postern.ctl('profile', 'add', 'upstream', '--host', f' {HOSTS[0]} ; {HOSTS[1]}', '--port',
                    port, '--default', *options, stdin=stdin)
        user = postern.add_user()

        def send():
            with postern.client(user) as client:
                client.sendmail('a@example.com', ['b@example.net'], MESSAGE)
        return postern, hosts, send

    yield make
    for host in made:
        host.close()


def profile(postern):
    return postern.ctl('profile', 'show', 'upstream')


@pytest.mark.parametrize('script,words', [
    (None, 'Connection refused'),
    ('banner: reply 421 4.3.2 Not now', 'Not now'),
    ('banner: reply 554 5.3.2 No SMTP service here', 'No SMTP service here'),
    ('banner: drop', 'connect'),
    ('ehlo: drop', 'ehlo'),
])
def test_next_host_takes_the_mail(relay, script, words):
    postern, (first, second), send = relay(script, '--messages-per-connection', '1')
    send()
    second.wait_for(1)
    send()
    send()
    second.wait_for(3)
    postern.wait_until_queue_is(0)
    assert len(postern.wait_for_log('event=problem', 'profile=upstream', HOSTS[0], words)) == 1
    assert f'upstream={HOSTS[1]}[' in str(postern.wait_for_log('event=delivered', count=3))
    assert first is None or len(first.connections) == 1     # it was left alone from then on
    shown = profile(postern)
    assert (shown['state'], shown['last_error']) == ('ok', None)
    assert shown['hosts'] == list(HOSTS) and shown['host'] == ';'.join(HOSTS)


@pytest.mark.parametrize('script,options', [
    ('auth: reply 535 5.7.8 No such user', ('--username', 'user', '--password-stdin')),
    ('auth: reply 454 4.7.0 Later', ('--username', 'user', '--password-stdin')),
    ('banner: reply 421 4.7.0 Too many connections from you', ()),
    ('banner: reply 421 4.7.0 Try again in 30 minutes', ()),
])
def test_what_a_host_says_of_us_holds_for_all(relay, script, options):
    postern, (first, second), send = relay(script, *options, '--tls', 'none', stdin='secret\n',
                                           auth=('CRAM-MD5',))
    send()
    wait_until(lambda: profile(postern)['last_error'], 'a problem')
    assert len(first.connections) >= 1 and not second.connections
    assert len(postern.queued()) == 1


def test_none_can_be_used(relay):
    postern, (_, second), send = relay(None, second='banner: reply 421 4.3.2 Closed today')
    send()
    wait_until(lambda: profile(postern)['last_error'], 'a problem')
    error = profile(postern)['last_error']
    assert f'421 4.3.2 Closed today ({HOSTS[1]}); connect: {HOSTS[0]}:' in error, error
    second.set_script('')
    postern.ctl('profile', 'resume', 'upstream')
    second.wait_for(1)


def test_certificate_is_for_the_host_in_use(relay, tmp_path):
    ca = TestCa(tmp_path / 'ca')
    wrong, right = [ca.issue(name, names=['h.example'], addresses=[address])
                    for name, address in (('wrong', '127.0.0.9'), ('right', HOSTS[1]))]
    postern, (first, second), send = relay(
        '', '--tls', 'starttls', '--ca', ca.path, tls='starttls', certificate=right.certificate,
        key=right.key, first_settings={'certificate': wrong.certificate, 'key': wrong.key})
    send()
    second.wait_for(1)
    postern.wait_for_log('event=problem', HOSTS[0], 'certificate')
    assert not first.messages


def test_advice_for_one_host_keeps_the_others(relay, tmp_path):
    """Both have another name; what the advice says is done."""
    ca = TestCa(tmp_path / 'ca')
    names = [ca.issue(name, names=['localhost'], addresses=[]) for name in ('first', 'second')]
    postern, _, _ = relay(
        '', '--tls', 'starttls', '--ca', ca.path, tls='starttls', certificate=names[1].certificate,
        key=names[1].key, first_settings={'certificate': names[0].certificate, 'key': names[0].key})
    words = postern.run_ctl('profile', 'test', 'upstream').stderr
    assert f'posternctl profile set upstream --host {HOSTS[0]},localhost)' in words, words
    assert 'all its hosts need it then' in words
    changed = postern.ctl('profile', 'set', 'upstream', '--host', f'{HOSTS[0]},localhost')
    assert changed['hosts'] == [HOSTS[0], 'localhost']


def test_profile_test_walks_the_hosts(relay):
    postern, (first, second), _ = relay('banner: reply 421 4.3.2 Not now')
    result = postern.ctl('profile', 'test', 'upstream', '--to', 'me@example.com')
    second.wait_for(1)
    assert result['ok'] and result['host'] == HOSTS[1] and result['failed_hosts'] == [HOSTS[0]]
    steps = [(step['step'], step['ok']) for step in result['steps']]
    assert steps == [('name', True), ('connect', True), ('greeting', False), ('name', True),
                     ('connect', True), ('greeting', True), ('ehlo', True), ('mail', True)]
    assert '421 4.3.2 Not now' in result['steps'][2]['detail']
    said = postern.run_ctl('profile', 'test', 'upstream').stdout
    assert f'it works: {HOSTS[1]} port' in said and f'note: {HOSTS[0]} could not be used' in said
    first.set_script('')
    assert postern.ctl('profile', 'test', 'upstream')['host'] == HOSTS[0]
    first.close(), second.close()
    done = postern.run_ctl('profile', 'test', 'upstream')
    assert done.returncode == 1 and 'Nothing answers there' in done.stderr
    assert HOSTS[0] in done.stdout and HOSTS[1] in done.stdout
