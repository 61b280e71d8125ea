#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Asks the oracle what a PV Domain 0 sees of CPUID and MSRs: test/oracle/cpuid-MODEL.txt.

For each CPU model of QEMU the stock kernel is booted twice with tools/cpuid_probe.c as its first
program: alone, which shows the raw leaves, and as Domain 0 of Debian's Xen 4.17, which shows what
Xen makes of them. test/unit/policy_oracle_test.c compares Mica's policy with these files.
Needs build/guest (make guest). --hv build/mica shows on the terminal what Domain 0 of Mica sees.
"""
import argparse
import json
import pathlib
import re
import subprocess
import sys
import tempfile

# SMAP off: with it Xen loses Domain 0 under QEMU's software emulation.
MODELS = {'qemu64': 'qemu64', 'Haswell': 'Haswell', 'EPYC': 'EPYC,-smap', 'max': 'max,-smap'}
GUEST = pathlib.Path('build/guest')
OUT = pathlib.Path('test/oracle')


def initramfs(tmp):
    root = tmp / 'root'
    for d in ('sys', 'dev'):
        (root / d).mkdir(parents=True)
    subprocess.run(['gcc', '-O1', '-static', '-o', root / 'init', 'tools/cpuid_probe.c'], check=True)
    ko = next(p for p in pathlib.Path('build/pkg').glob('linux-image-*/lib/modules/*/kernel/arch/x86/kernel/msr.ko')
              if 'cloud' not in str(p))
    (root / 'msr.ko').write_bytes(ko.read_bytes())
    subprocess.run(['mknod', root / 'dev/console', 'c', '5', '1'], check=True)
    names = '\n'.join(str(p.relative_to(root)) for p in [root, *sorted(root.rglob('*'))])
    out = tmp / 'initramfs'
    with open(out, 'wb') as f:
        subprocess.run(['cpio', '-o', '-H', 'newc', '--quiet'], cwd=root, input=names.encode(),
                       stdout=f, check=True)
    return out


def boot(tmp, cpu, hypervisor):
    serial = tmp / 'serial'
    cmd = ['qemu-system-x86_64', '-accel', 'tcg', '-m', '768', '-cpu', cpu, '-nodefaults', '-nic', 'none',
           '-no-reboot', '-display', 'none', '-serial', f'file:{serial}']
    if hypervisor:
        cmd += ['-kernel', str(hypervisor), '-append', 'console=com1 com1=115200,8n1 dom0_mem=512M',
                '-initrd', f'{GUEST}/vmlinux console=hvc0 quiet,{tmp}/initramfs']
    else:
        cmd += ['-kernel', str(GUEST / 'vmlinuz'), '-append', 'console=ttyS0 quiet',
                '-initrd', str(tmp / 'initramfs')]
    subprocess.run(cmd, timeout=300, check=True, stderr=subprocess.DEVNULL)
    text = serial.read_text(errors='replace').replace('\r', '')
    if '\nEND' not in text:
        sys.exit(f'{cpu}: no END in the output:\n{text[-2000:]}')
    lines = re.findall(r'^[CM] [0-9a-f ]+$', text, re.M)
    # Zero leaves say nothing: what is missing is zero.
    return [s for s in lines if s[0] == 'M' or set(s.replace(' ', '')[17:]) != {'0'}]


def main():
    ap = argparse.ArgumentParser(description=__doc__)
    ap.add_argument('--hv', help='show what Domain 0 sees under this hypervisor instead')
    ap.add_argument('models', nargs='*', default=list(MODELS))
    args = ap.parse_args()
    with tempfile.TemporaryDirectory() as name:
        tmp = pathlib.Path(name)
        initramfs(tmp)
        for model in args.models:
            if args.hv:
                print('\n'.join(boot(tmp, MODELS.get(model, model), args.hv)))
                continue
            versions = json.loads((GUEST / 'versions.json').read_text())
            text = [f'# -cpu {MODELS[model]}',
                    *(f'# {p} {v}' for p, v in versions.items() if re.search(r'xen|linux-image-[\d.-]*amd64', p)),
                    '[native]', *boot(tmp, MODELS[model], None),
                    '[xen]', *boot(tmp, MODELS[model], GUEST / 'xen')]
            (OUT / f'cpuid-{model}.txt').write_text('\n'.join(text) + '\n')
            print(f'  {model}: {len(text)} lines')


main()
