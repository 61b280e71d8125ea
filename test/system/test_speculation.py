# SPDX-License-Identifier: MIT
"""What stands in the stubs' text against speculation, by option: read through QEMU's debugger in C of a guest's first hypercall.

The CPU model Haswell says of none of its weaknesses that it has not got it; no model of QEMU's emulation has IBRS or IBPB.
"""
import re

import pytest

from conftest import ROOT
from test_gdb import free_port, gdb

pytestmark = pytest.mark.mica_only

STUBS = 0xffff82a100002000  # CPU 0's, behind those of the vectors


def stubs(boot, words, cpu='Haswell'):
    """What the log says, and of the stubs' text: ways to C that overwrite the history, indirect calls, VERWs; the thunk's start."""
    machine = boot(kernel=ROOT / 'build/guest/test/priv.elf', initrd='none', mem='256M', cpu=cpu, gdb=(port := free_port()),
                   hvargs=f'dom0_mem=64M {words}')
    out = gdb(port, 'thbreak do_console_io', 'continue', 'bt 1',
              'printf "offset %#lx\\n", (long)&entry_history_clear - (long)&entry_text_start',
              f'x/460i {STUBS:#x}', 'x/1i &__x86_indirect_thunk_r11', 'kill')
    assert re.search(r'^#0 .*do_console_io', out, re.M), out  # through what is in use
    sequence = STUBS - 0x2000 + int(re.search(r'^offset (0x\w+)', out, re.M)[1], 16)
    assert re.search(rf'{sequence:#x}:\s+mov +\$0x5,%ecx', out), out
    return (machine.expect(r'speculation \(spec-ctrl\): ([^\r\n]*)', 5)[1], len(re.findall(rf'call +{sequence:#x}', out)),
            len(re.findall(r'call +\*0x', out)), len(re.findall(r'\bverw\b', out)),
            re.search(r'<__x86_indirect_thunk_r11>:\s+(\w+)', out)[1])


@pytest.mark.parametrize('words,cpu,expected', [
    ('', 'Haswell', ('retpoline bhb-entry', 4, 0, 0, 'nopl')),
    ('', 'EPYC', ('retpoline', 0, 0, 0, 'nopl')),
    ('spec-ctrl=no', 'Haswell', ('nothing', 0, 6, 0, 'jmp')),
    ('spec-ctrl=no,verw', 'EPYC', ('VERW', 0, 6, 2, 'jmp')),
    ('spec-ctrl=bti-thunk=jmp,no-bhb-entry,verw=1,ibpb,ibrs', 'Haswell', ('VERW', 0, 6, 2, 'jmp')),
])
def test_what_is_in_use(boot, words, cpu, expected):
    assert stubs(boot, words, cpu) == expected


def test_a_list_that_is_not_understood(boot):
    machine = boot(kernel=ROOT / 'build/guest/test/priv.elf', initrd='none', mem='256M', cpu='Haswell',
                   hvargs='dom0_mem=64M spec-ctrl=no,nonsense')
    machine.expect(r'option "spec-ctrl=no,nonsense": [^\r\n]*ignored')
    machine.expect(r'speculation \(spec-ctrl\): retpoline bhb-entry')
