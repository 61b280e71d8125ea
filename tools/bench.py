#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What operations cost: instructions, natively, on Xen and on Mica, and of them the hypervisor's own.

bench.py boot		between Domain 0's first and its first user instruction
bench.py ops		each operation of test/bench/ops.c in Domain 0, with the hypervisor's part
bench.py table		the same natively, on Xen and on Mica, in Domain 0 and in a PV guest, and bare calls, beside the limits
bench.py compare	what Mica's working tree costs beside that of BASE=<git ref>
bench.py quick		fails when an operation costs Mica more than test/bench/expected.json says; `keep` makes that file

Stock kernel, small initramfs, one CPU (in dom0x2 and guestx2 two), QEMU -icount: tools/plugin/count.c tells apart, by address, what the hypervisor, a
kernel and user code execute. Each figure is the least of a few rounds, so that no timer tick is in it: it is the same in
every run. A halted CPU executes nothing.

Settings: HV=native|xen|mica  MODE=plain (no mitigation anywhere) or asis (nothing said to anybody)
          WHERE=dom0|guest|calls (test/bench/calls.c and pair.c: bare calls of small kernels)|dom0x2|guestx2 (across two CPUs)
          OP=beginning of names  PROFILE=1 or the beginning of a name (with ops and boot): Mica's functions
          RAW=file: the figures as JSON
