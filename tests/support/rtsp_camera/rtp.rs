//! How it travels: RTP packets (RFC 3550, RFC 6184) and RTCP reports.

use super::clip::{PPS, SPS, kind};

/// The dynamic payload type of the SDP.
pub(super) const PAYLOAD_TYPE: u8 = 96;
/// The largest RTP payload: below an Ethernet frame, as cameras do, though TCP needs no limit.
pub(super) const MAX_PAYLOAD: usize = 1400;
const STAP_A: u8 = 24;
const FU_A: u8 = 28;

/// Payloads of one access unit (RFC 6184, packetization-mode 1): neighbouring parameter sets share
/// a STAP-A (5.7.1), what is too long is cut into FU-A (5.8), the rest goes as it is (5.6).
pub(super) fn payloads(nals: &[&[u8]]) -> Vec<Vec<u8>> {
    let mut payloads = Vec::new();
    let is_set = |nal: &[u8]| matches!(kind(nal), SPS | PPS);
    for group in nals.chunk_by(|a, b| is_set(a) && is_set(b)) {
        let aggregate = 1 + group.iter().map(|nal| 2 + nal.len()).sum::<usize>();
        if group.len() > 1 && aggregate <= MAX_PAYLOAD {
            let importance = group.iter().map(|nal| nal[0] & 0x60).max().unwrap_or(0);
            let mut payload = vec![importance | STAP_A];
            for nal in group {
                payload.extend((nal.len() as u16).to_be_bytes());
                payload.extend(*nal);
            }
            payloads.push(payload);
            continue;
        }
        for nal in group {
            if nal.len() <= MAX_PAYLOAD {
                payloads.push(nal.to_vec());
                continue;
            }
            let (header, parts) = (nal[0], nal[1..].chunks(MAX_PAYLOAD - 2));
            let last = parts.len() - 1;
            payloads.extend(parts.enumerate().map(|(index, part)| {
                let edge = u8::from(index == 0) << 7 | u8::from(index == last) << 6;
                [&[header & 0xe0 | FU_A, edge | header & 0x1f], part].concat()
            }));
        }
    }
    payloads
}

/// One RTP stream: numbers, times and counts on their way.
pub(super) struct Stream {
    /// Names the stream (RFC 3550 section 8).
    pub(super) ssrc: u32,
    /// The sequence number that the next packet gets.
    pub(super) sequence: u16,
    offset: u32,
    packets: u32,
    octets: u32,
}

impl Stream {
    /// Starts shortly before both wraps, so that every client meets them: sequence numbers wrap
    /// after 200 packets, timestamps after 2 s.
    pub(super) fn new(connection: usize, first_us: i64) -> Self {
        let mut stream = Self {
            ssrc: 0x5eed_0000 + connection as u32,
            sequence: 0u16.wrapping_sub(200),
            offset: 0,
            packets: 0,
            octets: 0,
        };
        stream.offset = 0u32.wrapping_sub(180_000).wrapping_sub(stream.timestamp(first_us));
        stream
    }

    /// A time in 90 kHz ticks, modulo 2^32.
    pub(super) fn timestamp(&self, time_us: i64) -> u32 {
        // Rounded: 33,367 us is 3,003 ticks. Truncation to 32 bits is the wrap.
        let ticks = (time_us * 9 + 50).div_euclid(100);
        self.offset.wrapping_add(ticks as u32)
    }

    /// Moves all later timestamps.
    pub(super) fn jump(&mut self, ticks: i32) {
        self.offset = self.offset.wrapping_add_signed(ticks);
    }

    /// The packets of one access unit; the last carries the marker (RFC 6184 section 5.1).
    pub(super) fn packets(&mut self, nals: &[&[u8]], time_us: i64) -> Vec<Vec<u8>> {
        let payloads = payloads(nals);
        let (last, timestamp) = (payloads.len().saturating_sub(1), self.timestamp(time_us));
        let packet = |(index, payload): (usize, Vec<u8>)| {
            let mut packet = vec![0x80, u8::from(index == last) << 7 | PAYLOAD_TYPE];
            packet.extend(self.sequence.to_be_bytes());
            packet.extend(timestamp.to_be_bytes());
            packet.extend(self.ssrc.to_be_bytes());
            packet.extend(&payload);
            self.sequence = self.sequence.wrapping_add(1);
            self.packets = self.packets.wrapping_add(1);
            self.octets = self.octets.wrapping_add(payload.len() as u32);
            packet
        };
        payloads.into_iter().enumerate().map(packet).collect()
    }

    /// A sender report and the CNAME that every compound packet has (RFC 3550 sections 6.1, 6.4.1,
    /// 6.5), with a BYE (6.6) at the end of the stream. `wall_us` is since 1970.
    pub(super) fn report(&self, time_us: i64, wall_us: i64, bye: bool) -> Vec<u8> {
        let ssrc = self.ssrc.to_be_bytes();
        let seconds = wall_us.div_euclid(1_000_000) + 2_208_988_800;
        let fraction = (wall_us.rem_euclid(1_000_000) << 32) / 1_000_000;
        let mut report = vec![0x80, 200, 0, 6];
        report.extend(ssrc);
        for word in [seconds as u32, fraction as u32, self.timestamp(time_us)] {
            report.extend(word.to_be_bytes());
        }
        for count in [self.packets, self.octets] {
            report.extend(count.to_be_bytes());
        }
        report.extend([0x81, 202, 0, 4]);
        report.extend(ssrc);
        // CNAME, eight octets, and the nulls that end the items and fill the word.
        report.extend(b"\x01\x08cam@test\0\0");
        if bye {
            report.extend([0x81, 203, 0, 1]);
            report.extend(ssrc);
        }
        report
    }
}
