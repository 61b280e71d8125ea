# SPDX-License-Identifier: MIT
"""No entry keeps a CPU longer than a million instructions: a debug build that times each one, under a count of them."""
import re

import pytest

from test_guests import NAMES, RESULT, SMP, WORDS

DEBUG = 'build/obj/gcc-debug/mica'


def in_time(machine):
    machine.has('entry-limit')
    machine.lacks('option "entry-limit"')
    machine.lacks('entry limit:')


@pytest.mark.mica_only
def test_no_entry_takes_a_millisecond(boot):
    machine = boot(hv=DEBUG, hvargs='entry-limit=1000000', icount=1)
    machine.expect('^MICA-INITRAMFS-END')
    machine.ends('poweroff', 60)
    in_time(machine)


# Exceptions; INT 80; system calls of user code, by both instructions; a fault of IRET; the timer.
KINDS = {'traps': {'hypercall', 'work', 'events', *(f'trap vector ({v})' for v in '0 1 3 6 7 d e 80 100 101 102'.split())},
         'timers': {'trap vector (fa)'}}


@pytest.mark.mica_only
@pytest.mark.parametrize('name', KINDS)
def test_every_kind_of_entry_is_timed(boot, name):
    """What is not timed would never take too long: of a limit that nothing keeps, each kind is named."""
    machine = boot(hv=DEBUG, kernel=f'build/guest/test/{name}.elf', initrd='none', mem='256M', hvargs=f'{WORDS} entry-limit=1',
                   icount=1)
    machine.expect(RESULT, 60)
    machine.stop()
    assert KINDS[name] <= set(re.findall(r'entry limit: (trap \w+ \(\w+\)|\w+)', machine.log))


@pytest.mark.mica_only
@pytest.mark.parametrize('name', [name for name in NAMES if name not in SMP])
def test_whatever_the_arguments(boot, name):
    """What the test guests ask for. On one CPU: with more, each one's clock also counts what the others execute."""
    machine = boot(hv=DEBUG, kernel=f'build/guest/test/{name}.elf', initrd='none', mem='256M', hvargs=f'{WORDS} entry-limit=1000000',
                   icount=1)
    assert machine.expect(RESULT, 60)[1] == 'SUCCESS'
    machine.stop()
    in_time(machine)
