"""A role that hangs: clients wait, or hear a 4xx by their deadline; then everything goes on."""
import contextlib
import os
import signal
import time

import pytest

from rig import peak_memory_mib


@contextlib.contextmanager
def stopped(pid):
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


@pytest.mark.parametrize('role', ['accounts0', 'queue0', 'relay0', 'smtpd0'])
def test_role_that_hangs_for_some_seconds(make_rig, role):
    rig = make_rig()
    rig.wait_for_progress(rig.random.randint(1, 50))
    with stopped(rig.pids()[role]):
        time.sleep(rig.random.uniform(1, 3))
    rig.wait_for_progress(50)
    refusals = rig.check()
    assert refusals == {}, 'nobody needs to be refused within the deadlines'
    assert not rig.postern.log_lines('event=role-restarted')
    assert not rig.kills


def test_accounts_that_hang_longer_than_clients_wait(make_rig):
    """Who wants to log in hears 454 and who is to be looked up 451, and never a 5xx."""
    rig = make_rig()
    rig.wait_for_progress(20)
    with stopped(rig.pids()['accounts0']):
        begun = time.monotonic()
        rig.wait_for_refusal('454 4.7.0')
        rig.wait_for_refusal('451 4.3.0')
        waited_s = time.monotonic() - begun
    rig.wait_for_progress(50)
    rig.check()
    assert waited_s > 15


def test_queue_that_hangs_holds_up_no_more_than_bodies(make_rig):
    """A client that sends on and on is made to wait: nothing piles up in smtpd."""
    rig = make_rig(load={'sessions': 20, 'small': '900000-1000000', 'pause': 0})
    rig.wait_for_progress(20)
    before = peak_memory_mib(rig)
    with stopped(rig.pids()['queue0']):
        time.sleep(3)
        after = peak_memory_mib(rig)
    assert max(after[name] - before[name] for name in after) < 32, (before, after)
    rig.wait_for_progress(20)
    rig.check()


def test_relay_that_hangs_while_the_house_stops(make_rig):
    """The stop is bounded all the same; what relay had is not lost."""
    rig = make_rig(config='drain = "6s";')
    rig.postern.expect_trouble('did not finish in time|ended by signal 9')
    rig.wait_for_progress(20)
    pid = rig.pids()['relay0']
    before = time.monotonic()
    with stopped(pid):
        rig.postern.stop()
    rig.kills.append(('relay0', before, time.monotonic()))
    print(f'stopped within {time.monotonic() - before:.1f} s')
    rig.postern.start()
    rig.check()
