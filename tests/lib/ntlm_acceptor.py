#!/usr/bin/env python3
"""ntlm_acceptor - the server's side of NTLM, by somebody else: packages gss-ntlmssp and python3-gssapi.

    acceptor = NtlmAcceptor()
    challenge = acceptor.step(negotiate_message)
    acceptor.step(authenticate_message)
    acceptor.user                       # who it is; None: nobody

The users stand in the file that $NTLM_USER_FILE names, `DOMAIN:USER:PASSWORD` each. As a program, with that
file as its argument, it speaks the protocol of Samba's ntlm_auth (squid-2.5-ntlmssp), so that Dovecot can ask it.
"""
import base64
import importlib.util
import os
import pathlib
import sys

MECHANISM = '1.3.6.1.4.1.311.2.2.10'


def why_not():
    """Why it can't run here; None if it can."""
    has_module = importlib.util.find_spec('gssapi') is not None
    return None if has_module and list(pathlib.Path('/etc/gss/mech.d').glob('*ntlmssp*')) else 'gss-ntlmssp is not installed'


class NtlmAcceptor:
    def __init__(self):
        import gssapi
        self.error = gssapi.raw.exceptions.GSSError
        credentials = gssapi.Credentials(usage='accept', mechs=[gssapi.OID.from_int_seq(MECHANISM)])
        self.context = gssapi.SecurityContext(creds=credentials, usage='accept')
        self.user = None

    def step(self, message):
        try:
            answer = self.context.step(message)
        except self.error:
            return b''
        if self.context.complete:
            self.user = str(self.context.initiator_name).rstrip('\0')
        return answer or b''


def main(users):
    os.environ['NTLM_USER_FILE'] = users
    acceptor = NtlmAcceptor()
    for line in sys.stdin:
        word, _, message = line.strip().partition(' ')
        if word == 'YR':
            acceptor = NtlmAcceptor()
        answer = acceptor.step(base64.b64decode(message))
        if word == 'YR':
            print('TT', base64.b64encode(answer).decode(), flush=True)
        elif acceptor.user is not None:
            print('AF', acceptor.user, flush=True)
        else:
            print('NA NT_STATUS_LOGON_FAILURE', flush=True)


if __name__ == '__main__':
    main(sys.argv[1])
