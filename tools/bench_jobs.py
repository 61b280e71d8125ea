#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What whole jobs cost (test/bench/jobs.c, jobs.sh): block and network devices, processes, files, a database, computing.

One table for each place and mode: instructions natively, on Xen and on Mica, and of them the hypervisor's, Domain 0's
kernel's and the guest's. A job may add to native half of what Xen adds, one that only computes 0.5 % of native. "kernels
alone": how much of what Xen adds would remain if Mica itself executed nothing.

A machine that does not come to its end is tried once more; what is missing then is only left out, and make fails. How far it
is, is in build/plugin/jobs.log; figures are in jobs.json as soon as there are any. SLOW=5 lets a busy host take that much longer.

Settings as of bench.py: HV= MODE=plain|asis OP=beginning of names PROFILE=1 or the beginning of a name RAW=file, and
WHERE=dom0   the small initramfs, in Domain 0 and natively: the block device is a loop device on a file in memory
      guest  a guest of xl, its disk such a loop device, beside another guest
      disk   a virtio disk of QEMU, in Domain 0 and natively. It answers in the host's own time, so that figures differ a
             little from run to run: each is run three times (RUNS=), and the table says how much
"""
import array
import gzip
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

import bench
import fetch
import xl_initramfs

SYSTEMS = ('xen', 'mica')
PLACES = ('dom0', 'guest', 'disk')
PEERS = ('guest to guest', 'network')  # natively, the second is what the first is compared with
COMPUTING = ('CPU-bound', 'memory-bound')
MODULES = 'virtio_ring virtio virtio_pci_legacy_dev virtio_pci_modern_dev virtio_pci virtio_blk loop veth'.split()
LOG = bench.BUILD / 'jobs.log'
DISK = bench.BUILD / 'jobs.img'
DISK_MIB = 32
GUEST_CFG = '''name = "{name}"
kernel = "/srv/vmlinux"
ramdisk = "/jobs/guest.img"
memory = {memory}
vcpus = 1
tsc_mode = "native"
disk = [ {disk} ]
vif = [ "mac=00:16:3e:00:00:0{n},bridge=xenbr0" ]
extra = "console=hvc0 loglevel=4 mica.do=poweroff mica.ip=192.168.77.{n} {words}"
'''
GUEST_DISK = '"format=raw,vdev=xvda,access=w,script=block,target=/srv/disk.img"'


# ---------------------------------------------------------------- what is booted

def jobs_tree(root, *programs):
    """What is in every initramfs; libraries are those of Domain 0's disk."""
    tree = xl_initramfs.Tree()
    for name in ('jobs/jobs', *programs):
        tree.program(root, name)
    tree.add('jobs/jobs.sh', (bench.BENCH / 'jobs.sh').read_bytes())
    return tree


def ramdisks(root):
    """The small initramfs's, a guest's."""
    loader = (root / xl_initramfs.LIBS / 'ld-linux-x86-64.so.2').read_bytes()
    for base, modules, programs in (('initramfs.cpio.gz', MODULES, ['usr/bin/tcc', 'usr/bin/ip']),
                                    ('guest.cpio.gz', (), ['usr/bin/tcc'])):
        tree = jobs_tree(root, *programs)
        tree.add('lib64/ld-linux-x86-64.so.2', loader)
        if modules:
            tree.modules(modules)
        # As one stream: libxc unpacks a guest's and takes only the first.
        yield gzip.compress(gzip.decompress((xl_initramfs.GUEST / base).read_bytes()) + tree.cpio.done(), 1, mtime=0)


def prepare():
    """The program; in build/plugin: jobs-initrd, jobs-xl-initrd without the guests' configurations, the disk."""
    compiler = fetch.download(*fetch.resolve('tcc', False))
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        xl_initramfs.dump(root)
        (root / 'jobs').mkdir()
        subprocess.run(['gcc', '-O2', '-Wall', '-Wextra', '-Wno-missing-field-initializers', '-o', root / 'jobs/jobs',
                        bench.BENCH / 'jobs.c', '-l:libsqlite3.so.0'], check=True)
        (root / 'usr/bin/tcc').write_bytes((compiler / 'usr/bin/tcc').read_bytes())
        (root / 'usr/bin/tcc').chmod(0o755)
        small, guest = ramdisks(root)
        tree = jobs_tree(root)
    tree.add('jobs/guest.img', guest)
    (bench.BUILD / 'jobs-initrd').write_bytes(small)
    base = (xl_initramfs.GUEST / 'xl-initramfs.cpio').read_bytes()
    (bench.BUILD / 'jobs-xl-initrd').write_bytes(base + tree.cpio.done())
    if not DISK.exists():
        words = array.array('Q', (i * 0x9e3779b97f4a7c15 & (1 << 64) - 1 for i in range(DISK_MIB << 17)))
        DISK.write_bytes(words.tobytes())


