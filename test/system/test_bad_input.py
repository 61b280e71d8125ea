# SPDX-License-Identifier: MIT
"""What a loader or a person can get wrong: each gives one clear line and a stop, or is refused and the boot goes on.
Never a hang, never a reset of the machine (with `noreboot`, only a triple fault resets it)."""
import random
import re

import pytest

import kernels

pytestmark = pytest.mark.mica_only
KERNEL = 'Domain 0 kernel: '
PACKERS = sorted(kernels.PACK)


@pytest.fixture
def small(boot, tmp_path):
    """Starts a machine with these bytes as kernel, and perhaps as ramdisk."""
    def start(kernel, initrd=None, hvargs='', **given):
        files = {'kernel': 'none', 'initrd': 'none'}
        for name, content in (('kernel', kernel), ('initrd', initrd)):
            if content is not None:
                files[name] = tmp_path / name
                files[name].write_bytes(content)
        return boot(hvargs=f'noreboot {hvargs}', mem=given.pop('mem', '256M'), **files, **given)
    return start


def stops(machine, line, timeout=30):
    """The machine says this in one line of severity error, stops, and does not reset."""
    machine.expect(r'^\(XEN\) error: stopped \(noreboot\)', timeout)
    assert machine.ended is None
    machine.stop()
    errors = re.findall(r'^\(XEN\) error: (.*)$', machine.log, re.M)
    assert errors == [f'PANIC on CPU 0: {line}', 'stopped (noreboot)']


def comes_up(machine, timeout=30):
    machine.expect(f'^{kernels.HELLO}', timeout)
    return machine.ends('poweroff', 20)


def test_the_small_kernel_is_sound(small):
    comes_up(small(kernels.elf()))


def test_no_module(small):
    stops(small(None), 'no module: the loader gave no Domain 0 kernel')


@pytest.mark.parametrize('what,content', [
    ('text', b'This is not a kernel.\n' * 100), ('zeroes', bytes(8192)), ('one byte', b'\x7f'),
    ('script', b'#!/bin/sh\n')], ids=lambda x: x if isinstance(x, str) else '')
def test_not_a_kernel(small, what, content):
    stops(small(content), KERNEL + 'the module is neither an ELF file nor a Linux bzImage')


ELF = kernels.elf()


@pytest.mark.parametrize('content,line', [
    (kernels.elf(bits=32), 'a 32-bit kernel; only 64-bit x86 kernels can run'),
    (kernels.elf(machine=183), 'a kernel for another architecture than x86-64'),
    (kernels.elf(notes={}), 'the kernel has no Xen ELF notes: not built to run as a Xen PV guest'),
    (kernels.elf(notes={kernels.XEN_VERSION: 'xen-2.0'}), 'the kernel asks for another interface than xen-3.0'),
    (kernels.elf(entry=0x1234), 'entry point or hypercall page lies outside of the kernel'),
    (kernels.elf(memsz=2 << 30), 'the kernel occupies too much memory'),
    (ELF[:64], 'the image is truncated'),
    (ELF[:0x1010], 'the image is truncated'),
    (ELF[:40], 'the image is truncated'),
], ids=['32-bit', 'arm64', 'no notes', 'xen-2.0', 'entry', 'huge', 'no headers', 'cut', 'head cut'])
def test_bad_elf(small, content, line):
    stops(small(content), KERNEL + line)


def test_kernel_that_wants_to_lie_on_the_hypervisor(small):
    base = 0xffff830000000000
    notes = {kernels.ENTRY: base + kernels.LOAD, kernels.VIRT_BASE: base, kernels.XEN_VERSION: 'xen-3.0'}
    machine = small(kernels.elf(notes=notes), hvargs='dom0_mem=64M')
    stops(machine, f'Domain 0: kernel at {base:x} or list of frames at {base + 0x102000:x} is no place for them')


# ---------------------------------------------------------------- bzImage

@pytest.fixture(scope='session')
def packed():
    image = kernels.elf(filler=100000)
    return {how: kernels.payload(how, image) for how in PACKERS}


@pytest.mark.parametrize('how', PACKERS)
def test_bzimage_is_unpacked(small, packed, how):
    machine = comes_up(small(kernels.bzimage(packed[how])))
    assert f'({how})' in machine.log


