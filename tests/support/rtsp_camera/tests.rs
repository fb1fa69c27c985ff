//! The camera's own promises, before the host is tried against it.

use std::collections::BTreeSet;
use std::io::{Read, Write};

use super::*;

/// A clip of `count` units, an IDR every tenth, whose bytes no decoder would take.
fn clip(count: usize) -> Clip {
    let units = (0..count).map(|i| {
        let header = if i % 10 == 0 { 0x65 } else { 0x41 };
        let slice = [&[header, 0x88], &vec![i as u8 | 1; 100 + i * 97][..]].concat();
        let pts_us = i as i64 * 40_000;
        Unit { nals: vec![slice], pts_us, dts_us: pts_us, key: i % 10 == 0 }
    });
    Clip::new(vec![0x67, 0x4d, 0x40, 0x1f, 0xec], vec![0x68, 0xee, 0x3c], units.collect())
}

/// A client of few words: it keeps what it reads.
struct Client {
    stream: TcpStream,
    url: String,
    read: Vec<u8>,
    asked: usize,
}

impl Client {
    fn new(camera: &RtspCamera) -> Self {
        let stream = TcpStream::connect(camera.addr()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
        Self { stream, url: camera.url(), read: Vec::new(), asked: 0 }
    }

    /// Asks, and returns the head of the answer; nothing when none came in a second.
    fn ask(&mut self, method: &str, path: &str, headers: &str) -> String {
        self.asked += 1;
        let request = format!("{method} {}{path} RTSP/1.0\r\nCSeq: {}", self.url, self.asked);
        self.stream.write_all(format!("{request}\r\n{headers}\r\n").as_bytes()).unwrap();
        loop {
            if let Some(end) = self.read.windows(4).position(|four| four == b"\r\n\r\n") {
                let head: Vec<u8> = self.read.drain(..end + 4).collect();
                return String::from_utf8(head).unwrap();
            }
            if !self.more() {
                return String::new();
            }
        }
    }

    /// Reads on; `false` when nothing came in a second or the connection ended.
    fn more(&mut self) -> bool {
        let mut chunk = [0; 4096];
        let read = self.stream.read(&mut chunk).unwrap_or(0);
        self.read.extend(&chunk[..read]);
        read > 0
    }

    /// Plays to the BYE, the end of the connection or a second's silence, and returns the frames of both
    /// channels.
    fn play(&mut self) -> Vec<(u8, Vec<u8>)> {
        let transport = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n";
        assert!(self.ask("SETUP", "/trackID=1", transport).contains(" 200 OK"));
        assert!(self.ask("PLAY", "", "Session: 20260101\r\n").contains(" 200 OK"));
        while !self.read.windows(4).rev().take(5).any(|word| word == [0x81, 203, 0, 1]) && self.more() {}
        let (mut rest, mut frames) = (self.read.as_slice(), Vec::new());
        while let [b'$', channel, high, low, body @ ..] = rest {
            let (packet, after) = body.split_at(usize::from(u16::from_be_bytes([*high, *low])));
            frames.push((*channel, packet.to_vec()));
            rest = after;
        }
        self.read.clear();
        frames
    }
}

/// The NAL units that RTP payloads carry (RFC 6184 sections 5.6 to 5.8).
fn reassemble(payloads: &[&[u8]]) -> Vec<Vec<u8>> {
    let mut nals: Vec<Vec<u8>> = Vec::new();
    for payload in payloads {
        match payload[0] & 0x1f {
            24 => {
                let mut rest = &payload[1..];
                while let [high, low, body @ ..] = rest {
                    let (nal, after) = body.split_at(usize::from(*high) << 8 | usize::from(*low));
                    nals.push(nal.to_vec());
                    rest = after;
                }
            }
            28 if payload[1] & 0x80 != 0 => {
                let header = payload[0] & 0xe0 | payload[1] & 0x1f;
                nals.push([&[header], &payload[2..]].concat());
            }
            28 => nals.last_mut().unwrap().extend(&payload[2..]),
            _ => nals.push(payload.to_vec()),
        }
    }
    nals
}

#[test]
fn md5_and_base64_are_those_of_the_rfcs() {
    assert_eq!(auth::md5_hex(""), "d41d8cd98f00b204e9800998ecf8427e");
    assert_eq!(auth::md5_hex("message digest"), "f96b697d7cb7938d525a2f31aaf161d0");
    let digits = "1234567890".repeat(8);
    assert_eq!(auth::md5_hex(digits), "57edf4a22be3c955ac49da2e2107b67a");
    let words = ["", "f", "fo", "foo", "foob", "fooba", "foobar"];
    let coded = ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"];
    assert_eq!(words.map(|word| auth::base64(word.as_bytes())), coded);
}

#[test]
fn the_digest_is_that_of_rfc_2617_section_3_5() {
    let who = ["Mufasa", "testrealm@host.com", "Circle Of Life"];
    let nonce = "dcd98b7102dd2f0e8b11d0f600bfb0c093";
    let counted = Some(("00000001", "0a4f113b"));
    let response = auth::digest(who, nonce, "GET", "/dir/index.html", counted);
    assert_eq!(response, "6629fae49393a05397450978507c4ef1");
}

#[test]
fn what_is_cut_into_packets_comes_together_again() {
    for length in [1, 2, 1399, 1400, 1401, 2798, 2799, 9_000] {
        let slice: Vec<u8> = (0..length).map(|i| if i == 0 { 0x65 } else { i as u8 }).collect();
        let nals: [&[u8]; 4] = [&[9, 0xf0], &[0x67, 1, 2, 3], &[0x68, 4], &slice];
        let payloads = rtp::payloads(&nals);
        assert!(payloads.iter().all(|payload| payload.len() <= rtp::MAX_PAYLOAD));
        assert_eq!(payloads[1][0], 0x78, "SPS and PPS share a STAP-A");
        let payloads: Vec<&[u8]> = payloads.iter().map(Vec::as_slice).collect();
        assert_eq!(reassemble(&payloads), nals);
    }
}

#[test]
fn an_annexb_stream_falls_into_its_access_units() {
    let two_slices = b"\0\0\0\x01\x67\x4d\x40\x1f\0\0\x01\x68\xee\0\0\x01\x65\x88\0\0\x01\x65\x40";
    let stream = [&two_slices[..], b"\0\0\0\x01\x41\x9a\0\0\x01\x41\x9b\0\0\0\0\x01\x09\xf0"];
    let clip = Clip::from_annexb(&stream.concat(), 25.0).unwrap();
    assert_eq!((clip.sps.len(), clip.pps.len()), (4, 2));
    let counts: Vec<_> = clip.units.iter().map(|u| (u.nals.len(), u.key, u.pts_us)).collect();
    assert_eq!(counts, [(4, true, 0), (1, false, 40_000), (1, false, 80_000)]);
    assert!(Clip::from_annexb(b"no video", 25.0).is_none());
}

#[test]
fn a_watcher_is_let_in_by_its_digest_alone() {
    for scheme in [Scheme::Digest, Scheme::DigestWithoutQop, Scheme::Basic] {
        let login = Login { user: "ada".into(), password: "s3cret".into(), scheme };
        assert!(!format!("{login:?}").contains("s3cret"));
        let good = Behaviour { login: Some(login), ..Behaviour::default() };
        let camera = RtspCamera::start(clip(1), good).unwrap();
        let mut client = Client::new(&camera);
        let refused = client.ask("DESCRIBE", "", "");
        assert!(refused.starts_with("RTSP/1.0 401 "), "{refused}");
        let challenge = refused.lines().find_map(|l| l.strip_prefix("WWW-Authenticate: ")).unwrap();
        let (_, challenge) = challenge.split_once(' ').unwrap();
        let asked = auth::parameters(challenge);
        let value = |name| asked.iter().find(|(n, _)| n == name).map_or("", |(_, v)| v.as_str());
        let mut answer = |password: &str| {
            let (user, realm, nonce, uri) = ("ada", value("realm"), value("nonce"), camera.url());
            let counted = (scheme == Scheme::Digest).then_some(("00000001", "c"));
            let who = [user, realm, password];
            let response = auth::digest(who, nonce, "DESCRIBE", &uri, counted);
            let qop = counted.map_or("", |_| ", qop=auth, nc=00000001, cnonce=\"c\"");
            let digest = format!(
                "Digest username=\"{user}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{uri}\", \
                 response=\"{response}\"{qop}"
            );
            let basic = format!("Basic {}", auth::base64(format!("ada:{password}").as_bytes()));
            let proof = if scheme == Scheme::Basic { basic } else { digest };
            client.ask("DESCRIBE", "", &format!("Authorization: {proof}\r\n"))
        };
        assert!(answer("wrong").starts_with("RTSP/1.0 401 "));
        assert!(answer("s3cret").starts_with("RTSP/1.0 200 "));
        assert_eq!(camera.requests().len(), 3);
    }
}

#[test]
fn a_whole_clip_arrives_between_a_report_and_a_bye() {
    let clock = SystemTime::UNIX_EPOCH + Duration::from_millis(1_500);
    let good = Behaviour { clock: Some(clock), ..Behaviour::default() };
    let camera = RtspCamera::start(clip(30), good).unwrap();
    let mut client = Client::new(&camera);
    let udp = "Transport: RTP/AVP;unicast;client_port=5000-5001\r\n";
    assert!(client.ask("SETUP", "/trackID=1", udp).starts_with("RTSP/1.0 461 "));
    let frames = client.play();
    assert!(frames[0].0 == 1 && frames[0].1[1] == 200, "a sender report comes first");
    // 1970 is 2,208,988,800 s after the epoch of NTP: RFC 5905 figure 4.
    let ntp = [2_208_988_801u32.to_be_bytes(), 0x8000_0000u32.to_be_bytes()].concat();
    assert_eq!(frames[0].1[8..16], ntp);
    assert_eq!(frames[0].1[16..20], frames[1].1[4..8], "the report and the first unit share a time");
    let (_, last) = frames.last().unwrap();
    assert_eq!(last[last.len() - 8..][..2], [0x81, 203], "a BYE comes last");
    let packets: Vec<_> = frames.iter().filter(|(c, _)| *c == 0).map(|(_, p)| p).collect();
    let payloads: Vec<_> = packets.iter().map(|packet| &packet[12..]).collect();
    let Clip { sps, pps, units } = clip(30);
    let expected = units.into_iter().flat_map(|unit| {
        let sets = if unit.key { vec![sps.clone(), pps.clone()] } else { Vec::new() };
        [sets, unit.nals].concat()
    });
    assert_eq!(reassemble(&payloads), expected.collect::<Vec<_>>());
    assert_eq!(packets.iter().filter(|packet| packet[1] & 0x80 != 0).count(), 30);
    assert!(client.ask("GET_PARAMETER", "", "").contains(" 200 OK"), "kept alive after the end");
}

#[test]
fn a_fault_strikes_when_and_as_often_as_told() {
    let fault = |fault| Behaviour { fault: Some(fault), once: true, ..Behaviour::default() };
    let camera = RtspCamera::start(clip(30), fault(Fault::StallAfter(7))).unwrap();
    let times = |frames: &[(u8, Vec<u8>)]| {
        let rtp = frames.iter().filter(|(channel, _)| *channel == 0);
        rtp.map(|(_, packet)| packet[4..8].to_vec()).collect::<BTreeSet<_>>().len()
    };
    assert_eq!(times(&Client::new(&camera).play()), 7);
    assert_eq!(times(&Client::new(&camera).play()), 30, "`once` is over");
    camera.set(fault(Fault::CloseAfter(3)));
    assert_eq!(times(&Client::new(&camera).play()), 3);
    camera.set(fault(Fault::NoAnswer("DESCRIBE")));
    let mut client = Client::new(&camera);
    assert!(!client.ask("OPTIONS", "", "").is_empty());
    assert!(client.ask("DESCRIBE", "", "").is_empty());
    camera.set(fault(Fault::Loss { every: 4 }));
    let frames = Client::new(&camera).play();
    let rtp = frames.iter().filter(|(channel, _)| *channel == 0);
    let numbers: Vec<_> = rtp.map(|(_, p)| u16::from_be_bytes([p[2], p[3]])).collect();
    let gaps = numbers.windows(2).filter(|two| two[1].wrapping_sub(two[0]) != 1).count();
    assert_eq!(gaps, numbers.len() / 3 - usize::from(numbers.len().is_multiple_of(3)));
}

#[test]
fn a_camera_dies_though_nobody_reads_it_and_returns_at_its_address() {
    let end = Behaviour { end: End::Loop, ..Behaviour::default() };
    let camera = RtspCamera::start(clip(100), end).unwrap();
    let mut idle = Client::new(&camera);
    idle.ask("SETUP", "/trackID=1", "Transport: RTP/AVP/TCP\r\n");
    idle.ask("PLAY", "", "Session: 20260101\r\n");
    let mut sent = usize::MAX;
    while std::mem::replace(&mut sent, camera.units_sent()) != camera.units_sent() {
        thread::sleep(Duration::from_millis(50)); // until its write blocks
    }
    camera.kill();
    assert!(TcpStream::connect(camera.addr()).is_err());
    assert_eq!(camera.open_connections(), 0);
    camera.restart().unwrap();
    assert!(Client::new(&camera).ask("OPTIONS", "", "").contains("PLAY"));
    assert_eq!(camera.connections(), 2);
}
