# SPDX-License-Identifier: MIT
"""Xen's own test programs, and every verb of xl: what they say and their status, as on Xen."""
import re
import shutil
import subprocess

import pytest

import xl_shell
from conftest import ROOT
from xl import Guest

pytestmark = pytest.mark.xl


def shape(text):
    """Without numbers, and without what differs by design (names and versions of the hypervisor)."""
    text = re.sub(r'0x[0-9a-f]+|\b[0-9a-f]{8}\b|[\d.]+', 'N', text)
    return [re.sub(r'  +', '  ', line.rstrip()) for line in text.splitlines() if not line.startswith('(XEN)')]


@pytest.mark.parametrize('name', ['test-xenstore', 'test-resource', 'test-cpu-policy', 'xen-detect', 'xen-cpuid -v'])
def test_program(xl_dom0, oracle, name):
    status, text = xl_dom0.ask(f'{name} 2>&1', 600)
    said = {'status': status, 'text': shape(text) if 'cpuid' not in name else []}
    assert said == oracle('xl-' + name.split()[0], said)


# name: commands, with the guests `tiny` (one vCPU, blocked) and `two` there. Only the last one's status and words count.
VERBS = {
    'list': 'xl list', 'list -l': 'xl list -l tiny | grep -v uuid', 'list -v': 'xl list -v | cut -c 1-60 | sed 1d | wc -l',
    'list nothing': 'xl list nothing', 'domid': 'xl domid tiny', 'domname': 'xl domname 0', 'domname 999': 'xl domname 999',
    'pause': 'xl pause tiny', 'pause twice': 'xl pause tiny; xl pause tiny; xl unpause tiny; xl list tiny',
    'unpause': 'xl unpause tiny', 'pause 0': 'xl pause 0', 'destroy 0': 'xl destroy 0', 'destroy': 'xl destroy two',
    'shutdown nothing': 'xl shutdown nothing', 'vcpu-list': 'xl vcpu-list tiny', 'vcpu-pin': 'xl vcpu-pin tiny 0 1',
    'vcpu-pin soft': 'xl vcpu-pin tiny 0 - 1; xl vcpu-list tiny', 'vcpu-pin out': 'xl vcpu-pin tiny 0 77',
    'vcpu-set': 'xl vcpu-set tiny 2', 'mem-max': 'xl mem-max tiny 32', 'mem-max big': 'xl mem-max tiny 999999999',
    'mem-set': 'xl mem-set tiny 12', 'mem-set 0': 'xl mem-set 0 600; xl mem-set 0 640', 'sysrq': 'xl sysrq tiny h',
    'trigger nmi': 'xl trigger tiny nmi', 'trigger reset': 'xl trigger tiny reset', 'trigger init': 'xl trigger tiny init',
    'button-press': 'xl button-press tiny power', 'debug-keys': 'xl debug-keys h', 'set-parameters': 'xl set-parameters x=1',
    'dmesg': 'xl dmesg | head -c 1 | wc -c', 'dmesg -c': 'xl dmesg -c > /dev/null; xl dmesg', 'uptime': 'xl uptime tiny',
    'uptime -s': 'xl uptime -s tiny', 'claims': 'xl claims', 'info -n': 'xl info -n | grep -A5 topology',
    'sched-credit': 'xl sched-credit', 'sched-credit2': 'xl sched-credit2', 'sched-credit2 -s': 'xl sched-credit2 -s',
    'sched-credit2 -w': 'xl sched-credit2 -d tiny -w 100; xl sched-credit2 -d tiny',
    'sched-credit2 -w 0': 'xl sched-credit2 -d tiny -w 0', 'sched-credit2 -c': 'xl sched-credit2 -d tiny -c 40',
    'sched-credit2 -r': 'xl sched-credit2 -s -r 2000; xl sched-credit2 -s -r 1000', 'sched-rtds': 'xl sched-rtds',
    'cpupool-list': 'xl cpupool-list', 'cpupool-list -c': 'xl cpupool-list -c', 'cpupool-create': 'xl cpupool-create name=\\"x\\"; xl cpupool-destroy x',
    'cpupool-destroy': 'xl cpupool-destroy Pool-0', 'cpupool-rename': 'xl cpupool-rename Pool-0 P; xl cpupool-rename P Pool-0',
    'cpupool-cpu-remove': 'xl cpupool-cpu-remove Pool-0 1; xl cpupool-list; xl cpupool-cpu-add Pool-0 1',
    'cpupool-migrate': 'xl cpupool-migrate tiny Pool-0',
    'network-list': 'xl network-list tiny', 'block-list': 'xl block-list tiny', 'vtpm-list': 'xl vtpm-list tiny',
    'channel-list': 'xl channel-list tiny', 'console -t': 'timeout 1 xl console -t vnc tiny', 'vncviewer': 'xl vncviewer tiny',
    'cd-insert': 'xl cd-insert tiny hdc /srv/x', 'pci-list': 'xl pci-list tiny', 'pci-attach': 'xl pci-attach tiny 00:1f.0',
    'pci-assignable-list': 'xl pci-assignable-list', 'usbctrl-attach': 'xl usbctrl-attach tiny', 'remus': 'xl remus -h | head -1',
    'rename': 'xl rename tiny small; xl rename small tiny', 'rename taken': 'xl rename tiny two', 'config-update':
    'xl config-update tiny /srv/tiny.cfg', 'dump-core': 'xl dump-core tiny /srv/x.core; rm /srv/x.core',
    'soft-reset': 'xl soft-reset tiny', 'getenforce': 'xl getenforce', 'setenforce': 'xl setenforce 1',
    'loadpolicy': 'xl loadpolicy /srv/x', 'tmem-list': 'xl tmem-list', 'psr-hwinfo': 'xl psr-hwinfo',
    'psr-cmt-show': 'xl psr-cmt-show cache-occupancy', 'psr-cat-show': 'xl psr-cat-show', 'mca': 'xen-mceinj -h | head -1',
    'devd': 'xl devd -F -p /tmp/x & sleep 1; kill %1', 'top': 'xentop -b -i 1 | sed -n 1p', 'qemu-monitor-command':
    'xl qemu-monitor-command tiny help', 'vkb-list': 'xl vkb-list tiny', 'vdispl-list': 'xl vdispl-list tiny',
    'vsnd-list': 'xl vsnd-list tiny', 'fork-exit': 'xl create -q -F /srv/nothing.cfg', 'wait': 'xl shutdown -w nothing',
    'xenperf': 'xenperf | head -2', 'xenlockprof': 'xenlockprof | head -2', 'xenpm': 'xenpm get-cpu-topology',
    'xenpm idle': 'xenpm get-cpuidle-states | head -2', 'hptool': 'xen-hptool cpu-offline 9', 'xenctx': 'xenctx 0 0 | wc -l',
    'xenhypfs': 'xenhypfs ls /', 'xenhypfs tree': 'xenhypfs tree', 'lsevtchn': 'lsevtchn 0 | wc -l | sed s/.*/some/',
    'xen-diag': 'xen-diag gnttab_query_size 0', 'xen-mfndump': 'xen-mfndump dump-m2p | wc -l', 'livepatch': 'xen-livepatch list',
    'xen-ucode': 'xen-ucode /srv/tiny', 'xencov': 'xencov reset', 'flask': 'flask-getenforce', 'help': 'xl help | wc -l',
    'nonsense': 'xl nonsense',
}