"""
import base64
import bisect
import collections
import gzip
import json
import math
import os
import pathlib
import re
import subprocess
import sys

import fetch
import xl_shell

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = ROOT / 'build/plugin'
BENCH = ROOT / 'test/bench'
EXPECTED = BENCH / 'expected.json'
ALIAS = 0xffff82a100000000  # where each CPU sees the entry text (src/entry/cpu.c)
CALLS = ('calls', 'pair')  # kernels of our own: test/bench/<name>.c; the first on one CPU
BARE = CALLS + ('growth',)
XL = ('guest', 'guestx2', 'xl')  # with Domain 0 of xl_dom0()
SYSTEMS, MODES, PLACES = ('native', 'xen', 'mica'), ('plain', 'asis'), ('dom0', 'guest', 'dom0x2', 'guestx2', 'calls')
KERNEL_WORDS = {'plain': 'mitigations=off', 'asis': ''}
XEN_WORDS = {'plain': 'xpti=no spec-ctrl=no', 'asis': ''}
# QEMU has no invariant TSC, which any real Haswell has: who would ask for it is told (and tsc_mode in GUEST_CFG).
NATIVE_WORDS = 'clocksource=tsc tsc=reliable'
STABLE = {'mica': 'tsc=stable'}
HISTORY = 109  # instructions of the published sequence that overwrites branch history (entry_history_clear)
WORSE = 1.02  # bench.py quick lets that pass
WORSE_ELSEWHERE = 1.1  # and with another kernel, or where two CPUs meet: who waits for whom, any change of code changes
START = 'Domain 0 to its first user instruction'  # from its first, at 1 GiB
IN_A_GUEST = ['null system call', 'page fault', 'fork, exit', 'pipe']  # of which bench.py quick also looks in a PV guest
TURNS = 'context switch, 16'  # so many that the guest itself may switch once more: then, and only then, that passes too
GUEST_CFG = '''name = "{name}"
kernel = "/srv/vmlinux"
ramdisk = "/srv/bench.img"
memory = {memory}
vcpus = {cpus}
cpus = {pins}
tsc_mode = "native"
extra = "console=hvc0 loglevel=4 mica.do=poweroff {words}"
'''

def compile_tools():
    BUILD.mkdir(parents=True, exist_ok=True)
    subprocess.run(['gcc', '-O2', '-Wall', '-Wextra', '-shared', '-fPIC', '-o', BUILD / 'count.so',
                    ROOT / 'tools/plugin/count.c'], check=True)
    for program in ('ops', 'moved'):
        subprocess.run(['gcc', '-O2', '-Wall', '-Wextra', '-Wno-missing-field-initializers', '-static', '-o', BUILD / program,
                        BENCH / f'{program}.c'], check=True)


def initrd(program='ops'):
    """The small initramfs with the operations in it, and the module that gives /dev/xen/privcmd."""
    archive = fetch.Cpio()
    archive.add(program, 0o100755, (BUILD / program).read_bytes())
    for module in (ROOT / 'build/pkg').glob('linux-image-*-amd64_*/lib/modules/*/kernel/drivers/xen/xen-privcmd.ko'):
        if '-cloud-' not in module.as_posix():
            archive.add('xen-privcmd.ko', 0o100644, module.read_bytes())
    path = BUILD / 'initrd'
    path.write_bytes((ROOT / 'build/guest/initramfs.cpio.gz').read_bytes() + gzip.compress(archive.done(), 1, mtime=0))
    return path


def script_word(script):
    return 'mica.sh=' + base64.b64encode(script.encode()).decode()


def guest_cfg(words, name='bench', memory=256, cpus=1):
    pins = [str(i) for i in range(cpus)]
    return GUEST_CFG.format(name=name, memory=memory, words=words, cpus=cpus, pins=pins).encode()


def xl_dom0(words, script, files, program='ops'):
    """Settings for Domain 0 with xl in an initramfs: its script; in its /srv, files and a ramdisk of guests with that program."""
    files = {'ops': (BUILD / 'ops').read_bytes(), 'bench.img': initrd(program).read_bytes(), 'script': script.encode(), **files}
    path = xl_shell.with_files({f'srv/{name}': content for name, content in files.items()}, BUILD / 'xl-initrd')
    return {'INITRD': str(path), 'APPEND': f'{words} {script_word("bash /srv/script")}'}


def settings(hv, mode, where, script):
    """The environment of tools/run.py."""
    name = 'mica' if '/' in hv else hv
    cpus = 2 if where.endswith('x2') or where in BARE[1:] else 1
    words = KERNEL_WORDS[mode]
    inner = f'{words} {script_word(script)}' if script else words
    env = dict(os.environ, HV='none' if hv == 'native' else hv, ICOUNT='1', MEM='1G' if hv == 'native' else '2G',
               CPU='Haswell', SMP=str(cpus), TIMEOUT='900', QEMU=f'-plugin {BUILD}/count.so,profile={BUILD}/profile' + (',ipis=1' if cpus > 1 else ''))
    memory = 'dom0_mem=640M' if where in XL else 'dom0_mem=1G,max:1G'
    if where in BARE:
        env.update(KERNEL=str(ROOT / f'build/guest/bench/{where}.elf'), INITRD='none', MEM='256M', APPEND='')
        env['HVARGS'] = f'dom0_mem=64M dom0_max_vcpus=1 {XEN_WORDS[mode]}'
        return env
    if where in ('guest', 'guestx2'):
        outer = 'xl create -q -F /srv/bench.cfg; cat /var/log/xen/console/guest-bench.log'
        env.update(xl_dom0(words, outer, {'bench.cfg': guest_cfg(inner, cpus=cpus)}))
    else:
        native = NATIVE_WORDS if hv == 'native' else ''
        env.update(APPEND=f'{native} {inner} mica.do=poweroff')
        if script:
            env['INITRD'] = str(initrd())
    env['HVARGS'] = f'{memory} {XEN_WORDS[mode]} {STABLE.get(name, "")}'
    return env


def run(hv, mode='plain', where='dom0', script='', **more):
    """Everything said, and [(what, {counter: value})] in order; more settings of tools/run.py."""
    said = subprocess.run([sys.executable, str(ROOT / 'tools/run.py')], env={**settings(hv, mode, where, script), **more},
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, errors='replace', cwd=ROOT)
    text = said.stdout + said.stderr
    (BUILD / 'log').write_text(text)
    rows = [(what, {k: int(n) for k, n in re.findall(r'(\w+) (\d+)', rest)})
            for what, rest in re.findall(r'count: (\w+) (.*)', text)]
    if hv != 'native' and (not rows or rows[0][0] != 'boot'):
        sys.exit(f'{hv}: no first instruction of a kernel seen\n' + text[-2000:])
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


def total(counts):
    return counts['hypervisor'] + counts['kernel'] + counts['user']


def measure(hv, mode='plain', where='dom0'):
    """{operation: {counter: value of one}}, each of the round that executed least; 'said' is its row."""
    if where == 'calls':
        return {name: row for part in CALLS for name, row in measure_part(hv, mode, part).items()}
    return measure_part(hv, mode, where)


def measure_part(hv, mode, where, names=None, **more):
    """names: beginnings of operations' names, in place of OP."""
    names = [os.environ.get('OP', '')] if names is None else names
    text, rows = run(hv, mode, where, 'insmod /xen-privcmd.ko; ' + '; '.join(f'/ops "{name}"' for name in names) + '\n', **more)
    found = least_rounds(text, rows)
    if where == 'dom0' and hv != 'native' and names == ['']:
        found[START] = {**rows[1][1], 'said': 1, 'repeats': 1}
    complete = re.search(r'^op end' if where in BARE else r'^MICA-SCRIPT-DONE 0', text, re.M)
    if not complete or re.search(r'^ops: ', text, re.M):
        sys.exit(f'{hv} {mode} {where}: it did not come to its end\n' + text[-2000:])
    return {name: row for name, row in found.items() if name.startswith(tuple(names))}


