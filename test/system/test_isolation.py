# SPDX-License-Identifier: MIT
"""Page-table isolation: what of Mica is mapped while a guest runs, asked through QEMU's debugger at a guest's first instruction.

The CPU model Haswell has Meltdown, so isolation is on without being asked for.
"""
import re

import pytest

from conftest import ROOT
from test_gdb import free_port, gdb

pytestmark = pytest.mark.mica_only

ENTRY = 0xffffffff80100000  # of a test guest
HIDDEN = {'direct map': 0xffff830000100000, 'text': 0xffff828000210000, 'frame table': 0xffff808000000000,
          'writable M2P': 0xffff818000000000}
SHOWN = {'M2P': 0xffff800000000000, 'entry text': 0xffff82a100000000, 'register frame': 0xffff810000020208}


def mapped(boot, words, cpu='Haswell'):
    """Names of what can be read with the guest's CR3, and again in C of its first hypercall."""
    port = free_port()
    boot(kernel=ROOT / 'build/guest/test/priv.elf', initrd='none', mem='256M', cpu=cpu, gdb=port,
         hvargs=f'dom0_mem=64M {words}')
    places = {**HIDDEN, **SHOWN}
    look = [f'x/1xb {at:#x}' for at in places.values()]
    out = gdb(port, f'thbreak *{ENTRY:#x}', 'continue', 'p $cs & 3', *look, 'thbreak do_console_io', 'continue', *look, 'kill')
    assert re.search(r'= 3$', out, re.M), out
    found = re.findall(r'^(0x[0-9a-f]+)[^:\n]*:\s+0x|Cannot access memory at address (0x[0-9a-f]+)', out, re.M)
    assert len(found) == 2 * len(places), out
    names = {at: name for name, at in places.items()}
    return [{names[int(good, 16)] for good, _ in half if good} for half in (found[:len(places)], found[len(places):])]


def test_nothing_of_mica_is_mapped_in_ring_3(boot):
    guest, c = mapped(boot, '')
    assert guest == set(SHOWN)
    assert c == set(HIDDEN) | set(SHOWN)


@pytest.mark.parametrize('words,cpu', [('xpti=no', 'Haswell'), ('xpti=dom0=no', 'Haswell'), ('', 'EPYC')])
def test_all_of_it_is_without_isolation(boot, words, cpu):
    assert mapped(boot, words, cpu) == [set(HIDDEN) | set(SHOWN)] * 2


def test_it_can_be_asked_for(boot):
    assert mapped(boot, 'xpti=dom0', 'EPYC')[0] == set(SHOWN)