def script(what):
    return bench.script_word(f'sh /jobs/jobs.sh {what} "{os.environ.get("OP", "")}"')


def guests(words):
    archive = fetch.Cpio()
    for name, n, memory, disk, what in (('bench', 2, 256, GUEST_DISK, 'guest'), ('other', 3, 96, '', 'other')):
        text = GUEST_CFG.format(name=name, n=n, memory=memory, disk=disk, words=f'{words} {script(what)}')
        archive.add(f'jobs/{name}.cfg', 0o100644, text.encode())
    path = bench.BUILD / 'jobs-guests-initrd'
    path.write_bytes((bench.BUILD / 'jobs-xl-initrd').read_bytes() + archive.done())
    return path


def settings(hv, mode, where):
    """The environment of tools/run.py."""
    env = bench.settings(hv, mode, 'dom0', '')
    env['QEMU'] += ',others=1'
    env['TIMEOUT'] = '2400'
    if where == 'guest':
        env['INITRD'] = str(guests(bench.KERNEL_WORDS[mode]))
        env['HVARGS'] = env['HVARGS'].replace('dom0_mem=1G,max:1G', 'dom0_mem=640M')
        env['APPEND'] = f'{bench.KERNEL_WORDS[mode]} {script("dom0")}'
    else:
        env['INITRD'] = str(bench.BUILD / 'jobs-initrd')
        env['APPEND'] += ' ' + script('here')
    if where == 'disk':
        # While all CPUs are idle, time passes as the host's does.
        env.update(DISK='virtio', IMAGE=str(DISK), QEMU=env['QEMU'] + ' -icount shift=0,sleep=on')
    return env


# ---------------------------------------------------------------- measuring

def say(text):
    line = time.strftime('%H:%M:%S ') + text
    print(line, file=sys.stderr, flush=True)
    with LOG.open('a') as file:
        file.write(line + '\n')


def run(hv, mode, where, tries=2):
    """A machine, and another if it does not come to its end; what the bad one said is kept."""
    for tried in range(1, tries + 1):
        try:
            text, rows = bench.run(hv, mode, **settings(hv, mode, where))
        except SystemExit as why:
            text, rows = str(why), []
        if re.search(r'^MICA-SCRIPT-DONE 0', text, re.M) and not re.search(r'^jobs: ', text, re.M):
            return bench.least_rounds(text, rows)
        log = LOG.with_name(f'jobs-{hv}-{mode}-{where}-{tried}.log')
        log.write_text(text)
        say(f'{hv} {mode} {where}: it did not come to its end: {log}\n' + text[-3000:])
    return None


def measure(hv, mode, where):
    """{job: {counter: value of one}}; 'spread' is how far the totals of several runs are apart. Nothing if it failed."""
    say(f'{hv} {mode} {where}')
    which = os.environ.get('PROFILE')
    count = int(os.environ.get('RUNS', 3)) if where == 'disk' and not which else 1
    runs = [found for found in (run(hv, mode, where) for _ in range(count)) if found]
    if not runs:
        return {}
    least = {}
    for name in runs[0]:
        rows = sorted((run[name] for run in runs), key=bench.total)
        least[name] = {**rows[0], 'spread': bench.total(rows[-1]) - bench.total(rows[0])}
    for name, row in least.items():
        if which and hv == 'mica' and (which == '1' or name.startswith(which)):
            print(f'  {name}: {where}, {mode}')
            bench.profile(row['said'], row['repeats'])
    return least


def collect(out):
    """Measures part by part, and writes down what there is after each; also whether all came to their ends."""
    found, whole = {}, True
    for mode in bench.wanted('MODE', bench.MODES):
        places = bench.wanted('WHERE', PLACES)
        parts = [('native', where) for where in ('disk', 'dom0') if where in places or where == 'dom0' and 'guest' in places]
        parts += [(hv, where) for where in places for hv in bench.wanted('HV', SYSTEMS) if hv != 'native']
        found[mode] = {'native': {}}
        for hv, where in parts:
            rows = measure(hv, mode, where)
            if hv == 'native':
                found[mode]['native'].update(rows)
            elif rows:
                found[mode].setdefault(where, {})[hv] = rows
            whole = whole and bool(rows)
            out.write_text(json.dumps(found, indent=1) + '\n')
    return found, whole


