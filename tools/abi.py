#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The ABI table, doc/abi.md: every hypercall and sub-operation of Xen 4.17's public headers, what Mica makes of it, and
which tests call it by name.

Numbers come from the headers (libxen-dev), answers from src/hcall (and what it calls for these), tests from test/. Without arguments doc/abi.md is
checked: it fails when a number has no row, a row another answer than the code, or tests that do not name the call; and
when no test names a call. --write makes the document anew.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
HEADERS = pathlib.Path('/usr/include/xen')
DOC = ROOT / 'doc/abi.md'
TESTS = ['test/guest/*.c', 'test/unit/*_test.c', 'test/system/*.[ch]', 'test/system/*.py', 'test/race/*.c']

# Heading, header, pattern of the names, names that are no operations, error of a number without a row.
FAMILIES = [
    ('hypercall', 'xen.h', '__HYPERVISOR_', 'arch_[1-7]', 'ENOSYS'),
    ('mmu_update', 'xen.h', 'MMU_', '', 'ENOSYS'),
    ('mmuext_op', 'xen.h', 'MMUEXT_', '', 'ENOSYS'),
    ('vm_assist', 'xen.h', 'VMASST_', '', 'EINVAL'),
    ('console_io', 'xen.h', 'CONSOLEIO_', '', 'ENOSYS'),
    ('memory_op', 'memory.h', 'XENMEM_', '[A-Z].*|resource_.*|.*_op_.*', 'ENOSYS'),
    ('event_channel_op', 'event_channel.h', 'EVTCHNOP_', '', 'ENOSYS'),
    ('grant_table_op', 'grant_table.h', 'GNTTABOP_', '', 'ENOSYS'),
    ('sched_op', 'sched.h', 'SCHEDOP_', '', 'ENOSYS'),
    ('vcpu_op', 'vcpu.h', 'VCPUOP_', '', 'ENOSYS'),
    ('callback_op', 'callback.h', 'CALLBACKOP_|CALLBACKTYPE_', '', 'ENOSYS'),
    ('nmi_op', 'nmi.h', 'XENNMI_', '', 'ENOSYS'),
    ('xen_version', 'version.h', 'XENVER_', '', 'ENOSYS'),
    ('physdev_op', 'physdev.h', 'PHYSDEVOP_', 'DBGP.*', 'ENOSYS'),
    ('platform_op', 'platform.h', 'XENPF_', '[A-Z].*', 'ENOSYS'),
    ('mca', 'arch-x86/xen-mca.h', 'XEN_MC_', '[A-Z].*', 'EINVAL'),
    ('xenpmu_op', 'pmu.h', 'XENPMU_', '[A-Z].*', 'EOPNOTSUPP'),
    ('sysctl', 'sysctl.h', 'XEN_SYSCTL_', '[A-Z].*|pm_op_.*|cpu_(policy|featureset)_.*', 'ENOSYS'),
    ('sysctl tbuf_op', 'sysctl.h', 'XEN_SYSCTL_TBUFOP_', '', 'EOPNOTSUPP'),
    ('sysctl perfc_op', 'sysctl.h', 'XEN_SYSCTL_PERFCOP_', '', 'EINVAL'),
    ('sysctl cpupool_op', 'sysctl.h', 'XEN_SYSCTL_CPUPOOL_OP_', '', 'EINVAL'),
    ('sysctl scheduler_op', 'sysctl.h', 'XEN_SYSCTL_SCHEDOP_', '', 'EINVAL'),
    ('domctl', 'domctl.h', 'XEN_DOMCTL_', '[A-Z].*|vmtrace_(?!op$).*', 'ENOSYS'),
    ('domctl shadow_op', 'domctl.h', 'XEN_DOMCTL_SHADOW_OP_', 'ENABLE_TRANSLATE', 'EINVAL'),
    ('domctl scheduler_op', 'domctl.h', 'XEN_DOMCTL_SCHEDOP_', '', 'EINVAL'),
    ('domctl sendtrigger', 'domctl.h', 'XEN_DOMCTL_SENDTRIGGER_', '', 'ENOSYS'),
]
# What is not to be read from the code by rule.
KNOWN = {'__HYPERVISOR_arch_0': 'done', 'EVTCHNOP_reset_cont': 'EBUSY', 'XEN_SYSCTL_SCHEDOP_putinfo': 'done'}
HEAD = '''# The ABI, number by number

Every hypercall and sub-operation of Xen 4.17's public headers, made by `tools/abi.py --write` from the headers, `src/hcall/`
and the tests, and checked by `make check`. *done*; *nothing to do*: taken, without effect for a PV guest; an error: refused
with it; where a tool call is refused whole, its sub-operations have no rows. Tests are those that make the
call by name; on Mica and on Xen where they are test guests or `system/`.
`test/system/test_abi.py` asks both hypervisors about every number of the tool calls; where they differ, it says why.
'''


def numbers(header, prefix, leave):
    """{name: number} of a header's operations."""
    text = (HEADERS / header).read_text('ascii')
    found = {}
    for m in re.finditer(rf'^\s*#\s*define\s+({prefix})(\w+)\s+\(?(0x[0-9a-fA-F]+|\d+)U?L?\)?\s*(?:/\*.*)?$', text, re.M):
        if not re.fullmatch(leave or '-', m[2]):
            found[m[1] + m[2]] = int(m[3], 0)
    return found


def short(name):
    return re.sub(r'^(__HYPERVISOR|XEN_SYSCTL|XEN_DOMCTL|EVTCHNOP|GNTTABOP|PHYSDEVOP|XENMEM|XENPF)_', '', name)


