"""More real clients: each sends one message through TLS and AUTH, which arrives as it was sent."""
import pathlib
import shutil
import subprocess

import pytest

from test_clients import MESSAGE, RECIPIENT, SENDER, caught, needs, received, run  # noqa: F401
from testca import TestCa

CLIENTS = pathlib.Path(__file__).parent / 'clients'
JARS = [pathlib.Path(f'/usr/share/java/javax.{name}.jar') for name in ('mail', 'activation')]
WORDPRESS = pathlib.Path('/usr/share/wordpress/wp-settings.php')

pytestmark = pytest.mark.user


def needs_file(path, package):
    return pytest.mark.skipif(not pathlib.Path(path).exists(), reason=f'{package} is not installed')


def port_of(caught, tls):
    return caught.tls_port if tls == 'implicit' else caught.port


def has_text_and_picture(message):
    text, picture = message.iter_parts()
    assert text.get_content().replace('\r\n', '\n').rstrip('\n') == 'Grüße\n.\n..'
    assert picture.get_content() == bytes(range(256)) * 40


# ---- Symfony Mailer: Symfony, Magento from 2.4.8 on, Drupal, Laravel ----

needs_symfony = needs_file('/usr/share/php/Symfony/Component/Mailer/autoload.php',
                           'php-symfony-mailer')


def symfony(caught, tls, password=None):
    return ['php', CLIENTS / 'symfony.php', port_of(caught, tls), caught.user['login'],
            password or caught.user['password'], caught.ca_path, SENDER, RECIPIENT, tls]


@needs_symfony
@pytest.mark.parametrize('tls', ['starttls', 'implicit'])
def test_symfony_mailer(caught, tls):
    run(*symfony(caught, tls))
    has_text_and_picture(received(caught))
    assert caught.log_lines('event=accepted', 'priority=1')


@needs_symfony
def test_symfony_mailer_tries_all_mechanisms_and_stays_one_guess(caught):
    """It tries each mechanism that is offered with the same password, and says what it heard."""
    done = subprocess.run([str(word) for word in symfony(caught, 'starttls', password='wrong')],
                          capture_output=True, timeout=60, text=True)
    assert done.returncode == 1 and '535' in done.stderr
    assert not caught.log_lines('event=accepted')
    run(*symfony(caught, 'starttls'))
    received(caught)


# ---- JavaMail: Java's shops, CRMs, Jenkins ----

@pytest.fixture(scope='session')
def java_class(tmp_path_factory):
    folder = tmp_path_factory.mktemp('java')
    run('javac', '-encoding', 'utf-8', '-cp', ':'.join(map(str, JARS)), '-d', folder,
        CLIENTS / 'JavaMail.java')
    return folder


def javamail(caught, folder, tls, *more):
    store = caught.directory / 'trusted.p12'
    run('keytool', '-importcert', '-noprompt', '-alias', 'postern', '-file', caught.ca_path,
        '-keystore', store, '-storetype', 'PKCS12', '-storepass', 'changeit')
    return ['java', '-Xshare:auto', f'-Djavax.net.ssl.trustStore={store}',
            '-Djavax.net.ssl.trustStorePassword=changeit', '-cp',
            ':'.join(map(str, [folder, *JARS])), 'JavaMail', port_of(caught, tls),
            caught.user['login'], caught.user['password'], SENDER, RECIPIENT, tls, *more]


@needs('javac')
@needs_file(JARS[0], 'libmail-java')
@pytest.mark.parametrize('tls, more', [('starttls', ()), ('implicit', ('LOGIN',))])
def test_javamail(caught, java_class, tls, more):
    run(*javamail(caught, java_class, tls, *more))
    has_text_and_picture(received(caught))
    assert caught.log_lines('event=accepted', 'priority=2')


# ---- s-nail: what cron and scripts call as mail ----

@needs('s-nail')
@pytest.mark.parametrize('tls', ['starttls', 'implicit'])
def test_s_nail(caught, tls):
    scheme = 'smtps' if tls == 'implicit' else 'smtp'
    password = caught.user['password']
    settings = {'mta': f'{scheme}://{caught.user["login"]}:{password}@localhost:{port_of(caught, tls)}',
                'smtp-use-starttls': None if tls == 'implicit' else '', 'tls-ca-file': caught.ca_path,
                'tls-verify': 'strict', 'smtp-auth': 'plain', 'from': SENDER, 'v15-compat': 'yes',
                'sendwait': ''}
    words = [word for key, value in settings.items() if value is not None
             for word in ('-S', f'{key}={value}' if value != '' else key)]
    run('s-nail', '-:/', *words, '-s', 'order 42', RECIPIENT, stdin=b'first line\n.dot\n')
    assert '.dot' in received(caught).get_content()


