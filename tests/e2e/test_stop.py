"""A stop while something is under way that takes its time."""
import contextlib
import json
import os
import signal
import subprocess
import time

import pytest

from posternd import PATIENCE_S, Api

SOON_S = 8      # with sanitizers, on a busy machine; it took 23 s when the test was waited for
WORDS = 'posternd is stopping, which ended this: try again once it runs'


def begin_test(postern, *options):
    return subprocess.Popen([postern.programs['posternctl'], '-s', postern.socket_path, 'profile', 'test',
                             'upstream', *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def stop_soon(postern):
    before = time.monotonic()
    postern.stop()
    took_s = time.monotonic() - before
    print(f'stopped within {took_s:.1f} s')
    assert took_s < SOON_S
    assert not postern.log_lines('event=role-restarted')


@pytest.mark.parametrize('event', ['banner', 'ehlo', 'auth', 'mail', 'dot', 'quit'])
def test_profile_test_of_an_upstream_that_hangs(postern, make_upstream, event):
    host = make_upstream(f'{event}: hold', auth=('PLAIN',))
    postern.add_upstream(host, 'upstream', '--tls', 'none', '--auth', 'plain', '--username', 'user',
                         '--password-stdin', stdin='secret\n')
    with begin_test(postern, '--to', 'me@example.net') as test:
        host.wait_until(lambda: host.is_holding)
        if event == 'quit':         # it has its answer
            assert test.communicate(timeout=PATIENCE_S)[1] == ''
        stop_soon(postern)
        steps, errors = test.communicate(timeout=PATIENCE_S)
    host.release()
    if event != 'quit':
        assert (test.returncode, errors) == (1, f'posternctl: {WORDS}\n')
        assert [line.split()[:2] for line in steps.splitlines()[1:3]] == [['name', 'yes'], ['connect', 'yes']]


def test_profile_tests_without_progress(postern, make_upstream):
    """Several; of an upstream that takes connections and never says a word."""
    host = make_upstream('banner: silent')
    postern.add_upstream(host, 'upstream')
    with contextlib.ExitStack() as stack:
        callers = [stack.enter_context(contextlib.closing(Api(postern.socket_path))) for _ in range(3)]
        for caller in callers:
            caller.request('POST', '/v1/profiles/upstream/test', '{}')
        host.wait_until(lambda: len(host.connections) >= 3)
        stop_soon(postern)
        for caller in callers:
            answer = caller.getresponse()
            assert answer.status == 503
            assert json.loads(answer.read()) == {'error': {'code': 'stopping', 'message': WORDS, 'field': None}}


def test_role_that_hangs_and_is_asked(make_postern):
    """control answers, and ends by itself, before the parent loses its patience with it."""
    postern = make_postern(config='drain = "9s";')
    pid = postern.roles()['queue']
    postern.expect_trouble('reason="role queue.* (did not finish in time|was ended by signal 9)')
    with contextlib.closing(Api(postern.socket_path)) as caller:
        os.kill(pid, signal.SIGSTOP)
        caller.request('GET', '/v1/messages')
        postern.wait_for_log('GET /v1/messages')
        postern.stop()
        answer = caller.getresponse()
        assert answer.status == 503 and json.loads(answer.read())['error']['code'] == 'stopping'
