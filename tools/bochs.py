#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Boots the small initramfs in Bochs, by GRUB from a CD image: bochs.py [NAME=value ...]

Bochs has what QEMU's software emulation lacks: PCID, INVPCID, x2APIC, TSC-deadline, and SMAP as real CPUs have it.
It is slow: an uncompressed kernel, one CPU.

HV       mica (default) or xen
CPU      corei7_skylake_x (default); `bochs --help cpu` lists them
MEM      512 (MiB)
KERNEL   build/guest/vmlinux
APPEND HVARGS   more words for the kernel's and the hypervisor's command line
TIMEOUT  seconds (default 600);  LOG  where the serial output goes (default build/bochs.log)
"""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

import iso

DEFAULTS = dict(HV='mica', CPU='corei7_skylake_x', MEM='512', KERNEL='build/guest/vmlinux', APPEND='', HVARGS='',
                TIMEOUT='600', LOG='build/bochs.log')
# Without a screen: frame buffer over the network, which waits for nobody.
CONFIG = '''plugin_ctrl: unmapped=1, serial=1, iodebug=0
config_interface: textconfig
display_library: rfb, options="timeout=0"
romimage: file=/usr/share/bochs/BIOS-bochs-latest
vgaromimage: file=/usr/share/vgabios/vgabios.bin
cpu: model={CPU}, count=1, ips=200000000, reset_on_triple_fault=0
memory: guest={MEM}, host={MEM}
ata0-master: type=cdrom, path={iso}, status=inserted
boot: cdrom
clock: sync=none, time0=1700000000
com1: enabled=1, mode=file, dev={LOG}
log: {out}
panic: action=fatal
error: action=ignore
info: action=ignore
debug: action=ignore
sound: driver=dummy
speaker: enabled=0
'''


def boot(progress=None, until=None, **given):
    """Runs until the machine switches itself off, or its output has what `until` matches.

    Returns the serial output, how it ended (poweroff, until, timeout, stopped), and seconds.
    """
    s = {**DEFAULTS, **{k: os.environ[k] for k in DEFAULTS if os.environ.get(k)}}
    s.update({k.upper(): str(v) for k, v in given.items()})
    folder = pathlib.Path(tempfile.mkdtemp(prefix='mica-bochs-'))
    try:
        s['LOG'] = str(pathlib.Path(s['LOG']).absolute())
        pathlib.Path(s['LOG']).parent.mkdir(parents=True, exist_ok=True)
        pathlib.Path(s['LOG']).write_bytes(b'')
        s.update(iso=folder / 'boot.iso', out=folder / 'bochs.out')
        iso.make(s['iso'], hv=s['HV'], entry='initramfs', hvargs=s['HVARGS'], append=s['APPEND'], timeout=0,
                 disk=False, kernel=s['KERNEL'])
        (folder / 'rc').write_text(CONFIG.format(**s), 'ascii')
        (folder / 'commands').write_text('c\n', 'ascii')  # Debian's has its debugger built in: continue
        return run(s, folder, progress, until)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def run(s, folder, progress, until):
    start = time.time()
    ended = 'timeout'
    shown = 0
    with open(folder / 'term', 'wb') as term, \
            subprocess.Popen(['bochs', '-q', '-f', 'rc', '-rc', 'commands'], stdin=subprocess.DEVNULL, stdout=term,
                             stderr=subprocess.STDOUT, cwd=folder) as process:
        while time.time() - start < float(s['TIMEOUT']):
            log = pathlib.Path(s['LOG']).read_text('utf-8', errors='replace').replace('\r\n', '\n')
            if progress:
                progress(log[shown:])
                shown = len(log)
            if until and re.search(until, log, re.M):
                ended = 'until'
                break
            if process.poll() is not None:
                ended = 'exit'
                break
            time.sleep(0.5)
        process.kill()
    log = pathlib.Path(s['LOG']).read_text('utf-8', errors='replace').replace('\r\n', '\n')
    out = (folder / 'term').read_text('utf-8', errors='replace')
    if (folder / 'bochs.out').exists():
        out += (folder / 'bochs.out').read_text('utf-8', errors='replace')
    if ended == 'exit':
        ended = 'poweroff' if re.search('soft power off|Shutdown port: shutdown requested', out) else 'stopped'
        if ended != 'poweroff':
            log += '\n' + '\n'.join(out.splitlines()[-40:])
    return log, ended, time.time() - start


def show(text):
    sys.stdout.write(text)
    sys.stdout.flush()


if __name__ == '__main__':
    _, how, seconds = boot(show, **dict(a.split('=', 1) for a in sys.argv[1:] if '=' in a))
    print(f'\nbochs.py: ended by {how} after {seconds:.0f} s')
    sys.exit(0 if how == 'poweroff' else 1)