# What Mica refuses and Xen does not; the ABI table says with which error.
REFUSED = {
    'set-parameters': 'no hypfs', 'xenhypfs': 'no hypfs', 'xenhypfs tree': 'no hypfs', 'xenpm idle': 'no power management',
    'livepatch': 'no live patches', 'xen-ucode': 'no microcode',
}


def table(kept, said):
    """doc/xl.md: what each verb does on Xen, and whether it does the same here."""
    rows = ['# What works of xl', '',
            'Made by `make xl-table`: each line is typed in Domain 0 on Debian\'s Xen and on Mica, with two small guests',
            'there. "same": status and words are equal but for numbers.', '', '| verb | typed | status on Xen | on Mica |',
            '| --- | --- | --- | --- |']
    for name, here in said.items():
        there = kept.get(name, {})
        verdict = 'same' if there == here else f'refused: {REFUSED.get(name)}, status {here["status"]}'
        line = here['line'].replace('|', '\\|')
        rows.append(f'| {name} | `{line}` | {there.get("status")} | {verdict} |')
    (ROOT / 'doc/xl.md').write_text('\n'.join(rows) + '\n', 'utf-8')


def test_verbs(xl_dom0, oracle, hypervisor, request):
    """Status and words of every verb; doc/xl.md is the table of it."""
    xl_dom0.tiny()
    xl_dom0.tiny('two')
    said = {}
    for name, line in VERBS.items():
        status, text = xl_dom0.ask(f'( {line} ) 2>&1', 60)
        said[name] = {'line': line, 'status': status, 'text': shape(text)}
        if not {'tiny', 'two'} <= set(xl_dom0.domains()):
            xl_dom0.ask('xl destroy tiny; xl destroy two')
            xl_dom0.tiny()
            xl_dom0.tiny('two')
    kept = oracle('xl-verbs', said)
    if hypervisor == 'mica' and request.config.getoption('record'):
        table(kept, said)
    other = {k: (kept.get(k), v) for k, v in said.items() if kept.get(k) != v and (k not in REFUSED or hypervisor == 'xen')}
    assert not other, '\n'.join(f'{k}: on Xen {a}\n   here {b}' for k, (a, b) in other.items())


def test_pvgrub(xl_machines, hypervisor, tmp_path):
    """GRUB as the guest's kernel finds Debian's on the guest's own disk, and starts it."""
    boot = tmp_path / 'tree/boot'
    (boot / 'grub').mkdir(parents=True)
    for name in ('vmlinuz', 'guest.cpio.gz'):
        shutil.copy(ROOT / 'build/guest' / name, boot)
    (boot / 'grub/grub.cfg').write_text('linux /boot/vmlinuz console=hvc0 loglevel=4 mica.name=grub\n'
                                        'initrd /boot/guest.cpio.gz\nboot\n', 'ascii')
    subprocess.run(['mke2fs', '-q', '-t', 'ext2', '-d', boot.parent, tmp_path / 'disk', '16M'], check=True)
    files = {'srv/disk.img': (tmp_path / 'disk').read_bytes(), 'srv/grub': (ROOT / 'build/guest/grub-xen').read_bytes()}
    dom0 = xl_machines(hypervisor, initrd=xl_shell.with_files(files, tmp_path / 'initrd'))
    dom0.create('grub', kernel='/srv/grub', memory=256,
                disk=['format=raw,vdev=xvda,access=w,script=block,target=/srv/disk.img'])
    assert 'grub' in Guest(dom0, 'grub').boots()('hostname')
    dom0('xl shutdown -w grub')
    dom0.machine.stop()
