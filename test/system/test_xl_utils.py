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


def shape(text, numbers=False):
    """Without numbers, and without what differs by design (names and versions of the hypervisor)."""
    text = re.sub(r'[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}', 'UUID', text)
    if not numbers:
        text = re.sub(r'0x[0-9a-f]+|\b[0-9a-f]{8}\b|[\d.]+', 'N', text)
    return [re.sub(r'  +', '  ', line.rstrip()) for line in text.splitlines() if not line.startswith('(XEN)')]


@pytest.mark.daily
@pytest.mark.parametrize('name', ['test-xenstore', 'test-resource', 'test-cpu-policy', 'xen-detect', 'xen-cpuid -v'])
def test_program(xl_dom0, oracle, name):
    status, text = xl_dom0.ask(f'{name} 2>&1', 600)
    said = {'status': status, 'text': shape(text) if 'cpuid' not in name else []}
    assert said == oracle('xl-' + name.split()[0], said)


# A guest's memory, its maximum and its vCPUs, as xentop reads them from the hypervisor.
TOP = "xentop -b -i 1 | awk '$1 == \"tiny\" { print $1, $5, $7, $9 }'"
# name: commands, with the guests `tiny` (one vCPU, blocked) and `two` there. Only the last one's status and words count.
VERBS = {
    'list': 'xl list', 'list -l': 'xl list -l tiny | grep -v uuid', 'list -v': 'xl list -v | cut -c 1-69',
    'list nothing': 'xl list nothing', 'domid': 'xl domid tiny', 'domname': 'xl domname 0', 'domname 999': 'xl domname 999',
    'pause': "xl pause tiny && xl list tiny | awk '{ print $1, $5 }'", 'pause twice': 'xl pause tiny; xl pause tiny; xl unpause tiny; xl list tiny',
    'unpause': "xl unpause tiny && xl list tiny | awk '{ print $1, $5 }'", 'pause 0': 'xl pause 0', 'destroy 0': 'xl destroy 0', 'destroy': 'xl destroy two && xl list two',
    'shutdown nothing': 'xl shutdown nothing', 'vcpu-list': 'xl vcpu-list tiny', 'vcpu-pin': "xl vcpu-pin tiny 0 1 && xl vcpu-list tiny | awk '{ print $1, $(NF - 2), $NF }'",
    'vcpu-pin soft': "xl vcpu-pin tiny 0 - 1 && xl vcpu-list tiny | awk '{ print $1, $(NF - 2), $NF }'", 'vcpu-pin out': 'xl vcpu-pin tiny 0 77',
    'vcpu-set': 'xl vcpu-set tiny 2', 'mem-max': f'xl mem-max tiny 32 && {TOP}', 'mem-max big': 'xl mem-max tiny 999999999',
    'mem-set': f'xl mem-set tiny 12 && xenstore-read /local/domain/$(xl domid tiny)/memory/target && {TOP}',
    'mem-set 0': 'xl mem-set 0 600 && xenstore-read /local/domain/0/memory/target && xl mem-set 0 640 && xenstore-read /local/domain/0/memory/target', 'sysrq': 'xl sysrq tiny h',
    'trigger nmi': 'xl trigger tiny nmi', 'trigger reset': 'xl trigger tiny reset', 'trigger init': 'xl trigger tiny init',
    'button-press': 'xl button-press tiny power', 'debug-keys': 'xl debug-keys h', 'set-parameters': 'xl set-parameters x=1',
    'dmesg': 'xl dmesg | grep -q XEN && echo it speaks', 'dmesg -c': 'xl dmesg -c > /dev/null; xl dmesg', 'uptime': 'xl uptime tiny',
    'uptime -s': 'xl uptime -s tiny', 'claims': 'xl claims', 'info -n': 'xl info -n | grep -A5 topology',
    'sched-credit': 'xl sched-credit', 'sched-credit2': 'xl sched-credit2', 'sched-credit2 -s': 'xl sched-credit2 -s',
    'sched-credit2 -w': "xl sched-credit2 -d tiny -w 100 && xl sched-credit2 -d tiny | awk '{ print $1, $3, $4 }'",
    'sched-credit2 -w 0': 'xl sched-credit2 -d tiny -w 0', 'sched-credit2 -c': "xl sched-credit2 -d tiny -c 40 && xl sched-credit2 -d tiny | awk '{ print $1, $3, $4 }'",
    'sched-credit2 -r': 'xl sched-credit2 -s -r 2000 && xl sched-credit2 -s && xl sched-credit2 -s -r 1000 && xl sched-credit2 -s', 'sched-rtds': 'xl sched-rtds',
    'cpupool-list': 'xl cpupool-list', 'cpupool-list -c': 'xl cpupool-list -c', 'cpupool-create': 'xl cpupool-create name=\\"x\\" && xl cpupool-list && xl cpupool-destroy x && xl cpupool-list',
    'cpupool-destroy': 'xl cpupool-destroy Pool-0', 'cpupool-rename': 'xl cpupool-rename Pool-0 P && xl cpupool-list && xl cpupool-rename P Pool-0 && xl cpupool-list',
    'cpupool-cpu-remove': 'xl cpupool-cpu-remove Pool-0 1 && xl cpupool-list -c && xl cpupool-cpu-add Pool-0 1 && xl cpupool-list -c',
    'cpupool-migrate': 'xl cpupool-migrate tiny Pool-0',
    'network-list': 'xl network-list tiny', 'block-list': 'xl block-list tiny', 'vtpm-list': 'xl vtpm-list tiny',
    'channel-list': 'xl channel-list tiny', 'console -t': 'timeout 1 xl console -t vnc tiny', 'vncviewer': 'xl vncviewer tiny',
    'cd-insert': 'xl cd-insert tiny hdc /srv/x', 'pci-list': 'xl pci-list tiny', 'pci-attach': 'xl pci-attach tiny 00:1f.0',
    'pci-assignable-list': 'xl pci-assignable-list', 'usbctrl-attach': 'xl usbctrl-attach tiny', 'remus': 'xl remus -h | head -1',
    'rename': 'xl rename tiny small && xl domname $(xl domid small) && xl rename small tiny && xl domname $(xl domid tiny)', 'rename taken': 'xl rename tiny two', 'config-update':
    'xl config-update tiny /srv/tiny.cfg', 'dump-core': 'xl dump-core tiny /srv/x.core && rm /srv/x.core',
    'soft-reset': 'xl soft-reset tiny', 'getenforce': 'xl getenforce', 'setenforce': 'xl setenforce 1',
    'loadpolicy': 'xl loadpolicy /srv/x', 'tmem-list': 'xl tmem-list', 'psr-hwinfo': 'xl psr-hwinfo',
    'psr-cmt-show': 'xl psr-cmt-show cache-occupancy', 'psr-cat-show': 'xl psr-cat-show', 'mca': 'xen-mceinj -h | head -1',
    'devd': 'xl devd -h | head -1', 'top': 'xentop -b -i 1 | sed -n 1p', 'qemu-monitor-command':
    'xl qemu-monitor-command tiny help', 'vkb-list': 'xl vkb-list tiny', 'vdispl-list': 'xl vdispl-list tiny',
    'vsnd-list': 'xl vsnd-list tiny', 'create nothing': 'xl create -q -F /srv/nothing.cfg', 'wait': 'xl shutdown -w nothing',
    'xenlockprof': 'xenlockprof | head -2', 'xenpm': 'xenpm get-cpu-topology',
    'xenpm idle': 'xenpm get-cpuidle-states | head -2', 'hptool': 'xen-hptool cpu-offline 9', 'xenctx': 'xenctx $(xl domid tiny) 0 | grep -E "^(rip|rsp)"',
    'xenhypfs': 'xenhypfs ls /', 'xenhypfs tree': 'xenhypfs tree', 'lsevtchn': 'lsevtchn $(xl domid tiny)',
    'xen-diag': 'xen-diag gnttab_query_size 0', 'xen-mfndump': 'xen-mfndump dump-p2m $(xl domid tiny)', 'livepatch': 'xen-livepatch list',
    'xen-ucode': 'xen-ucode /srv/tiny', 'xencov': 'xencov reset', 'flask': 'flask-getenforce', 'help': 'xl help | grep -o "^ [a-z][a-z0-9-]*"',
    'nonsense': 'xl nonsense', 'create twice': 'xl create -q /srv/tiny.cfg',
    'create -p': 'xl create -q -p /srv/tiny.cfg name=\\"x\\"; xl list x; xl destroy x', 'create -n': 'xl create -n /srv/tiny.cfg',
    'sharing': 'xl sharing', 'vm-list': 'xl vm-list | sed "s/^[^ ]* *[0-9]* *//"', 'reboot nothing': 'xl reboot nothing', 'console nothing': 'xl console nothing',
    'save nothing': 'xl save nothing /srv/x', 'restore nothing': 'xl restore /srv/nothing.save',
    'restore no image': 'xl restore /srv/tiny', 'migrate': "xl migrate -s '' tiny false", 'migrate-receive':
    'xl migrate-receive < /dev/null', 'network-attach':
    'xl network-attach tiny mac=00:16:3e:00:00:09; xl network-list tiny; xl network-detach tiny 0', 'block-attach':
    'xl block-attach tiny format=raw,vdev=xvdb,access=r,script=block,target=/srv/tiny; xl block-list tiny; xl block-detach tiny xvdb',
    'network-attach nothing': 'xl network-attach nothing', 'block-attach nothing': 'xl block-attach nothing phy:/dev/x,xvda,w',
    'block-attach absent': 'xl block-attach tiny phy:/dev/absent,xvda,w', 'network-detach absent': 'xl network-detach tiny 7',
    'block-detach absent': 'xl block-detach tiny xvdz', 'cd-eject': 'xl cd-eject tiny hdc',
    'pci-detach': 'xl pci-detach tiny 00:1f.0', 'pci-assignable-add': 'xl pci-assignable-add 00:1f.0',
    'pci-assignable-remove': 'xl pci-assignable-remove 00:1f.0', 'vtpm-attach': 'xl vtpm-attach tiny',
    'vtpm-detach': 'xl vtpm-detach tiny 0', 'vkb-attach': 'xl vkb-attach nothing', 'vkb-detach': 'xl vkb-detach tiny 0',
    'vdispl-attach': 'xl vdispl-attach nothing', 'vdispl-detach': 'xl vdispl-detach tiny 0', 'vsnd-attach': 'xl vsnd-attach nothing',
    'vsnd-detach': 'xl vsnd-detach tiny 0', 'usb-list': 'xl usb-list tiny', 'usbctrl-detach': 'xl usbctrl-detach tiny 0',
    'usbdev-attach': 'xl usbdev-attach tiny hostbus=1 hostaddr=1', 'usbdev-detach': 'xl usbdev-detach tiny 0 1',
    'psr-cmt-attach': 'xl psr-cmt-attach tiny', 'psr-cmt-detach': 'xl psr-cmt-detach tiny',
    'psr-cat-set': 'xl psr-cat-set tiny 0xff', 'psr-mba-set': 'xl psr-mba-set tiny 10', 'psr-mba-show': 'xl psr-mba-show',
    'cpupool-cpu-add': 'xl cpupool-cpu-add Pool-0 1',
    'xentrace': 'timeout 20 xentrace -D -e all -T 1 /srv/x.trace; s=$?; rm -f /srv/x.trace; exit $s',
}
# Where numbers count too: nothing in them is by chance.
NUMBERS = {'pause', 'unpause', 'vcpu-pin', 'vcpu-pin soft', 'mem-max', 'mem-set', 'mem-set 0', 'sched-credit2 -w', 'sched-credit2 -c',
           'sched-credit2 -s', 'sched-credit2 -r', 'cpupool-list', 'cpupool-list -c', 'cpupool-create', 'cpupool-rename',
           'cpupool-cpu-remove', 'xenctx'}
