#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What the hypervisor itself executes, counted by tools/plugin/count.c under -icount; the same in every run.

bench.py boot	between Domain 0's first and its first user instruction
bench.py ops	for each operation of test/bench/ops.c, in Domain 0

Stock kernel and small initramfs, one CPU, dom0_mem=1G, plain mode (no mitigations on either side).
HV=mica, xen or both (default); PROFILE=1 (or the beginning of an operation's name) adds Mica's functions.
"""
import base64
import bisect
import collections
import gzip
import os
import pathlib
import re
import subprocess
import sys

import fetch

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = ROOT / 'build/plugin'
PLAIN = 'dom0_mem=1G,max:1G xpti=no spec-ctrl=no'
ALIAS = 0xffff82a100000000  # where each CPU sees the entry text (src/entry/cpu.c)


def compile_tools():
    BUILD.mkdir(parents=True, exist_ok=True)
    subprocess.run(['gcc', '-O2', '-Wall', '-Wextra', '-shared', '-fPIC', '-o', BUILD / 'count.so',
                    ROOT / 'tools/plugin/count.c'], check=True)
    subprocess.run(['gcc', '-O2', '-Wall', '-Wextra', '-static', '-o', BUILD / 'ops', ROOT / 'test/bench/ops.c'],
                   check=True)


def initrd():
    """The small initramfs with the operations in it, and the module that gives /dev/xen/privcmd."""
    archive = fetch.Cpio()
    archive.add('ops', 0o100755, (BUILD / 'ops').read_bytes())
    for module in (ROOT / 'build/pkg').glob('linux-image-*-amd64_*/lib/modules/*/kernel/drivers/xen/xen-privcmd.ko'):
        if '-cloud-' not in module.as_posix():
            archive.add('xen-privcmd.ko', 0o100644, module.read_bytes())
    path = BUILD / 'initrd'
    path.write_bytes((ROOT / 'build/guest/initramfs.cpio.gz').read_bytes() + gzip.compress(archive.done(), 1))
    return path


def run(hv, script=''):
    """Everything said, and [(what, {counter: value})] in order."""
    append = 'mitigations=off mica.do=poweroff'
    if script:
        append += ' mica.sh=' + base64.b64encode(script.encode()).decode()
    env = dict(os.environ, HV=hv, ICOUNT='1', MEM='2G', CPU='Haswell', SMP='1', TIMEOUT='900', HVARGS=PLAIN,
               APPEND=append, QEMU=f'-plugin {BUILD}/count.so,profile={BUILD}/profile')
    if script:
        env['INITRD'] = str(initrd())
    said = subprocess.run([sys.executable, str(ROOT / 'tools/run.py')], env=env, stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, errors='replace')
    text = said.stdout + said.stderr
    rows = [(what, {k: int(n) for k, n in re.findall(r'(\w+) (\d+)', rest)})
            for what, rest in re.findall(r'count: (\w+) (.*)', text)]
    if [what for what, _ in rows[:2]] != ['boot', 'start']:
        sys.exit(f'{hv}: no first user instruction seen\n' + text[-2000:])
    return text, rows


def profile(said, divisor, rows=30):
    """Instructions by function of Mica in the said-th row."""
    names = [(int(at, 16), name) for at, kind, name in
             (line.split() for line in subprocess.run(['nm', '-n', ROOT / 'build/mica'], capture_output=True, text=True,
                                                      check=True).stdout.splitlines() if line.count(' ') == 2)
             if kind in 'tT']
    entry = next(at for at, name in names if name == 'entry_stubs')
    starts = [at for at, _ in names]
    found, calls = collections.Counter(), collections.Counter()
    with open(BUILD / 'profile', encoding='ascii') as file:
        for line in file:
            label, va, hits, insns = line.split()
            if int(label) != said:
                continue
            va = int(va, 16)
            if va >= ALIAS:
                va = entry + (va & 0xffff)
            idx = bisect.bisect(starts, va) - 1
            found[names[idx][1]] += int(insns)
            calls[names[idx][1]] += int(hits) if va == starts[idx] else 0
    for name, insns in found.most_common(rows):
        print(f'    {insns / divisor:14.1f} {100 * insns / sum(found.values()):5.1f} %  {name} ({calls[name] / divisor:.2f} calls)')


def boot(hv):
    (_, own), (_, start) = run(hv)[1][:2]
    print(f'{hv:6} {own["hypervisor"] / 1e6:14.1f} {start["hypervisor"] / 1e6:16.1f} {start["kernel"] / 1e6:14.1f}'
          f' {start["entries"]:10} {start["cr3"]:10} {start["flushes"]:10}')
    if os.environ.get('PROFILE') and hv == 'mica':
        profile(1, 1, 60)


def ops(hv):
    text, rows = run(hv, 'insmod /xen-privcmd.ko; /ops\n')
    marks = [idx for idx, (what, _) in enumerate(rows) if what == 'mark']
    for end, (repeats, name) in zip(marks[1::2], re.findall(r'^op (\d+) ([^\r\n]*)', text, re.M)):
        row, each = rows[end][1], int(repeats)
        print(f'{hv:6} {name:30} {row["hypervisor"] / each:12.1f} {row["kernel"] / each:12.1f} {row["user"] / each:10.1f}'
              f' {row["entries"] / each:8.2f} {row["cr3"] / each:8.2f} {row["flushes"] / each:8.2f}')
        wanted = os.environ.get('PROFILE')
        if wanted and hv == 'mica' and (wanted == '1' or name.startswith(wanted)):
            profile(end, each)


def main():
    what = sys.argv[1] if len(sys.argv) > 1 else 'boot'
    compile_tools()
    if what == 'boot':
        print(f'{"":6} {"own boot":>14} {"Domain 0 start":>16} {"its kernel":>14} {"entries":>10} {"CR3 loads":>10}'
              f' {"flushes":>10}   (first three: millions of instructions)')
    else:
        print(f'{"":6} {"instructions for each":30} {"hypervisor":>12} {"kernel":>12} {"user":>10} {"entries":>8}'
              f' {"CR3":>8} {"flushes":>8}')
    for hv in [os.environ['HV']] if os.environ.get('HV') else ['xen', 'mica']:
        {'boot': boot, 'ops': ops}[what](hv)


main()
