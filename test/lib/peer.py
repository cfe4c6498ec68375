# SPDX-License-Identifier: MIT
"""A TCP peer made of raw segments, at an address of its own, which does only what it is told to."""
import frame as fr
import lab


class RawPeer:
    """One address; one connection at a time is current. Answers ARP or neighbour discovery while it waits for something."""

    def __init__(self, wire, guest_mac, address):
        self.wire = wire
        self.guest_mac = guest_mac
        self.address = address
        self.mac = b'\x02\x99' + fr.address(address)[-4:]
        self.guest = lab.GUEST6 if ':' in address else lab.GUEST
        self.sport = self.dport = self.snd_nxt = self.rcv_nxt = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def _answer_arp(self, got):
        if got[12:14] == b'\x08\x06' and got[20:22] == b'\0\1' and got[38:42] == fr.address(self.address):
            self.wire.send(fr.ether(self.guest_mac, self.mac, fr.ETH_ARP,
                                    fr.arp(2, self.mac, self.address, self.guest_mac, lab.GUEST)))

    def _answer_solicitation(self, got):
        if got[12:14] == b'\x86\xdd' and got[20] == fr.ICMP6 and got[54] == 135 and got[62:78] == fr.address(self.address):
            answer = b'\x60\0\0\0' + fr.address(self.address) + fr.link_option(2, self.mac)
            message = fr.icmp6(self.address, self.guest, 136, 0, answer)
            self.wire.send(fr.on_wire(self.guest_mac, self.mac, fr.ipv6(self.address, self.guest, fr.ICMP6, message, hops=255)))

    def expect(self, wanted, timeout=3):
        """The next segment to us for which @wanted(segment) is true, or None."""
        def look(got):
            if self.guest == lab.GUEST:
                self._answer_arp(got)
            else:
                self._answer_solicitation(got)
            segment = fr.tcp_of(got)
            if segment and segment.dst == fr.address(self.address) and segment.dport == self.sport and wanted(segment):
                return segment
            return None
        found = self.wire.receive(look, timeout)
        return found[1] if found else None

    def send(self, seq=None, ack=None, flags=fr.ACK, payload=b'', **wrong):
        """A segment of the current connection."""
        segment = fr.tcp(self.address, self.guest, self.sport, self.dport, self.snd_nxt if seq is None else seq,
                         self.rcv_nxt if ack is None else ack, flags, payload, **wrong)
        self.wire.send(fr.on_wire(self.guest_mac, self.mac, fr.packet(self.address, self.guest, fr.TCP, segment)))

    def open(self, sport, dport, options=b'', window=65535):
        """Three-way handshake; whether it was answered. The connection becomes the current one."""
        self.wire.drain()
        self.sport, self.dport, self.snd_nxt, self.rcv_nxt = sport, dport, sport * 65537, 0
        for _ in range(3):
            self.send(flags=fr.SYN, ack=0, options=options, window=window)
            answer = self.expect(lambda s: s.flags & fr.SYN and s.flags & fr.ACK, 1)
            if answer:
                self.snd_nxt = (self.snd_nxt + 1) & 0xffffffff
                self.rcv_nxt = (answer.seq + 1) & 0xffffffff
                self.send(window=window)
                return True
        return False

    def reset(self, sport, dport):
        """RST where the handshake left off, if nothing was sent since."""
        self.sport, self.dport = sport, dport
        self.send(seq=sport * 65537 + 1, flags=fr.RST)