# Verbs that need a guest that answers are tried by others.
ELSEWHERE = {'shutdown': 'test_xl_life.py', 'reboot': 'test_xl_life.py', 'console': 'test_xl_life.py',
             'save': 'test_xl_save.py', 'restore': 'test_xl_save.py', 'migrate': 'test_xl_migrate.py', 'top': 'xentop, below',
             'cpupool-numa-split': 'not tried: no answer within 100 s on Xen'}

# What PV guests do not have, on either.
NOT_PV = {'button-press', 'trigger reset', 'trigger init', 'vncviewer', 'cd-insert', 'cd-eject', 'qemu-monitor-command'}

# What Mica refuses and Xen does not; the ABI table says with which error.
REFUSED = {
    'set-parameters': 'no hypfs', 'xenhypfs': 'no hypfs', 'xenhypfs tree': 'no hypfs', 'xenpm idle': 'no power management',
    'livepatch': 'no live patches', 'xen-ucode': 'no microcode',
    'xentrace': 'no trace buffers for it, EOPNOTSUPP',
}


def verdict(name, there, here):
    if there == here:
        return 'not for PV' if name in NOT_PV else 'same'
    return f'refused: {REFUSED[name]}, status {here["status"]}' if name in REFUSED else 'OTHER'


def table(kept, said):
    """doc/xl.md: what each verb does on Xen, and whether it does the same here."""
    rows = ['# What works of xl', '',
            'Made by `make xl-table`: each line is typed in Domain 0 on Debian\'s Xen and on Mica, with two small guests',
            'there. "same": the last command\'s status and all words are equal, but for numbers in rows without a star. "not for',
            'PV": PV guests have no such thing; what is said is the same. Verbs that need a guest that answers are tried by',
            'other tests:',
            ', '.join(f'`{verb}` ({file})' for verb, file in ELSEWHERE.items()) + '.', '',
            '| verb | typed | status on Xen | on Mica |', '| --- | --- | --- | --- |']
    for name, here in sorted(said.items()):
        there = kept.get(name, {})
        line = here['line'].replace('|', '\\|')
        rows.append(f'| {name}{"*" * (name in NUMBERS)} | `{line}` | {there.get("status")} | {verdict(name, there, here)} |')
    (ROOT / 'doc/xl.md').write_text('\n'.join(rows) + '\n', 'utf-8')