# ---- Perl's Net::SMTP, and git send-email on top of it ----

@needs_file('/usr/share/perl5/Net/SMTP/SSL.pm', 'libnet-smtp-ssl-perl')
@pytest.mark.parametrize('tls', ['starttls', 'implicit'])
def test_net_smtp(caught, tls):
    run('perl', CLIENTS / 'net_smtp.pl', port_of(caught, tls), caught.user['login'],
        caught.user['password'], caught.ca_path, SENDER, RECIPIENT, tls)
    assert received(caught).get_payload().replace('\r\n', '\n') == \
        'first line\n.\n..two dots\nlast line\n'


@needs_file('/usr/lib/git-core/git-send-email', 'git-email')
@pytest.mark.parametrize('tls', ['tls', 'ssl'])
def test_git_send_email(caught, tls):
    patch = caught.directory / 'a.patch'
    patch.write_text(f'From 0 Mon Sep 17 00:00:00 2001\nFrom: Shop <{SENDER}>\n'
                     'Date: Sat, 21 Nov 2026 10:00:00 +0000\nSubject: order 42\n\nwords\n\n---\n')
    run('git', 'send-email', '--quiet', '--suppress-cc=all', '--confirm=never', '--from', SENDER,
        '--to', RECIPIENT, '--smtp-server', 'localhost', '--smtp-server-port',
        port_of(caught, 'implicit' if tls == 'ssl' else 'starttls'), '--smtp-encryption', tls,
        '--smtp-ssl-cert-path', caught.ca_path, '--smtp-user', caught.user['login'], '--smtp-pass',
        caught.user['password'], patch,
        env={'HOME': str(caught.directory), 'GIT_CONFIG_NOSYSTEM': '1',
             'GIT_COMMITTER_NAME': 'Shop', 'GIT_COMMITTER_EMAIL': SENDER,
             'GIT_AUTHOR_NAME': 'Shop', 'GIT_AUTHOR_EMAIL': SENDER})
    assert 'words' in received(caught).get_content()


# ---- WordPress itself ----

def wordpress(caught, *, name='localhost', ca=None, sender=SENDER):
    content = caught.directory / 'wp-content'
    content.mkdir(exist_ok=True)
    return ['php', CLIENTS / 'wordpress.php', content, name, caught.port, caught.user['login'],
            caught.user['password'], ca or caught.ca_path, sender, RECIPIENT]


@needs_file(WORDPRESS, 'wordpress')
def test_wordpress_that_trusts_our_ca(caught):
    run(*wordpress(caught))
    assert received(caught).get_content().replace('\r\n', '\n') == 'first line\n.\n..two dots\n\n'


@needs_file(WORDPRESS, 'wordpress')
def test_wordpress_with_its_own_sender_is_told_which_address_is_wrong(caught):
    """Until a sender is set WordPress sends as wordpress@ its site, which few users may."""
    done = subprocess.run([str(word) for word in wordpress(caught, sender='')],
                          capture_output=True, timeout=60, text=True)
    assert done.returncode == 1, done
    assert '<wordpress@shop.example.com>: sender not authorized for user shop' in done.stderr
    caught.wait_for_log('event=blocked', 'from=<wordpress@shop.example.com>')


@needs_file(WORDPRESS, 'wordpress')
def test_wordpress_and_a_certificate_for_a_name(make_postern, tmp_path):
    """As with a certificate that was bought: the client trusts its CA anyway, the name must fit."""
    ca = TestCa(tmp_path / 'ca')
    bought = ca.issue('bought', names=['mail.shop.example'])
    postern = make_postern(
        config=f'tls = {{ certificate = "{bought.certificate}"; key = "{bought.key}"; }};')
    postern.maildir = postern.add_capture()
    postern.user = postern.add_user('shop', '--domains', 'example.com')
    done = subprocess.run([str(word) for word in wordpress(postern, ca=ca.path)],
                          capture_output=True, timeout=60, text=True)
    assert done.returncode == 1
    run(*wordpress(postern, name='mail.shop.example', ca=ca.path))
    received(postern)
