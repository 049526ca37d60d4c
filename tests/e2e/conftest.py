"""Fixtures: each test gets a posternd and, if it asks, an upstream of its own."""
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'lib'))

from fakehost import FakeHost  # noqa: E402
from postfix import Postfix, why_not  # noqa: E402
from posternd import Posternd  # noqa: E402
from rig import CONFIG, Rig  # noqa: E402


@pytest.fixture
def make_postern(tmp_path):
    """Makes posternds with settings of the test's own; ends them, and checks how they ended."""
    made = []

    def make(prepare=None, **settings):
        directory = tmp_path / f'postern{len(made)}'
        directory.mkdir()
        postern = Posternd(directory, **settings)
        made.append(postern)
        if prepare is not None:
            prepare(postern)
        return postern.start()

    yield make
    failed = [postern.log()[-20000:] for postern in made]
    for postern, log in zip(made, failed):
        print(log)
        postern.stop()
        postern.tidy()


@pytest.fixture
def postern(make_postern):
    return make_postern()


@pytest.fixture
def sink():
    """An upstream that takes everything and records the bytes on the wire."""
    with FakeHost() as host:
        yield host


@pytest.fixture
def make_upstream():
    """Upstreams with a script: see tests/lib/fakehost.py."""
    made = []

    def make(script='', **settings):
        made.append(FakeHost(script, **settings))
        return made[-1]

    yield make
    for host in made:
        host.close()


@pytest.fixture(scope='session')
def postfix():
    """A real upstream: see tests/lib/postfix.py. One for all tests: give recipients own names."""
    if reason := why_not():
        pytest.skip(reason)
    with Postfix() as server:
        yield server


@pytest.fixture
def make_rig(make_postern, tmp_path):
    made = []

    def make(config='', load=None, from_name='', **settings):
        settings = {'log_level': 'info', 'smtpd_processes': 2, **settings}
        postern = make_postern(config=CONFIG + config, **settings)
        made.append(Rig(postern, tmp_path, from_name, **(load or {})))
        return made[-1]

    yield make
    for rig in made:
        rig.close()
