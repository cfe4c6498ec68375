# SPDX-License-Identifier: MIT
"""Where each variable of an ELF file was written, by its DWARF; after link-time optimisation the symbol table no longer knows."""
import os
import re
import subprocess

ENTRY = re.compile(r' <[0-9a-f]+><([0-9a-f]+)>: Abbrev Number: \d+ \(DW_TAG_(\w+)\)')
ATTRIBUTE = re.compile(r'    <[0-9a-f]+>   DW_AT_(\w+)\s*: ?(.*)')
ADDRESS = re.compile(r'\(DW_OP_addr: ([0-9a-f]+)\)$')
REFERENCE = re.compile(r'<0x([0-9a-f]+)>')


def entries(elf):
    """Yields (offset, tag, {attribute: text}, source file) of the variables among the debugging entries."""
    text = subprocess.run(['readelf', '--debug-dump=info', elf], capture_output=True, text=True, errors='replace',
                          check=True).stdout
    offset = tag = None
    attributes, source = {}, ''
    for line in text.splitlines() + [' <0><0>: Abbrev Number: 0 (DW_TAG_end)']:
        entry = ENTRY.match(line)
        if entry:
            if tag == 'compile_unit':
                source = os.path.basename(name_of(attributes))
            elif tag == 'variable':
                yield offset, attributes, source
            offset, tag, attributes = int(entry.group(1), 16), entry.group(2), {}
        else:
            attribute = ATTRIBUTE.match(line)
            if attribute:
                attributes[attribute.group(1)] = attribute.group(2).strip()


def name_of(attributes):
    """The name without readelf's remark about where its string lies."""
    return re.sub(r'^\([^)]*\): ', '', attributes.get('name', ''))


def by_address(elf):
    """{address: 'NAME' of a global variable, or 'FILE:NAME' of a static one}."""
    table = {offset: (attributes, source) for offset, attributes, source in entries(elf)}
    found = {}
    for attributes, source in table.values():
        address = ADDRESS.search(attributes.get('location', ''))
        if not address:
            continue
        while 'name' not in attributes:     # said elsewhere: the copy before optimisation, the declaration
            there = REFERENCE.search(attributes.get('abstract_origin', attributes.get('specification', '')))
            if not there or int(there.group(1), 16) not in table:
                break
            attributes, source = table[int(there.group(1), 16)]
        name = name_of(attributes)
        if name:
            found[int(address.group(1), 16)] = name if 'external' in attributes else f'{source}:{name}'
    return found
