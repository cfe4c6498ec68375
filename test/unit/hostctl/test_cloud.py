#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""hostctl/cloud against what KubeVirt and Nova take: fields, types, values. Both are subsets, of what the files use:
KubeVirt's of its OpenAPI description (kubevirt.io/v1, release 1.7), Nova's of nova/objects/image_meta.py and
nova/api/validation/extra_specs (26.2).

Usage: test_cloud.py
"""
import pathlib
import re
import unittest

FOLDER = pathlib.Path(__file__).resolve().parents[3] / 'hostctl' / 'cloud'

# A type: str, int, bool, a set of words, [type of the elements], {field: type}, ANY. '!' in front of a field: required.
ANY = object()
QUANTITY = re.compile(r'\d+(\.\d+)?([KMGTPE]i|[kMGTPE])?')
NAME = re.compile(r'[a-z0-9]([-a-z0-9]*[a-z0-9])?')
PORT = {'name': NAME, '!port': int, 'protocol': {'TCP', 'UDP'}}
METADATA = {'name': NAME, 'labels': ANY, 'annotations': ANY, 'namespace': NAME}
DOMAIN = {
    'machine': {'type': str},
    'firmware': {'kernelBoot': {'kernelArgs': str, 'container': {
        '!image': str, 'imagePullPolicy': {'Always', 'Never', 'IfNotPresent'}, 'imagePullSecret': str, 'initrdPath': str,
        'kernelPath': str}}},
    'cpu': {'cores': int, 'sockets': int, 'threads': int, 'model': str, 'dedicatedCpuPlacement': bool},
    'memory': {'guest': QUANTITY, 'hugepages': {'pageSize': QUANTITY}},
    '!devices': {
        'networkInterfaceMultiqueue': bool, 'autoattachGraphicsDevice': bool, 'autoattachMemBalloon': bool, 'logSerialConsole': bool,
        'panicDevices': [{'model': {'isa', 'hyperv', 'pvpanic'}}],
        'interfaces': [{'!name': NAME, 'model': {'virtio', 'e1000', 'e1000e', 'ne2k_pci', 'pcnet', 'rtl8139'}, 'masquerade': {},
                        'bridge': {}, 'ports': [PORT]}]},
}
SCHEMAS = {
    ('kubevirt.io/v1', 'VirtualMachine'): {
        '!apiVersion': str, '!kind': str, '!metadata': METADATA,
        '!spec': {'runStrategy': {'Always', 'Halted', 'Manual', 'RerunOnFailure', 'Once'}, '!template': {
            'metadata': METADATA,
            'spec': {'terminationGracePeriodSeconds': int, '!domain': DOMAIN, 'networks': [{'!name': NAME, 'pod': {}}],
                     'readinessProbe': {'tcpSocket': {'!port': int}, 'periodSeconds': int}}}}},
    ('v1', 'Service'): {
        '!apiVersion': str, '!kind': str, '!metadata': METADATA,
        '!spec': {'selector': ANY, 'ports': [{**PORT, 'targetPort': int}]}},
}
BOOLEAN = {'true', 'false'}
IMAGE = {
    'hw_machine_type': str, 'hw_firmware_type': {'bios', 'uefi'}, 'hw_architecture': {'x86_64'}, 'os_command_line': str,
    'hw_vif_model': {'virtio', 'e1000', 'e1000e', 'ne2k_pci', 'pcnet', 'rtl8139', 'vmxnet3'}, 'hw_vif_multiqueue_enabled': BOOLEAN,
    'hw_video_model': {'vga', 'cirrus', 'vmvga', 'xen', 'qxl', 'virtio', 'gop', 'none', 'bochs'},
    'hw_watchdog_action': {'none', 'pause', 'poweroff', 'reset', 'disabled'},
    'hw_disk_bus': {'fdc', 'ide', 'sata', 'scsi', 'usb', 'virtio'}, 'img_config_drive': {'mandatory', 'optional'},
    'os_require_quiesce': BOOLEAN, 'hw_qemu_guest_agent': BOOLEAN,
}
FLAVOR = {
    'hw:mem_page_size': re.compile(r'large|small|any|\d+([kKMGT]i?B?)?'), 'hw:cpu_policy': {'shared', 'dedicated', 'mixed'},
    'hw:cpu_thread_policy': {'prefer', 'isolate', 'require'}, 'hw:vif_multiqueue_enabled': BOOLEAN, 'hw:boot_menu': BOOLEAN,
    'hw:watchdog_action': {'none', 'pause', 'poweroff', 'reset', 'disabled'},
}


def scalar(text):
    """A word of YAML."""
    if text in ('true', 'false'):
        return text == 'true'
    if text == '{}':
        return {}
    return int(text) if text.isdigit() else text


class Block:
    """The YAML that kubevirt.yaml keeps to: block mappings and lists, plain scalars, {}."""

    def __init__(self, text):
        lines = (line.rstrip() for line in text.splitlines())
        self.lines = [line for line in lines if line and not line.lstrip().startswith('#')]

    def value(self, indent):
        """The mapping or list that begins at the next line."""
        found = None
        while self.lines:
            line = self.lines[0]
            at = len(line) - len(line.lstrip())
            if at < indent:
                break
            if at > indent:
                raise ValueError(f'indented too far: {line}')
            if line[at:].startswith('- '):
                found = [] if found is None else found
                self.lines[0] = ' ' * (at + 2) + line[at + 2:]
                found.append(self.value(at + 2))
                continue
            key, colon, rest = line[at:].partition(':')
            if not colon or rest and not rest.startswith(' '):
                raise ValueError(f'no KEY: in {line}')
            found = {} if found is None else found
            if key in found:
                raise ValueError(f'{key} twice')
            self.lines.pop(0)
            found[key] = scalar(rest.strip()) if rest.strip() else self.value(at + 2)
        return found


def documents(text):
    """Of a YAML file."""
    return [Block(part).value(0) for part in re.split(r'^---$', text, flags=re.M)]


def wrong(value, kind, path):
    """What is wrong with @value, '' if nothing."""
    if kind is ANY:
        return ''
    if isinstance(kind, list):
        if not isinstance(value, list):
            return f'{path}: no list'
        return next((w for i, v in enumerate(value) if (w := wrong(v, kind[0], f'{path}[{i}]'))), '')
    if isinstance(kind, dict):
        return wrong_mapping(value, {k.lstrip('!'): v for k, v in kind.items()}, [k[1:] for k in kind if k[0] == '!'], path)
    if isinstance(kind, re.Pattern):
        return '' if isinstance(value, str) and kind.fullmatch(value) else f'{path}: {value!r}'
    if isinstance(kind, set):
        return '' if value in kind else f'{path}: {value!r} is none of {sorted(kind)}'
    return '' if type(value) is kind else f'{path}: {value!r} is no {kind.__name__}'    # bool is no int here


def wrong_mapping(value, fields, required, path):
    """The same of a mapping."""
    if not isinstance(value, dict):
        return f'{path}: no mapping'
    for name in required:
        if name not in value:
            return f'{path}: no {name}'
    for name, v in value.items():
        if name not in fields:
            return f'{path}.{name}: unknown'
        if (text := wrong(v, fields[name], f'{path}.{name}')):
            return text
    return ''


def properties(name):
    """KEY=VALUE of a file."""
    lines = (FOLDER / name).read_text(encoding='utf-8').splitlines()
    return dict(line.split('=', 1) for line in lines if line and line[0] != '#')


class KubeVirt(unittest.TestCase):
    """kubevirt.yaml."""

    def setUp(self):
        self.documents = documents((FOLDER / 'kubevirt.yaml').read_text(encoding='utf-8'))

    def test_schema(self):
        """Known fields, of the right types, none missing."""
        self.assertEqual([(d['apiVersion'], d['kind']) for d in self.documents], list(SCHEMAS))
        for d in self.documents:
            self.assertEqual(wrong(d, SCHEMAS[d['apiVersion'], d['kind']], d['kind']), '')

    def test_schema_refuses(self):
        """What a schema is for."""
        schema = SCHEMAS['kubevirt.io/v1', 'VirtualMachine']
        domain = self.documents[0]['spec']['template']['spec']['domain']
        domain['cpu']['cores'] = '2'
        self.assertIn('cpu.cores', wrong(self.documents[0], schema, ''))
        domain['cpu'] = {'kores': 2}
        self.assertIn('kores: unknown', wrong(self.documents[0], schema, ''))
        domain['cpu'] = {}
        del domain['firmware']['kernelBoot']['container']['image']
        self.assertIn('no image', wrong(self.documents[0], schema, ''))

    def test_names_lead_somewhere(self):
        """Interfaces have networks, the service has a guest and the guest that port."""
        vm, service = self.documents
        spec = vm['spec']['template']['spec']
        interfaces = spec['domain']['devices']['interfaces']
        self.assertEqual([i['name'] for i in interfaces], [n['name'] for n in spec['networks']])
        self.assertEqual(service['spec']['selector'], vm['spec']['template']['metadata']['labels'])
        self.assertEqual(service['spec']['ports'][0]['targetPort'], interfaces[0]['ports'][0]['port'])
        path = spec['domain']['firmware']['kernelBoot']['container']['kernelPath']
        self.assertIn(f'COPY echo.ix {path}\n', (FOLDER / 'Containerfile').read_text(encoding='utf-8'))


class Nova(unittest.TestCase):
    """The two property sets."""

    def test_image(self):
        """Of the image; a guest without os_command_line would be given Linux's."""
        found = properties('nova-image.properties')
        self.assertEqual(wrong(found, IMAGE, 'image'), '')
        self.assertEqual((found['hw_machine_type'], found['hw_firmware_type']), ('q35', 'bios'))
        self.assertTrue(found['os_command_line'])

    def test_flavor(self):
        """Of the flavour."""
        self.assertEqual(wrong(properties('nova-flavor.properties'), FLAVOR, 'flavor'), '')
        self.assertIn('hw:cpu_polcy', wrong({'hw:cpu_polcy': 'dedicated'}, FLAVOR, 'flavor'))
        self.assertIn('exclusive', wrong({'hw:cpu_policy': 'exclusive'}, FLAVOR, 'flavor'))


if __name__ == '__main__':
    unittest.main()
