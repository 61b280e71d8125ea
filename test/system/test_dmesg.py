# SPDX-License-Identifier: MIT
"""Domain 0's kernel messages on Mica beside those on Xen: every difference is a row of doc/dmesg.md.

The rows are read from the page. Its first column says on which side the line is: `Mica` and `Xen` must be there (a row
that has come to nothing is taken out), `now and then` depends on how busy the machine is.
"""
import base64
import json
import re

import pytest

from conftest import ROOT

PAGE = ROOT / 'doc/dmesg.md'
# Until its journal runs, systemd writes here what it does: how far that goes differs from boot to boot.
NOT_KERNEL = re.compile(r'systemd(-\w+)?\[|audit: ')
RAW = re.compile(r'^<(\d+)>\[ *\d+\.\d+\] (.*?) *$', re.M)


def plain(text):
    """A line without numbers and addresses, which differ from boot to boot."""
    text = re.sub(r'0x[0-9a-fA-F]+|\b(?=[0-9a-f]*\d)[0-9a-f]{6,16}\b', 'N', text)
    return re.sub(r'\d+', 'N', text)


def messages(raw):
    """(all lines, those of level err and worse), made plain, without repetition, in order."""
    found = [(int(level) & 7, plain(text)) for level, text in RAW.findall(raw) if not NOT_KERNEL.match(text)]
    assert len(found) > 200, 'this is not a whole dmesg'
    lines = list(dict.fromkeys(text for _, text in found))
    errors = list(dict.fromkeys(text for level, text in found if level <= 3))
    return {'lines': lines, 'errors': errors}


def rows():
    """(side, pattern) of the page's table."""
    table = re.findall(r'^\| (Mica|Xen|now and then) \| `(.+?)` \|', PAGE.read_text('utf-8'), re.M)
    assert table
    return [(side, re.compile('.*'.join(re.escape(part) for part in plain(text).split('...')) + '$'))
            for side, text in table]


def explained(line, side):
    return any(where in (side, 'now and then') and pattern.match(line) for where, pattern in rows())


def compare(mica, xen):
    here = [line for line in mica['lines'] if line not in set(xen['lines'])]
    there = [line for line in xen['lines'] if line not in set(mica['lines'])]
    unexplained = [f'only on Mica: {line}' for line in here if not explained(line, 'Mica')]
    unexplained += [f'only on Xen: {line}' for line in there if not explained(line, 'Xen')]
    assert not unexplained, '\n'.join(unexplained)
    assert set(mica['errors']) <= set(xen['errors'])
    return here, there


def initramfs(boot):
    text = base64.b64encode(b'dmesg -n 1; dmesg -r; echo MESSAGES-END').decode()
    machine = boot(machine='q35', smp=2, append='mica.sh=' + text)
    machine.expect('^MESSAGES-END')
    machine.ends('poweroff', 60)
    return machine.log.split('MICA-INITRAMFS-OK')[1]


def disk(debian):
    machine = debian(smp=2)
    machine.shell('systemctl is-system-running --wait; dmesg -n 1')
    return machine.shell('dmesg -r')


@pytest.mark.parametrize('which', ['initramfs', pytest.param('disk', marks=pytest.mark.disk)])
def test_every_difference_is_explained(which, boot, debian, hypervisor, oracle):
    here = messages(initramfs(boot) if which == 'initramfs' else disk(debian))
    there = oracle(f'dmesg-{which}', here)
    if hypervisor == 'mica':
        compare(here, there)


def test_no_row_is_idle():
    """A row that says "always" and matches nothing that Xen says, or that Xen says as well, is out of date."""
    kept = [entry for file in sorted((ROOT / 'test/oracle').glob('dmesg-*.json'))
            for entry in json.loads(file.read_text('utf-8')).values()]
    lines = [line for entry in kept for line in entry['lines']]
    for side, pattern in rows():
        seen = any(pattern.match(line) for line in lines)
        if side != 'now and then':
            assert seen == (side == 'Xen'), pattern.pattern
