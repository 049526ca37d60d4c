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


def explained(postern, user, sender, *options):
    return postern.ctl('explain', '--user', user, '--from', sender, *options)


def test_explanation_says_which_way_and_why(postern, hosts):
    postern.add_user('shop', '--domains', 'a.example;c.example', '--senders', 'x@b.example',
                     '--priority', '4', '--priority-max', '2')
    answer = explained(postern, 'shop', 'news@a.example', '--to', 'b@example.net')
    assert answer['authorized'] and answer['authorization'] == 'user shop may send as a.example'
    assert (answer['profile'], answer['through']) == ('news', 'news')
    assert answer['rule'] == 'a profile with this sender address'
    assert [step['rule'] for step in answer['tried']] == [
        "the user's profile", "its list's profile", 'a profile with this sender address']
    assert (answer['priority'], answer['priority_max']) == (4, 2)
    assert answer['state']['state'] == 'ok' and answer['ready'] == [0, 0, 0, 0, 0]
    answer = explained(postern, 'shop', 'x@B.example')
    assert answer['authorized'] and (answer['profile'], answer['rule']) == (
        'office', 'the default profile')
    answer = explained(postern, 'shop', 'y@b.example')
    assert not answer['authorized'] and answer['unauthorized'] == 'block'
    postern.ctl('list', 'set', 'web', '--profile', 'office', '--unauthorized', 'alert')
    answer = explained(postern, 'shop', 'news@a.example')
    assert (answer['profile'], answer['rule']) == ('office', "its list's profile")
    assert answer['unauthorized'] == 'alert'


def test_explanation_says_what_waits_before_it(postern, hosts):
    user = postern.add_user()
    postern.ctl('profile', 'set', 'office', '--rate', '1000/d')
    postern.ctl('profile', 'pause', 'office')
    for priority in ('Importance: high', 'X-Priority: 3', 'X-Priority: 3'):
        with postern.client(user) as client:
            client.sendmail('x@b.example', ['b@example.net'], (
                f'From: x@b.example\r\n{priority}\r\nSubject: x\r\n\r\nhello\r\n').encode())
    answer = explained(postern, 'shop', 'x@b.example')
    assert answer['state']['state'] == 'paused' and answer['state']['waiting'] == 3
    assert answer['ready'] == [0, 1, 2, 0, 0]
    assert answer['state']['budget'][0]['messages_left'] == 1000
    shown = postern.run_ctl('explain', '--user', 'shop', '--from', 'x@b.example').stdout
    assert 'profile:   office, the default profile' in shown
    assert '1 ready messages of a higher priority, 2 of the same' in shown
    assert 'state:     paused' in shown and '1000 of 1000 messages left' in shown


@pytest.mark.parametrize('arguments, status, says', [
    (['--user', 'shop'], 2, '--user and --from'),
    (['--user', 'none', '--from', 'a@b.example'], 1, 'there is no user none'),
    (['--user', 'shop', '--from', 'a'], 1, 'from: '),
    (['--user', 'shop', '--from', '<>'], 1, 'from: '),
    (['--user', 'shop', '--from', 'a@b.example', '--to', 'b'], 1, 'to: '),
])
def test_question_that_cannot_be_answered(postern, arguments, status, says):
    postern.add_user()
    with pytest.raises(CtlError) as caught:
        postern.ctl('explain', *arguments)
    assert caught.value.status == status and says in caught.value.message


def test_explanation_for_whom_no_profile_is_available(postern):
    user = postern.add_user()
    postern.add_user('crm')
    postern.ctl('profile', 'add', 'office', '--host', '127.0.0.1', '--default',
                '--available', 'user:crm')
    assert explained(postern, 'shop', 'a@b.example')['accepted'] is False
    assert explained(postern, 'crm', 'a@b.example')['accepted'] is True
    shown = postern.run_ctl('explain', '--user', 'shop', '--from', 'a@b.example').stdout
    assert 'office is not available to the user' in shown and '--available' in shown
    with postern.client(user) as client:
        client.ehlo()
        code, text = client.mail('a@b.example')
    assert code == 451 and b'lets the user use one that there is' in text
    # Mail of another sender than the one a profile has is accepted, and waits.
    postern.ctl('profile', 'add', 'own', '--host', '127.0.0.1', '--from', 'o@c.example')
    assert explained(postern, 'shop', 'a@b.example')['accepted'] is True
    assert 'is accepted, and waits' in postern.run_ctl(
        'explain', '--user', 'shop', '--from', 'a@b.example').stdout


def test_explanation_without_a_way(postern):
    postern.add_user()
    answer = explained(postern, 'shop', 'a@b.example')
    assert (answer['profile'], answer['rule'], answer['state']) == (None, 'none', None)
    shown = postern.run_ctl('explain', '--user', 'shop', '--from', 'a@b.example').stdout
    assert 'none: new mail of this user is refused at MAIL with 451 4.3.5' in shown
    assert 'profile add NAME' in shown
    postern.ctl('user', 'set', 'shop', '--active', 'no')
    assert not explained(postern, 'shop', 'a@b.example')['authorized']