def least_rounds(text, rows):
    """What a run said of each operation: of one, in the round that executed least."""
    marks = iter([idx for idx, (what, _) in enumerate(rows) if what == 'mark'])
    found = {}
    for rounds, repeats, name in re.findall(r'^op (\d+) (\d+) ([^\r\n]*)', text, re.M):
        ends = [(next(marks), next(marks))[1] for _ in range(int(rounds))]
        least = min(ends, key=lambda idx: total(rows[idx][1]))
        found[name] = {k: n / int(repeats) for k, n in rows[least][1].items()}
        found[name].update(said=least, repeats=int(repeats))
    return found


def wanted(name, of):
    given = os.environ.get(name)
    return [given] if given else list(of)


# ---------------------------------------------------------------- boot, ops

def boot():
    print(f'{"":6} {"own boot":>14} {"Domain 0 start":>16} {"its kernel":>14} {"entries":>10} {"CR3 loads":>10}'
          f' {"flushes":>10}   (first three: millions of instructions)')
    for hv in wanted('HV', ('xen', 'mica')):
        (_, own), (_, start) = run(hv)[1][:2]
        print(f'{hv:6} {own["hypervisor"] / 1e6:14.1f} {start["hypervisor"] / 1e6:16.1f} {start["kernel"] / 1e6:14.1f}'
              f' {start["entries"]:10} {start["cr3"]:10} {start["flushes"]:10}')
        if os.environ.get('PROFILE') and hv == 'mica':
            profile(1, 1, 60)


def ops():
    print(f'{"":6} {"instructions for each":36} {"hypervisor":>12} {"kernel":>12} {"user":>10} {"entries":>8}'
          f' {"CR3":>8} {"flushes":>8} {"IPIs":>8} {"remote flushes":>8}')
    mode, where = os.environ.get('MODE', 'plain'), os.environ.get('WHERE', 'dom0')
    for hv in wanted('HV', ('xen', 'mica')):
        for name, row in ((name, row) for part in (CALLS if where == 'calls' else [where])
                          for name, row in measure_part(hv, mode, part).items()):
            print(f'{hv:6} {name:36} {row["hypervisor"]:12.1f} {row["kernel"]:12.1f} {row["user"]:10.1f}'
                  f' {row["entries"]:8.2f} {row["cr3"]:8.2f} {row["flushes"]:8.2f}'
                  + (f' {row["ipis"]:8.2f} {row["remote"]:8.2f}' if 'ipis' in row else ''))
            which = os.environ.get('PROFILE')
            if which and hv == 'mica' and (which == '1' or name.startswith(which)):
                profile(row['said'], row['repeats'])


# ---------------------------------------------------------------- the table

def limits(column=0):
    """{operation: its limit}, or with column=2 why it may not hold."""
    lines = [line.split('\t') for line in (BENCH / 'limits.txt').read_text().splitlines() if not line.startswith('#')]
    return {line[1]: line[column] for line in lines if len(line) > column}


def collect():
    """{'plain': {'native': {...}, 'dom0': {'xen': {...}, 'mica': {...}}, 'guest': ...}, 'asis': ...}"""
    found = {'versions': json.loads((ROOT / 'build/guest/versions.json').read_text())}
    for mode in wanted('MODE', MODES):
        places = wanted('WHERE', PLACES)
        # Not across two CPUs: stock Linux never sees its second CPU come up in this emulation without a hypervisor.
        found[mode] = {'native': measure('native', mode) if {'dom0', 'guest'} & set(places) else {}}
        for where in places:
            found[mode][where] = {hv: measure(hv, mode, where) for hv in wanted('HV', SYSTEMS[1:])}
    if 'plain' not in found and os.environ.get('WHERE') in (None, 'dom0', 'guest'):
        found['plain'] = {'native': measure('native', 'plain')}
    return found


def mean_ratio(counts, native):
    """Geometric mean of totals to native, over what both did."""
    logs = [math.log(total(counts[name]) / total(native[name])) for name in counts if name in native]
    return math.exp(sum(logs) / len(logs)) if logs else 1


def number(x):
    if x >= 1e6:
        return f'{x / 1e6:.2f} M'
    return f'{x / 1e3:.1f} k' if x >= 1e5 else f'{x:,.0f}' if x >= 100 or x == int(x) else f'{x:.1f}'


