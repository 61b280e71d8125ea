# SPDX-License-Identifier: MIT
"""Small kernels made by hand, to be broken field by field: an ELF file with Xen notes that says hello and switches the
machine off, and a bzImage around any payload."""
import gzip
import lzma
import random
import struct
import subprocess

HELLO = 'Hello from a small kernel'
BASE = 0xffffffff80000000
LOAD = 0x100000          # pseudo-physical address of the segment
TEXT = 0x1000            # where it lies in the file
NOTES = 0x200
ENTRY, HYPERCALL_PAGE, VIRT_BASE, XEN_VERSION, GUEST_OS, LOADER = 1, 2, 3, 5, 6, 8
CONSOLE_IO, SCHED_OP, SHUTDOWN = 18, 29, 2
POWEROFF, CRASH = 0, 3
# Registers that a hypercall leaves to C, and numbers that nothing else has.
KEPT = {'rbx': 0xb0b1b2b3b4b5b6b7, 'rbp': 0xc0c1c2c3c4c5c6c7, 'r12': 0xd0d1d2d3d4d5d6d7, 'r15': 0xe0e1e2e3e4e5e6e7}
LOAD_KEPT = b''.join(op + struct.pack('<Q', value) for op, value in
                     zip((b'\x48\xbb', b'\x48\xbd', b'\x49\xbc', b'\x49\xbf'), KEPT.values()))
SPIN = b'\xeb\xfe'


def code(text, between=b'', reason=POWEROFF):
    """console_io(write, text); what is between; sched_op(shutdown, {reason}); jump to itself."""
    text = text.encode() + b'\n'
    tail = struct.pack('<I', reason) + text
    parts = [b'\xb8' + struct.pack('<I', CONSOLE_IO), b'\x31\xff',
             b'\xbe' + struct.pack('<I', len(text))]
    second = b'\xb8' + struct.pack('<I', SCHED_OP) + b'\xbf' + struct.pack('<I', SHUTDOWN)
    head = b''.join(parts)
    # lea rdx, [rip + text]; syscall; ...; lea rsi, [rip + reason]; syscall; jmp .
    after_first = b'\x0f\x05' + between + second + b'\x48\x8d\x35'
    to_reason = 2 + 2                                # behind the second lea: syscall, jmp
    to_text = len(after_first) + 4 + to_reason + 4   # behind the first lea
    return (head + b'\x48\x8d\x15' + struct.pack('<i', to_text) + after_first +
            struct.pack('<i', to_reason) + b'\x0f\x05\xeb\xfe' + tail)


# mov rdx, [start_info.mod_start]; mov rsi, [start_info.mod_len]; console_io(write, ...)
SHOW_RAMDISK = (b'\x48\x8b\x56\x70\x48\x8b\x76\x78\xb8' + struct.pack('<I', CONSOLE_IO) +
                b'\x31\xff\x0f\x05')


def note(number, value):
    value = struct.pack('<Q', value) if isinstance(value, int) else value.encode() + b'\0'
    return struct.pack('<III4s', 4, len(value), number, b'Xen\0') + value + bytes(-len(value) % 4)


def elf(notes=None, bits=64, machine=62, memsz=None, entry=BASE + LOAD, filler=0, shows_ramdisk=False, **ends):
    """filler: bytes of random data behind the code, so that there is something to damage; ends: as code() takes it."""
    if notes is None:
        notes = {ENTRY: entry, VIRT_BASE: BASE, XEN_VERSION: 'xen-3.0', GUEST_OS: 'small', LOADER: 'generic'}
    area = b''.join(note(n, v) for n, v in notes.items())
    text = (SHOW_RAMDISK if shows_ramdisk else b'') + code(HELLO, **ends) + random.Random(1).randbytes(filler)
    head = b'\x7fELF' + bytes([bits // 32, 1, 1]) + bytes(9)
    head += struct.pack('<HHIQQQIHHHHHH', 2, machine, 1, entry, 64, 0, 0, 64, 56, 2, 0, 0, 0)
    head += struct.pack('<IIQQQQQQ', 1, 7, TEXT, BASE + LOAD, LOAD, len(text), memsz or len(text) + 0x1000, 0x1000)
    head += struct.pack('<IIQQQQQQ', 4, 4, NOTES, 0, 0, len(area), len(area), 4)
    assert len(head) <= NOTES and NOTES + len(area) <= TEXT
    return head.ljust(NOTES, b'\0') + area.ljust(TEXT - NOTES, b'\0') + text


def tool(*words):
    return lambda data: subprocess.run(words, input=data, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                       check=True).stdout


def xz(data):
    filters = [{'id': lzma.FILTER_X86}, {'id': lzma.FILTER_LZMA2, 'dict_size': 1 << 20}]
    return lzma.compress(data, lzma.FORMAT_XZ, lzma.CHECK_CRC32, filters=filters)


PACK = {'xz': xz, 'gzip': lambda data: gzip.compress(data, mtime=0), 'zstd': tool('zstd', '-q', '-c'),
        'lz4': tool('lz4', '-l', '-9', '-c')}
PAYLOAD_AT = 1024 + 16   # in the file that bzimage() makes


def payload(how, data):
    """As Linux's build makes it: the packed data and their length; gzip has it in its own trailer."""
    packed = PACK[how](data)
    return packed if how == 'gzip' else packed + struct.pack('<I', len(data))


def bzimage(content):
    head = bytearray(1024)
    head[0x1f1] = 1
    struct.pack_into('<I', head, 0x1f4, (len(content) + 31) // 16)
    struct.pack_into('<H', head, 0x1fe, 0xaa55)
    head[0x202:0x206] = b'HdrS'
    struct.pack_into('<H', head, 0x206, 0x20f)
    head[0x211] = 1
    struct.pack_into('<II', head, 0x248, PAYLOAD_AT - 1024, len(content))
    return bytes(head) + bytes(16) + content


def flip(data, at, bit=0):
    data = bytearray(data)
    data[at] ^= 1 << bit
    return bytes(data)