def try_verbs(dom0):
    """{name: what it says}, with the guests put back where a verb has ended them."""
    said = {}
    for name, line in VERBS.items():
        there = dom0.domains()
        for guest in ('two', 'tiny'):
            if guest not in there:
                dom0.tiny(guest)
        status, text = dom0.ask(f'( {line} ) 2>&1', 100)
        said[name] = {'line': line, 'status': status, 'text': shape(text, name in NUMBERS)}
    return said


def test_verbs(xl_dom0, oracle, hypervisor, request):
    """Status and words of every verb of `xl help`; doc/xl.md is the table of it."""
    tried = set(ELSEWHERE) | set(re.findall(r'xl ([a-z][a-z0-9-]*)', ' '.join(VERBS.values())))
    assert not set(re.findall(r'^ ([a-z][a-z0-9-]*) ', xl_dom0('xl help'), re.M)) - tried
    said = try_verbs(xl_dom0)
    xl_dom0('xenstore-rm /vm/00000000-0000-0000-0000-000000000000')  # `xl mem-set 0` leaves Domain 0's size there
    kept = oracle('xl-verbs', said)
    if hypervisor == 'mica' and request.config.getoption('record'):
        table(kept, said)
    other = {k: (kept.get(k), v) for k, v in said.items() if verdict(k, kept.get(k), v) == 'OTHER'}
    assert not other, '\n'.join(f'{k}: on Xen {a}\n   here {b}' for k, (a, b) in other.items())


@pytest.mark.mica_only  # Debian's Xen is built without counters
@pytest.mark.daily
def test_counters(xl_dom0):
    """xenperf: a hypercall more is one more, and nothing is left after a reset."""
    def hypercalls(number):
        return int(re.search(r'^hypercalls +T= *\d+ (.*)', xl_dom0('xenperf -f'), re.M)[1].split()[number])
    xl_dom0('xenperf -r')
    before = hypercalls(35)  # sysctl
    for _ in range(5):
        xl_dom0('xl debug-keys h')
    assert before < 100 and before + 5 <= hypercalls(35) < before + 200
    said = dict(re.findall(r'^(\w+) +T= *(\d+)', xl_dom0('xenperf'), re.M))
    assert {'exceptions', 'interrupts', 'vcpu_switches', 'cr3_loads', 'tlb_flushes', 'ptwr'} < set(said)
    assert int(said['exceptions']) > 0 and int(said['ptwr']) > 0


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