class Source:
    """What the handlers' tables and switches say."""

    def __init__(self):
        files = sorted((ROOT / 'src/hcall').glob('*.[ch]'))
        self.text = {f.name: f.read_text('ascii') for f in files}
        beside = [ROOT / 'src/pv/pv.h', *sorted((ROOT / 'src/sched').glob('*.c'))]
        self.all = '\n'.join([*self.text.values(), *(f.read_text('ascii') for f in beside)])

    def table(self, family, name):
        """A row of a table: done, an error, or None."""
        word = short(name)
        files = {'hypercall': ['hcall.h'], 'sysctl': ['sysctl.c', 'tool.h'], 'domctl': ['domctl.c', 'tool.h'],
                 'event_channel_op': ['evtchn_op.c'], 'grant_table_op': ['grant_op.c'], 'physdev_op': ['physdev_op.c'],
                 'sched_op': ['sched_op.c'], 'vcpu_op': ['vcpu_op.c'], 'memory_op': ['memory_op.c'],
                 'platform_op': ['platform_op.c']}
        if family not in files:
            return None
        text = '\n'.join(self.text[f] for f in files[family])
        if family == 'sysctl':
            text = text.replace(re.search(r'DOMCTL_LIST\((?:.*\\\n)*', text)[0], '')
        if re.search(rf'\bNOTHING\({word}\)', text):
            return 'nothing to do'
        found = re.search(rf'\bNO\({word}, (E\w+)\)', text)
        if found:
            return found[1]
        return 'done' if re.search(rf'\b(?:ROW|BACK|ANY|OTHER|VCPU)\({word}[,)]|\[{name}\] = |== {name}\b', text) else None

    def switch(self, name):
        """A case of a switch: done, the error that it only returns, or None."""
        answers = set()
        for m in re.finditer(rf'\bcase {name}:', self.all):
            rest = re.sub(r'/\*.*?\*/', '', self.all[m.end():m.end() + 1500], flags=re.S)
            rest = re.sub(r'^(\s*case \w+:)*\s*', '', rest)
            found = re.match(r'return (?:\w+\(\w+, )?(?:err\(|-)(E\w+)\)*;', rest)
            answers.add(found[1] if found else 'done')
        if answers:
            return 'done' if 'done' in answers else answers.pop()
        return 'done' if re.search(rf'\b{name}\b', self.all) else None

    def answer(self, family, name, error):
        if name in KNOWN:
            return KNOWN[name]
        if family in ('sysctl', 'domctl', 'hypercall', 'memory_op', 'platform_op'):
            return self.table(family, name) or error
        return self.table(family, name) or self.switch(name) or error


def tests():
    """{test: the text of its file}; a test guest has its folder's name, others their file's."""
    return {str(f.relative_to(ROOT / 'test')): f.read_text('ascii') for glob in TESTS for f in sorted(ROOT.glob(glob))}


def tested_by(family, name, texts):
    word = re.escape(short(name))
    pattern = rf'\b{name}\b'
    if family == 'memory_op':
        pattern += rf'|\bMEMORY\({name[7:]}\b'
    if family in ('hypercall', 'sysctl', 'domctl'):
        pattern += rf'|\b(?:SYS|DOM)\("[^"]*",\s*{word}\b|\b(?:hypercall|CALL|DOMCTL)\({word}\b|{name}'
    if family == 'sysctl cpupool_op':
        pattern += rf'|\bPOOL\({name[22:]}\b'
    return [t for t, text in texts.items() if re.search(pattern, text)]


def rows():
    """(family, number, name, answer, [tests]) of each number, in the document's order."""
    source, texts = Source(), tests()
    for family, header, prefix, leave, error in FAMILIES:
        for name, number in sorted(numbers(header, prefix, leave).items(), key=lambda n: n[1]):
            yield family, number, name, source.answer(family, name, error), tested_by(family, name, texts)


def document(found):
    refused = sum(row[3][0] == 'E' for row in found)
    lines, family = [HEAD, f'\n{len(found) - refused} are done, {refused} refused.\n'], None
    for row in found:
        if row[0] != family:
            family = row[0]
            lines.append(f'\n## {family}\n\n| number | name | Mica | tests |\n| --- | --- | --- | --- |\n')
        lines.append(f'| {row[1]} | {row[2]} | {row[3]} | {", ".join(row[4])} |\n')
    return ''.join(lines)


def problems(found):
    text = DOC.read_text('ascii') if DOC.exists() else ''
    written = {m[1]: m for m in re.finditer(r'^\| \d+ \| (\w+) \| (.*?) \| (.*?) \|$', text, re.M)}
    for _, _, name, answer, by in found:
        if not by:
            yield f'{name}: {answer}, and no test names it'
        row = written.pop(name, None)
        if not row:
            yield f'{name}: no row in doc/abi.md'
        elif row[2] != answer:
            yield f'{name}: {answer}, and doc/abi.md says {row[2]}'
        elif set(filter(None, row[3].split(', '))) - set(by) or (by and not row[3]):
            yield f'{name}: tested by {", ".join(by)}, and doc/abi.md says {row[3]}'
    for name in written:
        yield f'{name}: in doc/abi.md, and not in the headers'


def main():
    found = list(rows())
    if '--write' in sys.argv:
        DOC.write_text(document(found), 'ascii')
    bad = list(problems(found))
    for line in bad:
        print(f'abi: {line}')
    print(f'abi: {len(found)} numbers, {len(bad)} problems' + ('; make abi ABI=--write mends the document' if bad else ''))
    return 1 if bad else 0


if __name__ == '__main__':
    sys.exit(main())
