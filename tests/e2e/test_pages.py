"""The manual pages that are installed name the files of this installation."""
import os
import pathlib
import re
import subprocess

import pytest

from posternd import PATIENCE_S

PREFIX = os.environ.get('POSTERN_PREFIX')
pytestmark = pytest.mark.skipif(PREFIX is None, reason='there is no installation: POSTERN_PREFIX is not set')


def named_in(page):
    text = (pathlib.Path(PREFIX) / 'share' / 'man' / f'man{page[-1]}' / page).read_text()
    return re.findall(r'^\.(?:It )?Pa (/\S+)', text, re.MULTILINE)


@pytest.mark.parametrize('page,files', [
    ('posternd.8', ['share/postern/replies.conf']),
    ('posternctl.8', ['share/postern/providers.conf']),
    ('postern.conf.5', ['share/postern/providers.conf', 'etc/postern/postern.conf.sample']),
])
def test_files_that_come_with_it(page, files):
    for file in files:
        named = [path for path in named_in(page) if path.endswith('/' + file)]
        assert named and all(pathlib.Path(path).is_file() for path in named), (file, named_in(page))


@pytest.mark.parametrize('page', ['posternd.8', 'postern.conf.5'])
def test_config_is_where_the_daemon_looks(page):
    said = subprocess.run([pathlib.Path(PREFIX) / 'sbin' / 'posternd', '-h'], capture_output=True, text=True,
                          timeout=PATIENCE_S)
    path = re.search(r'default: (/\S+postern\.conf)', said.stdout + said.stderr)[1]
    named = [name for name in named_in(page) if name.endswith('/postern.conf')]
    assert named == [path]


def test_state_lies_in_one_place():
    """Where it is by default, says postern.conf(5)."""
    state_dirs = {name for name in named_in('postern.conf.5') if name.endswith('/lib/postern')}
    assert len(state_dirs) == 1
    files = [name for name in named_in('posternd.8') if '/lib/postern/' in name]
    assert len(files) > 5 and all(name.startswith(f'{min(state_dirs)}/') for name in files)
    standard = '/var/lib/postern' in state_dirs
    assert not standard or PREFIX in ('/usr', '/usr/local')
