"""The wall clock is set while mail waits: nothing waits longer than was meant, nothing is given up
or forgotten."""
import os
import pathlib
import subprocess

import pytest

from posternd import wait_until

LIBRARY = pathlib.Path(__file__).resolve().parents[1] / 'lib'
DAY = 86400
MAIL = b'Subject: x\r\n\r\nhello\r\n'
pytestmark = pytest.mark.user


@pytest.fixture(scope='session')
def setclock(tmp_path_factory):
    path = tmp_path_factory.mktemp('clock') / 'setclock.so'
    path.parent.chmod(0o755)
    subprocess.run([os.environ.get('CC', 'cc').split()[0], '-O1', '-shared', '-fPIC',
                    '-o', path, LIBRARY / 'setclock.c', '-ldl'], check=True)
    return path


@pytest.fixture
def make_clocked(make_postern, setclock):
    """posternds whose queue and accounts have a clock that can be set."""
    def prepare(postern):
        postern.environment = {
            'LD_PRELOAD': str(setclock),
            'ASAN_OPTIONS': os.environ.get('ASAN_OPTIONS', '') + ':verify_asan_link_order=0'}
        postern.expect_trouble('the clock was set')

    def make(**settings):
        return make_postern(prepare=prepare, **settings)
    return make


def set_clock(postern, seconds, direction):
    fresh = postern.state_dir / 'clock.new'
    fresh.write_text(str(seconds))
    fresh.chmod(0o644)
    fresh.rename(postern.state_dir / 'clock')
    postern.wait_for_log(f'the clock was set {direction} by')


def submit(postern, user, *options, recipient='b@example.net'):
    with postern.client(user) as client:
        client.ehlo()
        client.mail('a@example.com', list(options))
        client.rcpt(recipient)
        assert client.data(MAIL)[0] == 250


@pytest.mark.parametrize('seconds, direction', [(-DAY, 'back'), (DAY, 'forward')])
def test_deferred_message_goes_soon_and_is_not_given_up(make_clocked, make_upstream, seconds,
                                                        direction):
    postern = make_clocked(config='queue = { retry = "1h"; lifetime = "6h"; };')
    upstream = make_upstream('rcpt: reply 451 4.7.1 Come back later')
    postern.add_upstream(upstream)
    submit(postern, postern.add_user())
    postern.wait_until_queue_is(1, '--state', 'deferred')
    upstream.set_script('')
    set_clock(postern, seconds, direction)
    wait_until(lambda: len(upstream.messages) == 1, 'it is tried again, and taken')
    postern.wait_until_queue_is(0)
    assert not postern.log_lines('event=expired') and not postern.log_lines('event=bounced')


def test_profile_that_waited_is_tried_after_the_clock_was_set_back(make_clocked, make_upstream):
    postern = make_clocked()
    upstream = make_upstream('banner: reply 421 4.3.2 Not now')
    postern.expect_trouble('profile-stopped')
    postern.add_upstream(upstream)
    submit(postern, postern.add_user())
    postern.wait_for_log('event=profile-stopped')
    upstream.set_script('')
    set_clock(postern, -DAY, 'back')
    wait_until(lambda: len(upstream.messages) == 1, 'the profile is tried again')


def test_scheduled_message_keeps_its_time_whatever_the_clock_does(make_clocked, sink):
    """It names a time of the wall clock, and goes when that shows it."""
    postern = make_clocked()
    postern.add_upstream(sink)
    user = postern.add_user()
    submit(postern, user, f'HOLDFOR={2 * DAY}')
    set_clock(postern, -DAY, 'back')
    submit(postern, user, recipient='now@example.net')
    wait_until(lambda: len(sink.messages) == 1, 'what is not scheduled goes')
    assert sink.messages[0].recipients == ['now@example.net']
    postern.wait_until_queue_is(1)
    assert postern.queued()[0]['state'] == 'scheduled'
    set_clock(postern, 3 * DAY, 'forward')
    wait_until(lambda: len(sink.messages) == 2, 'its time has come')
    assert sink.messages[1].recipients == ['b@example.net']


def test_clock_that_was_set_while_nobody_ran(make_clocked, make_upstream):
    postern = make_clocked(config='queue = { retry = "1h"; };')
    upstream = make_upstream('rcpt: reply 451 4.7.1 Come back later')
    postern.add_upstream(upstream)
    submit(postern, postern.add_user())
    postern.wait_until_queue_is(1, '--state', 'deferred')
    postern.stop()
    upstream.set_script('')
    (postern.state_dir / 'clock').write_text(str(-DAY))
    (postern.state_dir / 'clock').chmod(0o644)
    postern.start()
    wait_until(lambda: len(upstream.messages) == 1, 'it is tried again, and taken')
