#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""How many instructions the hypervisor takes between Domain 0's first and its first user instruction.

Stock kernel and small initramfs, one CPU, dom0_mem=1G, plain mode (no mitigations on either side), under
-icount, counted by tools/plugin/count.c. HV=mica, xen or both (default).
"""
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
PLUGIN = ROOT / 'build/plugin/count.so'
PLAIN = {'mica': 'xpti=no spec-ctrl=no', 'xen': 'xpti=no spec-ctrl=no'}


def measure(hv):
    """{'boot': (hypervisor, kernel, user), 'start': ..., 'end': ...}"""
    env = dict(os.environ, HV=hv, ICOUNT='1', MEM='2G', CPU='Haswell', SMP='1', TIMEOUT='600',
               HVARGS=f'dom0_mem=1G,max:1G {PLAIN[hv]}', APPEND='mitigations=off mica.do=poweroff',
               QEMU=f'-plugin {PLUGIN}')
    run = subprocess.run([sys.executable, str(ROOT / 'tools/run.py')], env=env, stdin=subprocess.DEVNULL,
                         capture_output=True, text=True, errors='replace')
    rows = re.findall(r'count: (\w+) hypervisor (\d+) kernel (\d+) user (\d+)', run.stdout + run.stderr)
    if not any(row[0] == 'start' for row in rows):
        sys.exit(f'{hv}: no first user instruction seen\n' + (run.stdout + run.stderr)[-2000:])
    return {row[0]: tuple(int(n) for n in row[1:]) for row in rows}


def main():
    PLUGIN.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(['gcc', '-O2', '-Wall', '-Wextra', '-shared', '-fPIC', '-o', PLUGIN,
                    ROOT / 'tools/plugin/count.c'], check=True)
    wanted = [os.environ['HV']] if os.environ.get('HV') else ['xen', 'mica']
    print(f'{"":6} {"own boot":>14} {"Domain 0 start":>16} {"its kernel":>14}   millions of instructions')
    for hv in wanted:
        got = measure(hv)
        print(f'{hv:6} {got["boot"][0] / 1e6:14.1f} {got["start"][0] / 1e6:16.1f} {got["start"][1] / 1e6:14.1f}')


main()
