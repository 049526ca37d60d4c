"""Which of several profiles takes whose mail, and who may use one."""
import pytest

from posternd import CtlError


def send(postern, user, header_from, sender=None):
    message = f'From: {header_from}\r\nSubject: x\r\n\r\nhello\r\n'.encode()
    with postern.client(user) as client:
        client.sendmail(sender or 'bounces@else.example', ['b@example.net'], message)


@pytest.fixture
def hosts(postern, make_upstream):
    """The default profile, and one for news@a.example."""
    hosts = {name: make_upstream() for name in ('office', 'news')}
    postern.add_upstream(hosts['office'], 'office')
    postern.ctl('profile', 'add', 'news', '--host', hosts['news'].address, '--port',
                hosts['news'].port, '--from', 'news@a.example')
    return hosts


def test_sender_decides_where_nobody_names_a_profile(postern, hosts):
    user = postern.add_user()
    send(postern, user, 'News <news@a.example>')
    hosts['news'].wait_for(1)
    send(postern, user, 'sales@A.example')
    hosts['news'].wait_for(2)
    send(postern, user, 'x@b.example', 'x@a.example')
    hosts['news'].wait_for(3)
    send(postern, user, 'x@b.example')
    hosts['office'].wait_for(1)
    postern.ctl('user', 'set', 'shop', '--profile', 'office')
    send(postern, user, 'news@a.example')
    hosts['office'].wait_for(2)
    assert len(hosts['news'].messages) == 3


def test_queued_mail_follows_over_a_restart(postern, hosts, make_upstream):
    user = postern.add_user()
    for name in ('news', 'office'):
        postern.ctl('profile', 'pause', name)
    send(postern, user, 'news@a.example')
    send(postern, user, 'x@b.example')
    postern.restart()
    listed = {message['profile'] for message in postern.queued()}
    assert listed == {'news', 'office'}
    assert len(postern.queued('--profile', 'news')) == 1
    assert len(postern.queued('--user', 'shop')) == 2
    postern.ctl('profile', 'set', 'news', '--from', '')
    assert len(postern.queued('--profile', 'office')) == 2
    postern.ctl('profile', 'set', 'news', '--from', 'else@a.example')
    postern.ctl('profile', 'resume', 'news')
    hosts['news'].wait_for(1)
    postern.ctl('profile', 'resume', 'office')
    hosts['office'].wait_for(1)
    postern.wait_until_queue_is(0)


def test_who_may_not_use_a_profile_is_told(postern, hosts):
    postern.add_user('shop'), postern.add_user('crm', list_name='crm')
    postern.ctl('profile', 'set', 'news', '--available', 'web')
    for arguments in (('user', 'set', 'crm'), ('list', 'set', 'crm')):
        with pytest.raises(CtlError, match='news is not available to'):
            postern.ctl(*arguments, '--profile', 'news')
    postern.ctl('user', 'set', 'shop', '--profile', 'news')
    postern.ctl('profile', 'set', 'news', '--available', 'crm;user:SHOP')
    assert postern.ctl('profile', 'show', 'news')['available'] == ['crm', 'user:shop']


def test_not_chosen_for_whom_it_is_not(postern, hosts):
    shop, crm = postern.add_user('shop'), postern.add_user('crm', list_name='crm')
    postern.ctl('profile', 'set', 'news', '--available', 'crm')
    send(postern, crm, 'news@a.example')
    hosts['news'].wait_for(1)
    send(postern, shop, 'news@a.example')
    hosts['office'].wait_for(1)


def test_mail_waits_when_its_profile_is_not_available_any_more(postern, hosts):
    user = postern.add_user()
    postern.ctl('user', 'set', 'shop', '--profile', 'news')
    postern.ctl('profile', 'pause', 'news')
    send(postern, user, 'x@b.example')
    postern.ctl('profile', 'set', 'news', '--available', 'user:shop')
    postern.ctl('list', 'add', 'crm')
    postern.ctl('profile', 'set', 'news', '--available', 'crm')
    postern.ctl('profile', 'resume', 'news')
    reason = 'profile news is not available to user shop of list web'
    assert postern.queued()[0]['reason'] == reason
    postern.wait_for_log('event=held', f'reason="{reason}"')
    assert reason in [alert for alert in postern.ctl('alert', 'ls')
                      if alert['kind'] == 'no-profile'][0]['detail']
    with postern.client(user) as client:
        assert client.mail('x@b.example')[0] == 451
    postern.ctl('user', 'set', 'shop', '--profile', '')
    hosts['office'].wait_for(1)
    assert hosts['news'].messages == []
