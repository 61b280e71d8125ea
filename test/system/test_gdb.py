# SPDX-License-Identifier: MIT
"""tools/mica.gdb against a real machine: each of its commands reads what it is meant to read."""
import re
import socket
import subprocess

import pytest

from conftest import ROOT

pytestmark = pytest.mark.mica_only


def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


def gdb(port, *commands):
    words = ['gdb', '-q', '-batch', '-x', 'tools/mica.gdb', 'build/mica']
    for command in (f'mica-attach {port}', *commands):
        words += ['-ex', command]
    return subprocess.run(words, cwd=ROOT, timeout=120, text=True, check=False, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT).stdout


def test_commands_of_the_script(boot):
    port = free_port()
    boot(gdb=port, smp=2, mem='512M', hvargs='trace-calls')
    # Stopped in a hypercall of Domain 0's, some way into its boot.
    out = gdb(port, 'mica-go', 'bt 1', 'thbreak do_mmuext_op', 'continue', 'mica-domains',
              'mica-vcpu dom0->vcpus[0]', 'mica-trace 0 8', 'mica-frame dom0->shared_mfn.m',
              'mica-frame dom0->vcpus[0]->mm->root_kernel.m', 'mica-frame 0xfee00', 'mica-frame 0x900000000',
              'mica-entry 0xffffffff81000000', 'mica-log', 'mica-where', 'kill')
    assert 'Error' not in out and 'No symbol' not in out and 'Invalid' not in out, out
    for pattern in (r'#0  boot_main \(magic=732803074',
                    r'^domain 32767: refs \d+, vcpus \d+', r'^domain 0: refs \d+, vcpus 2, dying 0, crashed 0',
                    r'^  vcpu 0: cpu 0, running 1, down 0, paused 0, events pending 0 masked 1',
                    r'^  vcpu 1: cpu 1, running 0, down 1',
                    r'^  mode PV_KERNEL, saved at the last entry by vector 0x100',
                    r'^  rip e033:ffffffff8[0-9a-f]+  rsp e02b:ffffffff8',
                    r'^ +\d+ TRACE_HYPERCALL 0x1a 0x[0-9a-f]+ mmuext_op$',
                    r'^0x[0-9a-f]+: owner 0, refs \d+, typed \d+, FRAME_WRITABLE LIVE.* SHARED',
                    r'^0x[0-9a-f]+: owner 0, refs \d+, typed \d+, FRAME_L4 VALID PINNED LIVE',
                    r'^0xfee00: beyond memory', r'^0x900000000: beyond memory',
                    r'^L4 511  L3 510  L2 8  L1 0  offset 0',
                    r'^\(XEN\) Mica, a thin hypervisor', r'^RIP=ffff8280', r'^#0  .*do_mmuext_op'):
        assert re.search(pattern, out, re.M), f'{pattern}\n{out}'
