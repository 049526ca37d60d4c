"""Profiles that take the rest from what is known of their provider."""
import json
import pathlib
import re
import subprocess

import pytest

from posternd import CtlError, SOURCE, free_ports, wait_until

MESSAGE = b'From: <a@example.com>\r\nSubject: x\r\n\r\nhello\r\n'


def entry(host, name='house', **more):
    lines = {'title': f'"{name}"', 'host': f'"{host.address}"', 'port': host.port, 'tls': '"none"', **more}
    return f'{name} = {{ ' + ' '.join(f'{key} = {value};' for key, value in lines.items()) + ' };\n'


@pytest.fixture
def house(make_postern, sink, tmp_path):
    """A posternd with a provider of its own, which is `sink`."""
    path = tmp_path / 'providers.conf'
    path.write_text(entry(sink, hints='[ "Mind the step." ]', recipient_rate='"500/d"'))
    postern = make_postern(config=f'providers = "{path}";')
    postern.providers_path = path
    return postern


def send(postern, user):
    with postern.client(user) as client:
        client.sendmail('a@example.com', ['b@example.net'], MESSAGE)


def test_name_is_all_that_a_profile_needs(house, sink):
    done = house.run_ctl('profile', 'add', 'up', '--provider', 'house')
    assert (done.returncode, done.stdout) == (0, 'note: Mind the step.\n')
    send(house, house.add_user())
    sink.wait_for(1)
    shown = house.ctl('profile', 'show', 'up')
    assert (shown['provider'], shown['port'], shown['recipient_rate']) == (
        'house', sink.port, '500/d')
    assert shown['budget'], shown


def test_chosen_options_come_first(house, sink, make_upstream):
    other = make_upstream()
    house.ctl('profile', 'add', 'up', '--provider', 'house', '--port', other.port, '--tls', 'none',
              '--recipient-rate', 'none')
    send(house, house.add_user())
    other.wait_for(1)
    assert sink.messages == []
    house.ctl('profile', 'set', 'up', '--port', '', '--tls', '')
    send(house, house.ctl('user', 'reset-password', 'shop'))
    sink.wait_for(1)


def test_reload_brings_what_is_in_the_file_now(house, sink, make_upstream):
    other = make_upstream()
    house.ctl('profile', 'add', 'up', '--provider', 'house')
    house.providers_path.write_text(entry(other))
    house.ctl('reload')
    wait_until(lambda: house.ctl('profile', 'show', 'up')['port'] == other.port, 'the new port')
    send(house, house.add_user())
    other.wait_for(1)


def test_mail_waits_while_the_provider_is_gone(house, sink):
    house.ctl('profile', 'add', 'up', '--provider', 'house')
    user = house.add_user()
    house.providers_path.write_text(entry(sink, 'other'))
    house.expect_trouble("profile up can't be used, its mail waits: provider: there is no provider house")
    house.ctl('reload')
    wait_until(lambda: house.ctl('profile', 'show', 'up')['problem'], 'the problem')
    house.wait_for_log("profile up can't be used, its mail waits")
    listed, = house.ctl('profile', 'ls')        # before its first mail
    assert listed['state'] == 'stopped' and 'there is no provider house' in listed['last_error']
    assert listed['port'] is None and listed['tls'] is None
    send(house, user)
    house.wait_for_log('event=profile-stopped', 'there is no provider house')
    assert len(house.queued()) == 1 and sink.messages == []
    house.providers_path.write_text(entry(sink))
    house.ctl('reload')
    sink.wait_for(1)
    house.wait_until_queue_is(0)


@pytest.mark.parametrize('text, says', [
    ('house = { title = "x"; host = "h"; port = "25"; };\n', r'providers\.conf:1: house\.port: must be'),
    ('\nhouse = {', r'providers\.conf:\d: syntax error'),
])
def test_mistake_is_named_and_a_reload_changes_nothing(house, sink, text, says):
    house.ctl('profile', 'add', 'up', '--provider', 'house')
    house.providers_path.write_text(text)
    house.expect_trouble('refused')
    with pytest.raises(CtlError) as caught:
        house.ctl('reload')
    assert re.search(says, caught.value.message), caught.value.message
    assert house.ctl('provider', 'show', 'house')['port'] == sink.port
    done = subprocess.run([house.programs['posternd'], '-n', '-c', house.config_path],
                          capture_output=True, text=True)
    assert done.returncode == 78 and re.search(says, done.stderr), done.stderr


def test_file_that_is_missing_is_an_error_of_the_config(house):
    house.providers_path.unlink()
    done = subprocess.run([house.programs['posternd'], '-n', '-c', house.config_path],
                          capture_output=True, text=True)
    assert done.returncode == 78
    assert re.search(r'postern\.conf:\d+: providers: cannot open', done.stderr), done.stderr


def test_those_that_come_along(postern):
    """Where postern was installed; a build directory has none."""
    known = postern.ctl('provider', 'ls')
    if not known:
        pytest.skip('nothing was installed')
    text = pathlib.Path(SOURCE / 'conf' / 'providers.conf').read_text('utf-8')
    assert [provider['name'] for provider in known] == re.findall(r'(?m)^([a-z0-9-]+) = \{', text)
    gmail = postern.ctl('provider', 'show', 'gmail')
    assert gmail['host'] == 'smtp.gmail.com' and any('app password' in hint for hint in gmail['hints'])
    postern.ctl('profile', 'add', 'g', '--provider', 'gmail', '--username', 'a@gmail.com',
                '--password-stdin', stdin='secret\n')
    shown = postern.ctl('profile', 'show', 'g')
    assert (shown['host'], shown['port'], shown['tls'], shown['recipient_rate']) == (
        'smtp.gmail.com', 587, 'starttls', '500/d')


def test_failed_test_says_class_rule_and_what_is_known_of_the_provider(house, make_upstream):
    """Here the host alone tells whose it is."""
    house.providers_path.write_text(house.providers_path.read_text().replace('hints', 'aliases = [ "*.0.1" ]; hints'))
    house.ctl('reload')
    house.wait_for_log('event=config')
    host = make_upstream('auth: reply 535 5.7.8 No', auth=('PLAIN',))
    added = house.run_ctl('profile', 'add', 'up', '--host', host.address, '--port', host.port, '--tls', 'none',
                          '--username', 'kate', '--password-stdin', stdin='x\n')
    assert (added.returncode, added.stdout) == (0, 'note: Mind the step.\n')
    done = house.run_ctl('profile', 'test', 'up')
    assert done.returncode == 1
    assert done.stdout.endswith('\nclass auth-bad, rule by-phase\nhouse: Mind the step.\n'), done.stdout
    assert 'posternctl profile set up --username' in done.stderr and 'posternctl provider show house' in done.stderr
    result = json.loads(house.run_ctl('-j', 'profile', 'test', 'up').stdout)
    assert [result[name] for name in ('ok', 'class', 'rule', 'provider', 'hints')] == [
        False, 'auth-bad', 'by-phase', 'house', ['Mind the step.']]
    # Of several hosts all have to be its own.
    for other, provider in (('127.1.0.1', 'house'), ('127.0.0.2', None)):
        house.ctl('profile', 'set', 'up', '--host', f'{host.address},{other}', '--password-stdin', stdin='y\n')
        result = json.loads(house.run_ctl('-j', 'profile', 'test', 'up').stdout)
        assert result.get('provider') == provider, result
    # Nothing of that helps where nobody answers.
    house.ctl('profile', 'set', 'up', '--port', free_ports(1)[0])
    assert 'Mind' not in house.run_ctl('profile', 'test', 'up').stdout
