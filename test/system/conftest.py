# SPDX-License-Identifier: MIT
"""System tests: whole machines in QEMU.

Every test takes `boot`, which starts a machine with the settings of tools/run.py:

    def test_something(boot):
        machine = boot(smp=4)
        machine.wait_for('MICA-INITRAMFS-OK')
        assert machine.finish().ended == 'poweroff'

--hypervisor mica (default) or xen says on what; a test marked `smoke_xen` runs on both. With
--record, what `oracle` is given is kept in test/oracle, keyed by package versions; without, the
same call compares with what was kept.

Serial logs are kept in build/check/serial, one file a machine.
"""
import gzip
import json
import pathlib
import re
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / 'tools'))
import run  # noqa: E402

LOGS = ROOT / 'build/check/serial'
ORACLE = ROOT / 'test/oracle'


def pytest_addoption(parser):
    parser.addoption('--hypervisor', default='mica', choices=['mica', 'xen'])
    parser.addoption('--record', action='store_true', help='keep what the oracle says')


def pytest_configure(config):
    for line in ('matrix: the whole matrix of machines (make check-matrix)',
                 'soak: an hour of load (make soak)',
                 'disk: boots the Debian disk',
                 'mica_only: has no meaning on Xen',
                 'xl: guests made by xl (make xl)',
                 'daily: those of them that make check runs',
                 'xl_settings(**settings): of the machine that xl_dom0 is',
                 'smoke_xen: also run on Xen in make check'):
        config.addinivalue_line('markers', line)


def pytest_generate_tests(metafunc):
    if 'hypervisor' in metafunc.fixturenames:
        chosen = [metafunc.config.getoption('hypervisor')]
        if chosen == ['mica'] and metafunc.definition.get_closest_marker('smoke_xen'):
            chosen.append('xen')
        metafunc.parametrize('hypervisor', chosen)


def pytest_collection_modifyitems(config, items):
    if config.getoption('hypervisor') == 'xen':
        skip = pytest.mark.skip(reason='has no meaning on Xen')
        for item in items:
            if item.get_closest_marker('mica_only'):
                item.add_marker(skip)


def tail(text, lines=40):
    return '\n'.join(text.splitlines()[-lines:])


class Machine(run.Boot):
    """run.Boot whose waits fail the test, showing the end of the log."""

    def expect(self, pattern, timeout=120):
        found = self.wait_for(pattern, timeout)
        if not found:
            pytest.fail(f'no {pattern!r} (machine: {self.ended})\n{tail(self.log)}', pytrace=False)
        return found

    def ends(self, how, timeout=120):
        self.finish(timeout)
        if self.ended != how:
            pytest.fail(f'ended by {self.ended}, not {how}\n{tail(self.log)}', pytrace=False)
        return self

    def has(self, text):
        """Fails, briefly, unless the text is in the log."""
        if text not in self.log:
            pytest.fail(f'{text!r} is not in the log', pytrace=False)

    def lacks(self, pattern):
        """Fails, naming the line, if the pattern is in the log."""
        found = re.search(rf'^.*(?:{pattern}).*$', self.log, re.M)
        if found:
            pytest.fail(f'in the log: {found[0]}', pytrace=False)

    def shell(self, line, timeout=120):
        """Runs a line in root's shell on the console; its output."""
        self.count = getattr(self, 'count', 0) + 1
        before = len(self.log)
        # The quotes keep the echo of what is typed from matching.
        self.send(f'{line}; echo "MICA-"END-{self.count} $?\n')
        found = self.expect(rf'^.*MICA-END-{self.count} (\d+)$', timeout)
        self.status = int(found[1])
        return self.log[before:found.start()].split('\n', 1)[-1]

    def problems(self):
        """Lines in which the hypervisor warns or worse."""
        return re.findall(r'^\(XEN\) (?:warning|error):.*$', self.log, re.M)


@pytest.fixture
def boot(hypervisor, request):
    """A function that starts a machine; all are stopped after the test."""
    machines = []

    def start(**given):
        LOGS.mkdir(parents=True, exist_ok=True)
        name = re.sub(r'[^\w.=-]+', '_', request.node.name)
        log = LOGS / f'{name}{"-" + str(len(machines)) if machines else ""}.log'
        given = {'hv': hypervisor, 'log': str(log), 'timeout': '', **given}
        image = run.hypervisor_file(given['hv'])
        assert given['hv'] == 'none' or image.exists(), f'{image} is not built'
        machines.append(Machine(**given))
        return machines[-1]

    yield start
    for machine in machines:
        machine.stop()