def at_most(name, counts, mode, xen):
    """The limit of an operation, None if it has none of its own."""
    most = limits().get(name)
    if most == 'xen/3':
        return xen['hypervisor'] / 3 if xen else None
    if mode != 'asis' or not most or most == '0':
        return most and int(most)
    return int(most) + 25 * counts['changes'] + HISTORY * max(0, counts['entries'] - counts['changes'])


def marks(counts, most, xen, plain=None):
    """'>' above the limit, 'X' above Xen's instructions (or plain Xen's: with xpti=no it executes no less), 'x' above its
    entries, CR3 loads or flushes."""
    said = '>' if most is not None and counts['hypervisor'] > most + 0.5 else ''
    if any(counts['hypervisor'] > row['hypervisor'] + 0.5 for row in (xen, plain) if row):
        said += 'X'
    if xen and any(counts[k] > xen[k] + 0.05 for k in ('entries', 'cr3', 'flushes')):
        said += 'x'
    return said


def pair(systems, name, key):
    """A count of Xen's and of Mica's; nothing where it is not counted."""
    counts = [systems.get(hv, {}).get(name, {}).get(key) for hv in SYSTEMS[1:]]
    said = ['-' if n is None else f'{n:.4g}' if n < 1e4 else number(n) for n in counts]
    return ' / '.join(said) if said != ['-', '-'] else ''


def rows_of(found, mode, where):
    """Cells of the table, row by row, the heading first."""
    native, systems = found[mode]['native'] if where != 'calls' else {}, found[mode][where]
    yield ['operation', 'native', 'Xen', '(hyper)', 'Mica', '(hyper)', 'at most', '', 'entries', 'CR3 loads', 'TLB flushes',
           'of them remote', 'IPIs']
    for name in next(iter(systems.values())):
        cells = [name, number(total(native[name])) if name in native else '']
        for hv in SYSTEMS[1:]:
            row = systems.get(hv, {}).get(name)
            cells += [number(total(row)), f'({number(row["hypervisor"])})'] if row else ['', '']
        mica = systems.get('mica', {}).get(name)
        xen = systems.get('xen', {}).get(name)
        plain = found.get('plain', {}).get(where, {}).get('xen', {}).get(name)
        most = at_most(name, mica, mode, xen) if mica else None
        cells += [number(most) if most is not None else '', marks(mica, most, xen, plain) if mica else '']
        yield cells + [pair(systems, name, key) for key in ('entries', 'cr3', 'flushes', 'remote', 'ipis')]
    if where not in ('dom0', 'guest'):
        return
    means = {hv: mean_ratio(systems[hv], found['plain']['native']) for hv in systems}
    most = int(limits()['geometric mean']) / 100
    yield (['geometric mean of totals to native', '1'] +
           sum(([f'{means[hv]:.3f}', ''] if hv in means else ['', ''] for hv in SYSTEMS[1:]), []) +
           [f'{most:.2f}', '>' if means.get('mica', 0) > most else '', '', '', '', '', ''])


TITLES = {('plain', 'dom0'): 'Plain, Domain 0', ('plain', 'guest'): 'Plain, PV guest',
          ('plain', 'dom0x2'): 'Plain, Domain 0, across two CPUs', ('plain', 'guestx2'): 'Plain, PV guest, across two CPUs',
          ('plain', 'calls'): 'Plain, bare calls',
          ('asis', 'dom0'): 'As it comes, Domain 0', ('asis', 'guest'): 'As it comes, PV guest',
          ('asis', 'dom0x2'): 'As it comes, Domain 0, across two CPUs',
          ('asis', 'guestx2'): 'As it comes, PV guest, across two CPUs',
          ('asis', 'calls'): 'As it comes, bare calls'}


def tables(found):
    for (mode, where), title in TITLES.items():
        if where in found.get(mode, {}):
            yield title, list(rows_of(found, mode, where))


def show(title, cells, left=(0, 7), of=' (instructions of one operation; entries and so on: Xen / Mica)'):
    widths = [max(len(row[i]) for row in cells) for i in range(len(cells[0]))]
    print(f'\n{title}{of}')
    for row in cells:
        print('  ' + '  '.join(f'{c:<{w}}' if i in left else f'{c:>{w}}' for i, (c, w) in enumerate(zip(row, widths))))


