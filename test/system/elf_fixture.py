# SPDX-License-Identifier: MIT
"""Tiny ELF64 files made byte by byte: kernels that print a line and end in a given way, and programs for images."""
import struct

PAGE = 0x1000
HUGE = 0x200000
KERNEL_PA = 0x200000
KERNEL_VA = 0xffffffff80000000
PARTITION_VA = 0x400000
IMAGE_MAGIC, IMAGE_VERSION, IMAGE_NOTE = 0x31474d4958, 6, 0x4958
PT_LOAD, PT_INTERP, PT_NOTE = 1, 3, 4
R, W, X = 4, 2, 1


def elf(segments, entry, kind=2, machine=62):
    """segments: [(type, flags, va, pa, bytes, memory bytes)], in order."""
    head = 64 + 56 * len(segments)
    out, table, at = bytearray(), bytearray(), (head + PAGE - 1) // PAGE * PAGE
    body = bytearray()
    for ptype, flags, va, pa, data, memory in segments:
        table += struct.pack('<IIQQQQQQ', ptype, flags, at + len(body), va, pa, len(data), memory, PAGE)
        body += data + bytes(-len(data) % PAGE)
    out += b'\x7fELF\x02\x01\x01' + bytes(9)
    out += struct.pack('<HHIQQQIHHHHHH', kind, machine, 1, entry, 64, 0, 0, 64, 56, len(segments), 64, 0, 0)
    out += table
    return bytes(out + bytes(at - len(out)) + body)


def note(name, ntype, desc):
    name += b'\0'
    return struct.pack('<III', len(name), len(desc), ntype) + name + bytes(-len(name) % 4) + desc + bytes(-len(desc) % 4)


def say(text):
    """32-bit code that writes text to COM1."""
    code = b'\x66\xba\xf8\x03'                              # mov $0x3f8, %dx
    for c in text.encode():
        code += bytes([0xb0, c, 0xee])                      # mov $c, %al; out %al, (%dx)
    return code


def out32(port, value):
    return b'\xb8' + struct.pack('<I', value) + b'\x66\xba' + struct.pack('<H', port) + b'\xef'


HALT = b'\xfa\xf4\xeb\xfd'                                  # cli; hlt; jmp back
TRIPLE_FAULT = b'\x0f\x0b'                                  # ud2 without an IDT
PANIC = b'\xb0\x01\x66\xba\x05\x05\xee' + HALT              # pvpanic


def finish(code):
    return out32(0xf4, code) + HALT


def kernel(code, version=IMAGE_VERSION, pvh=True, ix=True):
    notes = note(b'Xen', 18, struct.pack('<I', KERNEL_PA + 1024)) if pvh else b''
    if ix:
        notes += note(b'IX', IMAGE_NOTE, struct.pack('<QII', IMAGE_MAGIC, version, 0) + bytes(8 * 56))
    text = notes + bytes(1024 - len(notes)) + code
    segments = [(PT_LOAD, R | X, KERNEL_VA + KERNEL_PA, KERNEL_PA, text, len(text))]
    data = elf(segments + [(PT_NOTE, R, KERNEL_VA + KERNEL_PA, KERNEL_PA, b'', 0)], KERNEL_VA + KERNEL_PA + 1024)
    if not notes:
        return data
    # The note segment is a view of the loaded one: same offset, 4-aligned, its own size.
    entry = 64 + 56
    offset = struct.unpack_from('<Q', data, 64 + 8)[0]
    view = struct.pack('<IIQQQQQQ', PT_NOTE, R, offset, KERNEL_VA + KERNEL_PA, KERNEL_PA, len(notes), len(notes), 4)
    return data[:entry] + view + data[entry + 56:]


def program(text=b'\xf4' * 64, data=b'data', kind=2, machine=62, flags=(R | X, R | W), gap=HUGE, extra=()):
    segments = [(PT_LOAD, flags[0], PARTITION_VA, PARTITION_VA, text, len(text)),
                (PT_LOAD, flags[1], PARTITION_VA + gap, PARTITION_VA + gap, data, len(data) + PAGE)]
    return elf(segments + list(extra), PARTITION_VA, kind, machine)