@pytest.fixture
def debian(boot):
    """As boot, with Debian's disk; waits at root's shell unless a report is asked for."""
    def start(report=False, **given):
        folder = ROOT / 'build/dom0'
        append = given.pop('append', '')
        machine = boot(**{'disk': 'virtio', 'net': 'virtio', 'kernel': folder / 'vmlinux',
                          'initrd': folder / 'initrd.img',
                          'append': f'{append} mica.report' if report else append, **given})
        if not report:
            machine.expect(r'root@mica:~# ', 240)
        return machine
    return start


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    if call.when == 'call':
        item.passed = outcome.get_result().passed


@pytest.fixture(scope='module')
def xl_machines(request, tmp_path_factory):
    """Domain 0s with xl that the tests of a file share, by hypervisor and settings."""
    import xl
    import xl_shell
    kept = {}
    initrd = xl.initramfs(tmp_path_factory.mktemp('xl'))

    def get(hypervisor, fresh=False, **given):
        key = (hypervisor, *sorted(given.items()))
        if fresh or key not in kept or kept[key].machine.ended is not None:
            LOGS.mkdir(parents=True, exist_ok=True)
            while kept:
                kept.popitem()[1].machine.stop()
            log = LOGS / f'{request.module.__name__}-{hypervisor}-{len(list(LOGS.iterdir()))}.log'
            words = xl_shell.settings({'smp': 2, 'hv': hypervisor, 'log': log, 'timeout': '', **given}, initrd)
            kept[key] = xl.Dom0(Machine(**words))
        return kept[key]

    yield get
    for dom0 in kept.values():
        dom0.machine.stop()


@pytest.fixture
def xl_dom0(xl_machines, hypervisor, request):
    """Domain 0's shell with xl, without guests (xl.Dom0); `xl_settings` of a test: settings of tools/run.py.

    After a test that passed, guests are destroyed, and nothing of them may be left. After one that failed the next
    test gets a new machine.
    """
    marker = request.node.get_closest_marker('xl_settings')
    dom0 = xl_machines(hypervisor, **(marker.kwargs if marker else {}))
    yield dom0
    if getattr(request.node, 'passed', False) and dom0.machine.ended is None:
        dom0.end_all()
        left = dom0.clean()
        if left:
            dom0.machine.stop()
        assert not left, 'guests leave something behind'
    else:
        dom0.machine.stop()


def versions():
    """The versions that an oracle's word depends on, as one short name."""
    known = {}
    for file in ('build/guest/versions.json', 'build/dom0/versions.json'):
        if (ROOT / file).exists():
            known.update(json.loads((ROOT / file).read_text('ascii')))
    kernel = next((v for k, v in sorted(known.items()) if re.match(r'linux-image-\d.*\d-amd64', k)), 'none')
    xen = known.get('xen-hypervisor-4.17-amd64', 'none').split('+')[0]
    return f'linux-{kernel}_xen-{xen}'


@pytest.fixture
def oracle(request, hypervisor):
    """oracle(name, value): on Xen with --record keeps value; elsewhere returns what Xen said.

    What was said by other versions of the packages is used when there is nothing nearer.
    """
    def ask(name, value):
        file = ORACLE / f'{name}.json'
        kept = json.loads(file.read_text('utf-8')) if file.exists() else {}
        if hypervisor == 'xen':
            if request.config.getoption('record'):
                ORACLE.mkdir(exist_ok=True)
                kept[versions()] = value
                file.write_text(json.dumps(kept, indent=1, sort_keys=True) + '\n', 'utf-8')
            return value
        if not kept:
            pytest.skip(f'the oracle has not been asked about {name}: make check-oracle')
        return kept.get(versions(), kept[sorted(kept)[-1]])
    return ask


def cpio(files):
    """An archive of executables, to lie behind another initramfs."""
    import fetch
    archive = fetch.Cpio()
    for name, content in files.items():
        archive.add(name, 0o100755, content)
    return archive.done()


def compile_c(*words):
    subprocess.run(['gcc', '-std=gnu11', '-O2', '-Wall', '-Wextra', '-Werror', *words], check=True)


@pytest.fixture(scope='session')
def initrd_with(tmp_path_factory):
    """initrd_with(name='file.c flags', ...): the small initramfs with static programs of test/system in it."""
    def make(**programs):
        folder = tmp_path_factory.mktemp('initrd')
        for name, words in programs.items():
            source, *flags = words.split()
            compile_c('-static', '-pthread', *flags, '-o', folder / name, ROOT / 'test/system' / source)
        archive = cpio({name: (folder / name).read_bytes() for name in programs})
        initrd = folder / 'initrd'
        initrd.write_bytes((ROOT / 'build/guest/initramfs.cpio.gz').read_bytes() + gzip.compress(archive, 1))
        return initrd
    return make


@pytest.fixture(scope='session')
def load_initrd(initrd_with):
    return initrd_with(load64='load.c', load32='load.c -m32')
