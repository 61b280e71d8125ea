#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Runs a hypervisor with Domain 0 in QEMU.

Settings come from the environment (so `make run SMP=4` works), or as NAME=value arguments:

HV        mica (default), xen (Debian's Xen 4.17 in its place), none (the kernel alone), a path
KERNEL    vmlinux or bzImage         (default build/guest/vmlinux, or the disk's own kernel)
INITRD    its initramfs              (default build/guest/initramfs.cpio.gz, or the disk's own)
APPEND    more words for the kernel's command line
HVARGS    more words for the hypervisor's
DISK      none (default), virtio, ahci, nvme;  IMAGE  its file (default build/dom0/disk.img)
NET       none (default), virtio, e1000
CPU SMP MEM MACHINE   Haswell, 1, 1G, pc or q35
ACCEL     tcg (default) or kvm
ICOUNT=1  count instructions as nanoseconds, repeatably;  GDB=1  gdb server on port 1234, halted
          (another number is another port)
ISO       boot this ISO instead of -kernel;  UEFI=1  under OVMF
GUEST=0   with --dom0: no guest beside Domain 0
KEEP=1    what Domain 0 writes to its disk stays
TIMEOUT   seconds (default: none on a terminal, 600 elsewhere);  LOG  copy of the serial output
QEMU      more words for QEMU;  VGA=std for a screen

--dom0    boot the disk, create the guest `demo`: then a root shell on a terminal; elsewhere a report of both
          and power-off
--report  the report, also on a terminal
--debug   halted, with gdb attached
--print   only print the command
"""
import ctypes
import json
import os
import pathlib
import re
import select
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = ROOT / 'build'
DEFAULTS = dict(
    HV='mica', KERNEL='', INITRD='', APPEND='', HVARGS='', DISK='none', IMAGE='', NET='none',
    CPU='Haswell', SMP='1', MEM='1G', MACHINE='pc', ACCEL='tcg', ICOUNT='', GDB='', ISO='', UEFI='',
    GUEST='1', KEEP='', TIMEOUT='', LOG='', QEMU='', VGA='none', CONSOLE='')
PR_SET_PDEATHSIG = 1
SLOW = float(os.environ.get('SLOW', '1'))  # tests wait that much longer: for a busy host
OVMF = '/usr/share/OVMF/OVMF_CODE.fd'


def settings(**given):
    """Defaults, under the environment, under what is given."""
    s = dict(DEFAULTS)
    s.update({k: os.environ[k] for k in DEFAULTS if os.environ.get(k)})
    for name, value in given.items():
        if name.upper() not in DEFAULTS:
            raise ValueError(f'unknown setting {name}')
        s[name.upper()] = str(value)
    return s


def comma(text):
    """QEMU splits -initrd at commas; a doubled one stands for itself."""
    return str(text).replace(',', ',,')


def hypervisor_file(hv):
    if '/' in hv:
        return ROOT / hv  # an image of Mica by its path, a debug build say
    return BUILD / ('guest/xen' if hv == 'xen' else 'mica')


def kernel_words(s):
    words = ['console=hvc0 earlyprintk=xen'] if s['HV'] != 'none' else ['console=ttyS0']
    if s['CONSOLE']:
        words = [s['CONSOLE']]
    if s['DISK'] != 'none':
        words.append('root=LABEL=mica-dom0 ro')
    return ' '.join(words + [s['APPEND']]).strip()


def hypervisor_words(s):
    return f'console=com1 com1=115200,8n1 {s["HVARGS"]}'.strip()


def disk_words(s):
    if s['DISK'] == 'none':
        return []
    image = s['IMAGE'] or BUILD / 'dom0/disk.img'
    drive = f'if=none,id=disk0,format=raw,file={comma(image)}' + ('' if s['KEEP'] else ',snapshot=on')
    device = {
        'virtio': ['-device', 'virtio-blk-pci,drive=disk0'],
        'nvme': ['-device', 'nvme,serial=mica,drive=disk0'],
        'ahci': ['-device', 'ide-hd,drive=disk0,bus=ide.0'] if s['MACHINE'].startswith('q35') else
                ['-device', 'ahci,id=ahci', '-device', 'ide-hd,drive=disk0,bus=ahci.0'],
    }[s['DISK']]
    return ['-drive', drive] + device


def net_words(s):
    if s['NET'] == 'none':
        return ['-nic', 'none']
    device = {'virtio': 'virtio-net-pci', 'e1000': 'e1000'}.get(s['NET'], s['NET'])
    return ['-netdev', 'user,id=net0', '-device', f'{device},netdev=net0']


def boot_words(s):
    kernel = s['KERNEL'] or BUILD / 'guest/vmlinux'
    initrd = s['INITRD'] or BUILD / 'guest/initramfs.cpio.gz'
    if s['ISO']:
        words = ['-cdrom', s['ISO'], '-boot', 'd']
        if s['UEFI']:
            words += ['-drive', f'if=pflash,format=raw,readonly=on,file={OVMF}']
        return words
    if s['HV'] == 'none':
        return ['-kernel', str(kernel), '-initrd', str(initrd), '-append', kernel_words(s)]
    modules = []
    if str(kernel) != 'none':
        modules.append(comma(f'{kernel} {kernel_words(s)}'))
    if str(initrd) != 'none':
        modules.append(comma(initrd))
    words = ['-kernel', str(hypervisor_file(s['HV'])), '-append', hypervisor_words(s)]
    return words + (['-initrd', ','.join(modules)] if modules else [])


def command(s, qmp=None, interactive=False):
    cpu = s['CPU'] + (',-rdrand' if s['ICOUNT'] else '')
    words = ['qemu-system-x86_64', '-nodefaults', '-no-reboot', '-display', 'none', '-vga', s['VGA'],
             '-machine', s['MACHINE'], '-accel', s['ACCEL'], '-cpu', cpu,
             '-smp', s['SMP'], '-m', s['MEM']]
    if interactive:
        log = f',logfile={comma(s["LOG"])}' if s['LOG'] else ''
        words += ['-chardev', f'stdio,id=com1,mux=on,signal=off{log}', '-serial', 'chardev:com1',
                  '-mon', 'chardev=com1']
    else:
        words += ['-serial', 'stdio']
    if s['ICOUNT']:
        words += ['-icount', 'shift=0,sleep=off', '-rtc', 'base=2024-01-01T00:00:00,clock=vm',
                  '-seed', '1']
    if s['GDB']:
        words += ['-S', '-gdb', f'tcp:127.0.0.1:{1234 if s["GDB"] == "1" else s["GDB"]}']
    if qmp:
        words += ['-qmp', f'unix:{qmp},server=on,wait=off']
    return words + boot_words(s) + disk_words(s) + net_words(s) + shlex.split(s['QEMU'])


def die_with_parent():
    """No machine outlives the test that started it, however that ended."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Boot:
    """One QEMU, its serial output, and how it ended.

    ended: 'poweroff', 'reset' (also a triple fault), 'exit' (QEMU itself), 'timeout', 'killed'
    """

    def __init__(self, echo=False, **given):
        self.settings = settings(**given)
        self.dir = tempfile.mkdtemp(prefix='mica-')
        self.qmp_path = os.path.join(self.dir, 'qmp')
        self.argv = command(self.settings, qmp=self.qmp_path)
        self.log_file = open(self.settings['LOG'], 'wb') if self.settings['LOG'] else None
        self.echo = echo
        self.raw = bytearray()
        self.ended = None
        self.start = time.time()
        self.seconds = 0.0
        self.events = ''
        self.qmp = None
        self.process = subprocess.Popen(self.argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, cwd=ROOT, preexec_fn=die_with_parent)

    @property
    def log(self):
        return self.raw.decode(errors='replace').replace('\r', '')

    def _connect(self):
        if self.qmp or not os.path.exists(self.qmp_path):
            return
        self.qmp = socket.socket(socket.AF_UNIX)
        try:
            self.qmp.connect(self.qmp_path)
            self.qmp.sendall(b'{"execute":"qmp_capabilities"}\n')
        except OSError:
            self.qmp = None

    def _step(self, wait):
        """Takes what has arrived; False once the serial line is closed."""
        self._connect()
        out = self.process.stdout
        ready, _, _ = select.select([out] + ([self.qmp] if self.qmp else []), [], [], wait)
        if self.qmp in ready:
            self._events()
        if out not in ready:
            return True
        data = os.read(out.fileno(), 65536)
        self.raw += data
        if self.log_file:
            self.log_file.write(data)
            self.log_file.flush()
        if self.echo:
            sys.stdout.buffer.write(data)
            sys.stdout.flush()
        return bool(data)

    def _events(self):
        try:
            data = self.qmp.recv(65536)
        except OSError:
            data = b''
        if not data:
            self.qmp.close()
            self.qmp = False
        self.events += data.decode(errors='replace')

    def wait_for(self, pattern, timeout=120):
        """The match, once the pattern is in the log; None if the machine ends or time runs out."""
        regex = re.compile(pattern, re.M)
        limit = time.time() + timeout * SLOW
        while True:
            # Where the end of a line is asked for, only lines that have come whole count.
            whole = self.log.rfind('\n') + 1 if pattern.endswith('$') else len(self.log)
            found = regex.search(self.log, 0, whole)
            if found:
                return found
            left = limit - time.time()
            if left <= 0:
                self.stop('timeout')
                return None
            if not self._step(min(left, 0.5)):
                self._finish()
                return regex.search(self.log)

    def send(self, text):
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()

    def monitor(self, line):
        """A command for QEMU's monitor; what it answers is not waited for."""
        while not self.qmp and self._step(0.1):
            pass
        text = json.dumps({'execute': 'human-monitor-command', 'arguments': {'command-line': line}})
        self.qmp.sendall(text.encode() + b'\n')

    def finish(self, timeout=120):
        """Waits for the end; returns self."""
        limit = time.time() + timeout * SLOW
        while self.ended is None:
            left = limit - time.time()
            if left <= 0:
                self.stop('timeout')
            elif not self._step(min(left, 0.5)):
                self._finish()
        return self

    def stop(self, why='killed'):
        if self.ended is None:
            self.process.kill()
            while self._step(0.2):
                pass
            self._finish(why)

    def _finish(self, why=None):
        rc = self.process.wait()
        while self.qmp:
            self._events()
        reason = re.findall(r'"SHUTDOWN".*?"reason": "([\w-]+)"|"reason": "([\w-]+)".*?"SHUTDOWN"', self.events)
        reason = [a or b for a, b in reason]
        if why is None:
            why = 'exit' if rc or not reason else {'guest-shutdown': 'poweroff', 'guest-reset': 'reset'}.get(
                reason[-1], reason[-1])
        self.ended = why
        self.seconds = time.time() - self.start
        if self.log_file:
            self.log_file.close()
        shutil.rmtree(self.dir, ignore_errors=True)


def need(s):
    """Names what is missing before QEMU does it less kindly."""
    files = [] if s['ISO'] else [hypervisor_file(s['HV'])] if s['HV'] != 'none' else []
    for name in ('KERNEL', 'INITRD'):
        if s[name] and s[name] != 'none':
            files.append(pathlib.Path(s[name]))
    if s['DISK'] != 'none' and not s['IMAGE']:
        files.append(BUILD / 'dom0/disk.img')
    for f in files:
        if not f.exists():
            sys.exit(f'run.py: {f} is missing: `make`, `make guest` and `make disk` make it')


def interactive(s):
    print('  Ctrl-A X ends QEMU; Ctrl-A H lists its keys.', flush=True)
    return subprocess.run(command(s, interactive=True), cwd=ROOT, check=False).returncode


def megabytes(text):
    """QEMU's -m in MiB."""
    number = int(re.match(r'\d*', text)[0] or 0)
    return number << 10 if text[-1:] in 'gG' else number


def leave_room(s):
    """Domain 0 gets half of the memory, so that guests get the rest without ballooning."""
    if s['GUEST'] != '0' and s['HV'] != 'none' and 'dom0_mem' not in s['HVARGS']:
        s['HVARGS'] += f' dom0_mem={max(640, megabytes(s["MEM"]) // 2)}M'
    if s['GUEST'] != '0' and s['HV'] != 'none':
        s['APPEND'] += ' mica.demo'


def guest_verdict(boot):
    """What became of the guest: shown, and a reason to fail."""
    for line, good, what in (('END', 'ok', ''), ('GONE', '0', 'shutting it down: ')):
        result = re.search(rf'^MICA-DEMO-{line} (.*)$', boot.log, re.M)
        why = result[1].strip() if result else 'nothing was heard of it'
        if why != good:
            sys.exit(f'run.py: the guest: {what}{why}')
    print('run.py: the guest came up, read its disk, reached Domain 0 and was shut down')


def batch(s, report):
    limit = float(s['TIMEOUT'] or 600)
    boot = Boot(echo=True, **s).finish(limit)
    print()
    if boot.ended == 'timeout':
        sys.exit(f'run.py: not finished after {limit:.0f} s')
    if boot.ended == 'exit':
        sys.exit('run.py: QEMU ended by itself')
    if not report:
        print(f'run.py: ended by {boot.ended} after {boot.seconds:.1f} s')
        return 0 if boot.ended == 'poweroff' else 1
    result = re.search(r'^MICA-REPORT-END (.*)$', boot.log, re.M)
    if not result:
        sys.exit(f'run.py: no report from Domain 0; the machine ended by {boot.ended}')
    if result[1].strip() != 'ok':
        sys.exit(f'run.py: Domain 0 reports: {result[1].strip()}')
    if 'mica.demo' in s['APPEND']:
        guest_verdict(boot)
    if boot.ended != 'poweroff':
        sys.exit(f'run.py: Domain 0 asked for power-off, but the machine ended by {boot.ended}')
    print(f'run.py: Domain 0 came up, reported and powered off in {boot.seconds:.0f} s')
    return 0


def debug(s):
    s['GDB'] = '1'
    log = s['LOG'] or str(BUILD / 'debug.log')
    qemu = command(s)
    qemu[qemu.index('stdio')] = f'file:{log}'
    with subprocess.Popen(qemu, cwd=ROOT, stdin=subprocess.DEVNULL, start_new_session=True) as p:
        print(f'  serial output: {log}')
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        time.sleep(0.5)
        symbols = hypervisor_file(s['HV'])
        subprocess.run(['gdb', '-q', '-x', 'tools/mica.gdb', str(symbols), '-ex', 'mica-attach'],
                       cwd=ROOT, check=False)
        p.kill()


def main():
    flags = [a for a in sys.argv[1:] if a.startswith('--')]
    given = dict(a.split('=', 1) for a in sys.argv[1:] if not a.startswith('--'))
    unknown = set(flags) - {'--dom0', '--report', '--debug', '--print'}
    if unknown:
        sys.exit(__doc__)
    s = settings(**given)
    terminal = sys.stdin.isatty() and '--report' not in flags and not s['TIMEOUT']
    dom0 = '--dom0' in flags
    if dom0:
        s['DISK'] = 'virtio' if s['DISK'] == 'none' else s['DISK']
        s['NET'] = 'virtio' if s['NET'] == 'none' else s['NET']
        for name, file in (('KERNEL', 'vmlinux'), ('INITRD', 'initrd.img')):
            s[name] = s[name] or str(BUILD / 'dom0' / file)
        leave_room(s)
        if not terminal:
            s['APPEND'] += ' mica.report'
    need(s)
    if '--print' in flags:
        print(shlex.join(command(s)))
        return 0
    if '--debug' in flags:
        return debug(s)
    if terminal:
        return interactive(s)
    return batch(s, dom0)


if __name__ == '__main__':
    sys.exit(main())