def table():
    found = collect()
    out = pathlib.Path(os.environ.get('RAW') or BUILD / 'bench.json')
    out.write_text(json.dumps(found, indent=1) + '\n')
    for title, cells in tables(found):
        show(title, cells)
    print("\n>: Mica's own instructions are above test/bench/limits.txt; X: above Xen's, also with xpti=no; x: more entries, CR3 loads or flushes"
          f"\nThe geometric mean is to plain native. All figures: {out}")


# ---------------------------------------------------------------- what a change does

def difference(before, after, limit=1.0):
    """Lines of what differs, and whether anything got worse than `limit` times."""
    lines, worse = [], False
    for name, now in after.items():
        was = before.get(name)
        if was is None:
            continue
        said = []
        for key in ('hypervisor', 'entries', 'cr3', 'flushes'):
            if abs(now[key] - was[key]) > 0.001 * max(was[key], 1):
                bad = now[key] > limit * was[key] + 0.5
                worse = worse or bad
                said.append(f'{key} {was[key]:,.2f} -> {now[key]:,.2f} ({100 * (now[key] - was[key]) / max(was[key], 1):+.1f} %)'
                            + (' WORSE' if bad else ''))
        if said:
            lines.append(f'  {name:30} ' + ', '.join(said))
    return lines, worse


def compare():
    """Mica of BASE, built in a work tree of its own, and this one."""
    base = os.environ.get('BASE') or 'HEAD'
    tree = ROOT / 'build/bench-base'
    subprocess.run(['git', 'worktree', 'remove', '--force', tree], cwd=ROOT, capture_output=True)
    subprocess.run(['git', 'worktree', 'add', '-f', '--detach', tree, base], cwd=ROOT, check=True, capture_output=True)
    try:
        env = {k: v for k, v in os.environ.items() if k not in ('MAKEFLAGS', 'MAKELEVEL', 'MFLAGS')}
        subprocess.run(['make', '-C', tree, '-j2', 'build/mica'], env=env, check=True, stdout=subprocess.DEVNULL)
        for mode in wanted('MODE', ('plain',)):
            for where in wanted('WHERE', ('dom0', 'calls')):
                before, after = measure(f'{tree}/build/mica', mode, where), measure('mica', mode, where)
                print(f'\n{TITLES[mode, where]}: {base} -> this tree')
                print('\n'.join(difference(before, after)[0]) or '  no difference')
                print(f'  total to that of {base}, geometric mean: {mean_ratio(after, before):.4f}')
    finally:
        subprocess.run(['git', 'worktree', 'remove', '--force', tree], cwd=ROOT, check=False)


def kept():
    found = {'versions': json.loads((ROOT / 'build/guest/versions.json').read_text())}
    for mode in MODES:
        rows = {f'in a guest: {name}': row for name, row in measure_part('mica', mode, 'guest', IN_A_GUEST).items()}
        for where in ('dom0', 'dom0x2', 'calls'):
            rows.update(measure('mica', mode, where))
        found[mode] = {name: {k: round(row[k], 3) for k in ('hypervisor', 'entries', 'cr3', 'flushes')} for name, row in rows.items()}
    return found


def keep():
    EXPECTED.write_text(json.dumps(kept(), indent=1) + '\n')


def quick():
    before, after = json.loads(EXPECTED.read_text()), kept()
    worse = WORSE
    if before['versions'] != after['versions']:
        worse = WORSE_ELSEWHERE
        print(f'bench: {EXPECTED.name} was made with other packages than these: {worse} times is let pass; make bench-keep')
    passed = failed = 0
    for mode in MODES:
        lines, _ = difference(before[mode], after[mode])
        if lines:
            print(f'{mode}: kept -> now\n' + '\n'.join(lines))
        for name in before[mode]:
            turned = name.startswith(TURNS) and before[mode][name]['entries'] != after[mode].get(name, {}).get('entries')
            most = WORSE_ELSEWHERE if turned or name.startswith(('2 CPUs', 'event there', 'event to a guest')) else worse
            bad = name not in after[mode] or difference({name: before[mode][name]}, {name: after[mode][name]}, most)[1]
            failed += bad
            passed += not bad
            if bad:
                print(f'bench: {mode}: {name}: more than {most} times what was kept')
    print(f'{passed} passed, {failed} failed')
    sys.exit(1 if failed else 0)


def main():
    commands = {'boot': boot, 'ops': ops, 'table': table, 'compare': compare, 'quick': quick, 'keep': keep}
    what = sys.argv[1] if len(sys.argv) > 1 else 'table'
    if what not in commands:
        sys.exit(__doc__)
    compile_tools()
    commands[what]()


if __name__ == '__main__':
    main()
