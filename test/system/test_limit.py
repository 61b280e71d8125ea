# SPDX-License-Identifier: MIT
"""No entry keeps a CPU longer than a million instructions: a debug build that times each one, under a count of them."""
import pytest

DEBUG = 'build/obj/gcc-debug/mica'


@pytest.mark.mica_only
def test_no_entry_takes_a_millisecond(boot):
    machine = boot(hv=DEBUG, hvargs='entry-limit', icount=1)
    machine.expect('^MICA-INITRAMFS-END')
    machine.ends('poweroff', 60)
    machine.has('entry-limit')
    machine.lacks('option "entry-limit"')
    machine.lacks('entry limit:')
