"""testca - a certificate authority for one test, with certificates good and bad.

    ca = TestCa(directory)
    good = ca.issue('good', names=['localhost'], addresses=['127.0.0.1'])
    old = ca.issue('old', names=['localhost'], start='20200101000000Z', end='20200201000000Z')
    ca.path, good.certificate, good.key, good.fingerprint
"""
import hashlib
import pathlib
import ssl
import subprocess

CONFIG = '''
[ca]
default_ca = it
[it]
database = index.txt
new_certs_dir = .
rand_serial = yes
default_md = sha256
policy = any
unique_subject = no
[any]
commonName = supplied
'''
NEW_RSA_KEY = ['-newkey', 'rsa:2048', '-nodes']
NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']


class Certificate:
    def __init__(self, certificate, key):
        self.certificate, self.key = certificate, key

    @property
    def fingerprint(self):
        """SHA-256, as `openssl x509 -fingerprint` has it without the colons."""
        return hashlib.sha256(ssl.PEM_cert_to_DER_cert(self.certificate.read_text())).hexdigest()


class TestCa:
    __test__ = False        # pytest: not a class of tests

    def __init__(self, directory, name='test CA'):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        (self.directory / 'ca.cnf').write_text(CONFIG)
        (self.directory / 'index.txt').write_text('')
        self.path, self.key = self.directory / 'ca.pem', self.directory / 'ca.key'
        self.run('req', '-x509', *NEW_KEY, '-keyout', self.key, '-out', self.path, '-days', '90',
                 '-subj', f'/CN={name}')

    def run(self, *arguments):
        subprocess.run(['openssl', *map(str, arguments)], check=True, capture_output=True,
                       cwd=self.directory)

    def _files(self, name):
        return Certificate(self.directory / f'{name}.pem', self.directory / f'{name}.key')

    @staticmethod
    def _alternatives(names, addresses):
        return 'subjectAltName=' + ','.join([f'DNS:{name}' for name in names] +
                                            [f'IP:{address}' for address in addresses])

    def issue(self, name, *, names=('localhost',), addresses=(), start=None, end=None, days=60,
              new_key=NEW_KEY, extensions=()):
        files, request = self._files(name), self.directory / f'{name}.csr'
        extension_file = self.directory / f'{name}.ext'
        extension_file.write_text('\n'.join([self._alternatives(names, addresses), *extensions]) + '\n')
        self.run('req', *new_key, '-keyout', files.key, '-out', request, '-subj', f'/CN={name}')
        self.run('ca', '-batch', '-notext', '-config', 'ca.cnf', '-cert', self.path, '-keyfile',
                 self.key, '-in', request, '-out', files.certificate, '-extfile', extension_file,
                 *(['-startdate', start, '-enddate', end] if start else ['-days', days]))
        return files

    def revoke(self, files):
        self.run('ca', '-config', 'ca.cnf', '-cert', self.path, '-keyfile', self.key, '-revoke', files.certificate)

    def staple(self, files, *, signer=None):
        """What a responder says of the certificate just now, signed by the CA or by somebody else."""
        request, response = self.directory / 'staple.req', self.directory / f'{files.certificate.stem}.der'
        by = signer or Certificate(self.path, self.key)
        self.run('ocsp', '-issuer', self.path, '-cert', files.certificate, '-no_nonce', '-reqout', request)
        self.run('ocsp', '-index', 'index.txt', '-CA', self.path, '-rsigner', by.certificate, '-rkey', by.key,
                 '-reqin', request, '-respout', response, '-ndays', '7')
        return response

    def self_signed(self, name, *, names=('localhost',), addresses=()):
        files = self._files(name)
        self.run('req', '-x509', *NEW_KEY, '-keyout', files.key, '-out', files.certificate,
                 '-days', '60', '-subj', f'/CN={name}',
                 '-addext', self._alternatives(names, addresses))
        return files