# ---------------------------------------------------------------- tables

def compared(name, native, xen, mica):
    """What Mica adds to native, beside what Xen adds; what of it is not Mica's own; a mark when that is too much."""
    base = bench.total(native)
    most, added = bench.total(xen) - base, bench.total(mica) - base
    little = added <= 0.005 * base
    holds = little if name.startswith(COMPUTING) else added <= most / 2
    mark = '' if holds else '~' if little else '>'
    shares = (f'{100 * n / most:.0f} %' if most > 0 else '' for n in (added, added - mica['hypervisor']))
    return [f'{100 * added / base:+.2f} %', *shares, mark]


def both(systems, name, value):
    return ' / '.join(bench.number(value(systems[hv][name])) for hv in SYSTEMS if hv in systems)


def rows_of(found, mode, where):
    """Cells, the heading first."""
    yield ['job', 'native', 'Xen', '(hyper)', 'Mica', '(hyper)', 'Domain 0', 'guest', 'over native', "of Xen's",
           'kernels alone', '', 'entries', 'CR3 loads', 'TLB flushes']
    systems = found[mode][where]
    for name in next(iter(systems.values()), {}):
        native = found[mode]['native'].get(name.replace(*PEERS))
        cells = [name, bench.number(bench.total(native)) if native else '']
        for hv in SYSTEMS:
            row = systems.get(hv, {}).get(name)
            cells += [bench.number(bench.total(row)), f'({bench.number(row["hypervisor"])})'] if row else ['', '']
        cells.append(both(systems, name, lambda row: row['kernel'] - row['others']))
        cells.append(both(systems, name, lambda row: row['others']) if where == 'guest' else '')
        if native and len(systems) == 2:
            cells += compared(name, native, systems['xen'][name], systems['mica'][name])
        else:
            cells += ['', '', '', '']
        counters = ('entries', 'cr3', 'flushes')
        if len(systems) == 2 and any(systems['mica'][name][k] > systems['xen'][name][k] + 0.5 for k in counters):
            cells[-1] += 'x'
        yield cells + [both(systems, name, lambda row, k=k: row[k]) for k in counters]


TITLES = {(mode, where): f'{said}, jobs {place}' for mode, said in (('plain', 'Plain'), ('asis', 'As it comes'))
          for where, place in (('dom0', 'in Domain 0'), ('guest', 'in a PV guest'), ('disk', 'on a virtio disk'))}


def rows_in(found):
    for part in found.values():
        if 'repeats' in part:
            yield part
        else:
            yield from rows_in(part)


def remarks(found):
    apart = max((100 * row['spread'] / bench.total(row) for row in rows_in(found)), default=0)
    rows = [row for mode, where in TITLES if where in found.get(mode, {})
            for row in list(rows_of(found, mode, where))[1:]]
    above = [row for row in rows if '>' in row[11]]
    alone = [row for row in above if int(row[10][:-2] or 0) > 50]
    more = sum('x' in row[11] for row in rows)
    return (f'{len(above)} of {len(rows)} figures are above their limits; in {len(alone)} of these the kernels alone are, which no'
            f" hypervisor can help. In {more} (x) Mica is entered, loads CR3 or flushes more often than Xen.\nRuns of the virtio disk's jobs differ by {apart:.1f} % at most.\n")


def main():
    bench.compile_tools()
    prepare()
    LOG.write_text('')
    out = pathlib.Path(os.environ.get('RAW') or bench.BUILD / 'jobs.json')
    found, whole = collect(out)
    for (mode, where), title in TITLES.items():
        if where in found.get(mode, {}):
            bench.show(title, list(rows_of(found, mode, where)), (0, 11))
    print("\n>: Mica adds more than half of what Xen adds, or 0.5 % where a job only computes; ~: more than half, but not 0.5 %; x: more entries, CR3 loads or flushes than Xen. Domain 0, guest: their kernels, Xen's"
          f" and Mica's run.\n{remarks(found)}All figures: {out}")
    sys.exit(not whole)


if __name__ == '__main__':
    main()
