"""What scanners find: nmap's scripts and testssl.sh against listeners as they are by default."""
import json
import re
import subprocess

import pytest

from posternd import PATIENCE_S

NOT_WORSE_THAN = ('OK', 'INFO', 'LOW')     # LOW are CBC ciphers, which old Windows needs


def nmap(port, *scripts, arguments=''):
    """The `+` runs a script whatever the port's number says."""
    done = subprocess.run(
        ['nmap', '-sT', '-Pn', '-n', '-p', str(port), '--script',
         ','.join(f'+{script}' for script in scripts), '--script-args', arguments, '127.0.0.1'],
        capture_output=True, text=True, timeout=PATIENCE_S * 4, check=True)
    assert f'{port}/tcp open' in done.stdout, done.stdout
    assert 'ERROR' not in done.stdout, done.stdout
    return done.stdout


def test_smtp_scripts(postern):
    found = nmap(postern.port, 'smtp-open-relay', 'smtp-commands', 'smtp-enum-users',
                 'smtp-ntlm-info', 'smtp-vuln-cve2010-4344', 'smtp-vuln-cve2011-1720',
                 'smtp-vuln-cve2011-1764')
    assert "Server isn't an open relay, authentication needed" in found
    assert "Couldn't perform user enumeration" in found
    assert re.search(r'(?<!NOT )VULNERABLE', found) is None, found
    assert '\n| smtp-commands: relay.example, PIPELINING' in found


def test_relaying_through_a_trusted_but_restricted_user(make_postern):
    """Its tries get past 530. Only the null sender does, whose right the header decides."""
    postern = make_postern(config='trusted = ( { network = "127.0.0.0/8"; user = "local"; } );')
    postern.add_capture()
    postern.add_user('local', '--domains', 'example.com')
    found = nmap(postern.port, 'smtp-open-relay', arguments='smtp-open-relay.to=relaytest@nmap.org')
    tries = re.findall(r'MAIL FROM:<([^>]*)> -> RCPT TO:', found)
    assert set(tries) <= {''}, found
    assert postern.queued() == []


@pytest.mark.parametrize('sender, recipient', [
    ('antispam@nmap.org', 'relaytest@nmap.org'), ('', 'relaytest@nmap.org'),
    ('antispam@relay.example', 'relaytest@nmap.org'),
    ('antispam@[127.0.0.1]', 'relaytest@nmap.org'),
    ('antispam@nmap.org', 'relaytest%nmap.org@[127.0.0.1]'),
    ('antispam@nmap.org', 'relaytest%nmap.org@relay.example'),
    ('antispam@nmap.org', '"relaytest@nmap.org"'), ('antispam@nmap.org', '"relaytest%nmap.org"'),
    ('antispam@nmap.org', 'relaytest@nmap.org@[127.0.0.1]'),
    ('antispam@nmap.org', '"relaytest@nmap.org"@[127.0.0.1]'),
    ('antispam@nmap.org', 'relaytest@nmap.org@relay.example'),
    ('antispam@nmap.org', '@[127.0.0.1]:relaytest@nmap.org'),
    ('antispam@nmap.org', '@relay.example:relaytest@nmap.org'),
    ('antispam@nmap.org', 'nmap.org!relaytest'),
    ('antispam@nmap.org', 'nmap.org!relaytest@[127.0.0.1]'),
    ('antispam@nmap.org', 'nmap.org!relaytest@relay.example')])
def test_every_try_without_and_with_a_login(shared, sender, recipient):
    """The 16 of smtp-open-relay, which stops at the first 530."""
    with shared.client(tls='none') as client:
        client.ehlo()
        assert client.docmd('MAIL', f'FROM:<{sender}>')[0] == 530
        assert client.docmd('RCPT', f'TO:<{recipient}>')[0] == 503
        assert client.docmd('DATA')[0] == 503
    with shared.client(shared.user) as client:
        if client.docmd('MAIL', f'FROM:<{sender}>')[0] == 250:
            assert sender == ''
            assert client.docmd('RCPT', f'TO:<{recipient}>')[0] == 250
            assert client.data('From: antispam@nmap.org\r\n\r\nx\r\n')[0] == 550
    assert shared.queued() == []


@pytest.fixture(scope='module')
def shared(tmp_path_factory):
    from posternd import Posternd
    with Posternd(tmp_path_factory.mktemp('postern')) as postern:
        postern.add_capture()
        postern.user = postern.add_user('shop', '--domains', 'example.com')
        yield postern


def test_ciphers(postern):
    found = nmap(postern.tls_port, 'ssl-enum-ciphers')
    assert re.findall(r'(SSLv\d|TLSv1\.\d):', found) == ['TLSv1.2', 'TLSv1.3']
    assert 'least strength: A' in found and 'warnings' not in found
    assert 'cipher preference: server' in found
    assert not re.search(r'anon|NULL_|EXPORT|RC4|3DES|_RSA_WITH', found), found


def test_testssl(postern, tmp_path):
    report = tmp_path / 'report'
    subprocess.run(['testssl', '--warnings', 'batch', '--quiet', '--color', '0', '--nodns', 'none',
                    '--ip', '127.0.0.1', '-t', 'smtp', '-p', '-s', '--jsonfile', report,
                    f'localhost:{postern.port}'], capture_output=True, check=False,
                   stdin=subprocess.DEVNULL, timeout=PATIENCE_S * 6)
    findings = {finding['id']: finding for finding in json.loads(report.read_text())}
    findings.pop('engine_problem', None)        # of the OpenSSL that testssl itself runs on
    bad = [finding for finding in findings.values() if finding['severity'] not in NOT_WORSE_THAN]
    assert not bad, bad
    for version in ('SSLv2', 'SSLv3', 'TLS1', 'TLS1_1'):
        assert findings[version]['finding'].startswith('not offered'), findings[version]
    for version in ('TLS1_2', 'TLS1_3'):
        assert findings[version]['finding'].startswith('offered'), findings[version]