@pytest.mark.parametrize('how', PACKERS)
def test_file_is_truncated(small, packed, how):
    image = kernels.bzimage(packed[how])
    stops(small(image[:len(image) // 2]), KERNEL + 'the image is truncated')


@pytest.mark.parametrize('how', PACKERS)
def test_payload_is_truncated(small, packed, how):
    """The file is whole, but what was packed into it was not: its last bytes still tell the length."""
    whole = packed[how]
    stops(small(kernels.bzimage(whole[:len(whole) // 2] + whole[-4:])),
          KERNEL + 'the image is truncated')


@pytest.mark.parametrize('how,at,line', [
    ('gzip', 0.5, 'compressed kernel is corrupt'),
    ('xz', 0.5, 'compressed kernel is corrupt'),
    ('zstd', 0.5, 'compressed kernel is corrupt'),
    ('lz4', 6, 'compressed kernel is corrupt'),
    ('gzip', 1, 'kernel compressed in an unknown format'),
    ('xz', 7, 'compressed kernel is corrupt'),
    ('zstd', -1, "the kernel's size after decompression is not credible"),
    ('lz4', -4, 'the kernel decompresses to less than it says'),
])
def test_one_bit_is_flipped(small, packed, how, at, line):
    """lz4 as Linux uses it has no checksum: there only the framing can be wrong."""
    where = int(len(packed[how]) * at) if isinstance(at, float) else at
    content = kernels.flip(packed[how], where, 6 if at == -1 else 0)
    stops(small(kernels.bzimage(content)), KERNEL + line)


@pytest.mark.parametrize('how', PACKERS)
def test_bits_flipped_anywhere(small, packed, how):
    """Whatever comes of it, it is an end in order: a line, or a kernel that does as it likes."""
    numbers = random.Random(how)
    for _ in range(5):
        content = packed[how]
        for _ in range(3):
            content = kernels.flip(content, numbers.randrange(len(content)), numbers.randrange(8))
        machine = small(kernels.bzimage(content))
        machine.expect(rf'^\(XEN\) error: stopped \(noreboot\)|^{kernels.HELLO}', 30)
        assert machine.ended is None or machine.ended == 'poweroff'
        assert not re.search('BUG|FATAL', machine.log)
        machine.stop()


@pytest.mark.parametrize('magic,name', [(b'BZh91AY', 'bzip2'), (b'\x5d\0\0\0\4', 'lzma'), (b'\x89LZO', 'lzo')])
def test_other_compressions_are_named(small, magic, name):
    stops(small(kernels.bzimage(magic + bytes(200))),
          KERNEL + f'kernel compressed with {name}, which is not supported (xz, gzip, zstd, lz4 are)')


def test_bzimage_header_is_malformed(small, packed):
    image = kernels.bzimage(packed['gzip'])
    stops(small(kernels.flip(image, 0x24e, 7)), KERNEL + 'malformed bzImage header')


# ---------------------------------------------------------------- memory

def test_dom0_mem_larger_than_the_machine(small):
    """As on Xen, Domain 0 gets what there is; Mica keeps a little."""
    machine = comes_up(small(kernels.elf(), hvargs='dom0_mem=64G'))
    assert 'dom0_mem: more than the machine can give; Domain 0 gets all but' in machine.log
    given = int(re.search(r'Domain 0: (\d+) MiB', machine.log)[1])
    assert 200 < given < 250


@pytest.mark.parametrize('mem', ['0', '1K', '1M', '4M'])
def test_dom0_mem_too_small(small, mem):
    machine = small(kernels.elf(memsz=8 << 20), hvargs=f'dom0_mem={mem}')
    machine.expect('stopped')
    line = r'PANIC on CPU 0: Domain 0: kernel, initrd and tables need \d+ MiB, dom0_mem gives (\d+) MiB$'
    assert re.search(line, machine.log, re.M)[1] == mem.rstrip('M').replace('1K', '0')
    stops(machine, re.search('Domain 0: kernel.*', machine.log)[0])


def test_initrd_too_large_for_dom0_mem(small):
    machine = small(kernels.elf(), initrd=bytes(40 << 20), hvargs='dom0_mem=32M')
    stops(machine, 'Domain 0: kernel, initrd and tables need 44 MiB, dom0_mem gives 32 MiB')


def test_initrd_for_a_kernel_that_wants_it_mapped(small):
    """Without the note MOD_START_PFN it lies in the region that the first page tables map."""
    machine = comes_up(small(kernels.elf(shows_ramdisk=True), initrd=b'I am the ramdisk\n' * 300))
    assert machine.log.count('I am the ramdisk\n') == 300


def test_initrd_nearly_as_large_as_the_machine(small):
    comes_up(small(kernels.elf(), initrd=bytes(100 << 20), mem='128M'))


@pytest.mark.parametrize('mem', ['8M', '17M', '65M', '129M', '1025M'])
def test_odd_sizes_of_machines(small, mem):
    machine = small(kernels.elf(), mem=mem)
    if mem == '8M':
        machine.expect(r'PANIC on CPU 0: |^Hello')
        assert machine.ended is None and not re.search('FATAL|BUG', machine.log)
    else:
        comes_up(machine)


def test_bzimage_needs_more_memory_than_there_is(small):
    image = kernels.elf(filler=1 << 20) + bytes(100 << 20)
    machine = small(kernels.bzimage(kernels.payload('gzip', image)), mem='64M')
    machine.expect('stopped')
    stops(machine, re.search(KERNEL + r'no memory to unpack it \(\d+ KiB, and \d+ KiB for the decoder\)', machine.log)[0])


# ---------------------------------------------------------------- command lines

def test_unknown_options_are_named(small):
    machine = comes_up(small(kernels.elf(), hvargs='frobnicate=7 dom0_mem=lots maxcpus'))
    for line in ('option "frobnicate=7": unknown option, ignored', 'option "dom0_mem=lots": bad value, ignored',
                 'option "maxcpus": needs a value, ignored'):
        assert f'(XEN) {line}\n' in machine.log


def test_quote_without_end(small):
    machine = comes_up(small(kernels.elf(), hvargs='foo="bar baz'))
    assert '(XEN) option "foo=bar baz": unknown option, ignored\n' in machine.log


def test_command_line_of_8_kib(small):
    machine = comes_up(small(kernels.elf(), hvargs='x' * 300 + ' loglvl=all ' + 'y=1 ' * 2000))
    assert '(XEN) warning: boot loader: a command line is too long and was cut\n' in machine.log
    assert 'word too long, ignored' in machine.log


def test_command_line_with_control_characters(small):
    machine = comes_up(small(kernels.elf(), hvargs='a\x1b[2Jb\x07=\x7f\udcff'))
    assert '(XEN) option "a?[2Jb?=??": unknown option, ignored\n' in machine.log
    assert '\x1b' not in machine.log.split('Mica, a thin')[1]


def test_kernel_command_line_of_8_kib(small):
    machine = comes_up(small(kernels.elf(), append='z' * 8000))
    assert '(XEN) warning: boot loader: a command line is too long and was cut\n' in machine.log


# ---------------------------------------------------------------- firmware

def test_no_acpi(small):
    stops(small(kernels.elf(), qemu='-no-acpi'),
          'no usable ACPI tables: Mica needs them to find CPUs and interrupt controllers')


def reported(machine, *lines):
    """The report has these lines, in this order; the first may cut another short."""
    at = 0
    for line in (*lines, 'last of CPU 0:'):
        found = re.compile(rf'\(XEN\) error: {line}', re.M).search(machine.log, at)
        assert found, f'{line!r} is not in the report, or not there'
        at = found.end()


@pytest.mark.parametrize('word, end', [('noreboot', 'stopped \\(noreboot\\)'), ('no-noreboot', 'rebooting')])
def test_a_crash_of_domain0_shows_its_registers(small, word, end):
    machine = small(kernels.elf(between=kernels.LOAD_KEPT, reason=kernels.CRASH), hvargs=word)
    machine.expect(rf'^\(XEN\) error: {end}', 30)
    kept = {name: f'{value:016x}' for name, value in kernels.KEPT.items()}
    reported(machine, r'PANIC on CPU 0: Domain 0 crashed \(its kernel says so\)', 'current: d0v0, kernel mode',
             f'rax .* rbx {kept["rbx"]}', f'rsi .* rbp {kept["rbp"]}', f'r9 .* r12 {kept["r12"]}',
             f'r13 .* r15 {kept["r15"]}', 'hypercall: sched_op$', 'backtrace:', r'  ffff\w+ \w\w+\+\w+')
    if word != 'noreboot':
        machine.ends('reset', 30)
    machine.stop()


def test_a_machine_check_shows_its_banks(small):
    machine = small(kernels.elf(between=kernels.SPIN), hvargs='no-noreboot')
    machine.expect(f'^{kernels.HELLO}', 30)
    machine.monitor('mce 0 1 0xbd00000000000135 5 0x1234000 0x8c')
    machine.ends('reset', 30)
    reported(machine, 'FATAL TRAP 18 in Mica on CPU 0', r'machine check: status 5, \d+ banks$',
             'bank 1: status bd00000000000135 address 1234000 misc 8c$', 'current: d0v0, kernel mode')
