//! A clip small enough to be read: nine pictures of 16x16 with B pictures that others are predicted from.
//!
//! Made by `ffmpeg -f lavfi -i testsrc=size=16x16:rate=10 -frames:v 9 -pix_fmt yuv420p -c:v libx264 -bf 3
//! -x264-params b-pyramid=normal:keyint=6:scenecut=0:b-adapt=0 -bsf:v filter_units=remove_types=6 -f h264`.

use bytes::Bytes;

use super::{append, is_reference, is_slice, kind, nal_type, nal_units};
use crate::frame::AccessUnit;

/// The clip's byte stream.
pub(crate) fn stream() -> Vec<u8> {
    let digit = |at: usize| HEX.as_bytes()[at];
    let value = |digit: u8| (digit as char).to_digit(16).expect("hexadecimal digits only") as u8;
    (0..HEX.len() / 2).map(|at| value(digit(2 * at)) << 4 | value(digit(2 * at + 1))).collect()
}

/// Where the clip's pictures, in decoding order, come in display order.
pub(crate) const DISPLAY_ORDER: [usize; 9] = [0, 4, 2, 1, 3, 5, 6, 8, 7];

/// MD5 of each picture's planes in display order, as `ffmpeg -f framemd5` gives them.
pub(crate) const MD5: [&str; 9] = [
    "a21d265c9123b207a42d111f8250c334",
    "cd1aad8c845561ce57c386be25244ec0",
    "07cc39074915cae24447d57bd2a34df9",
    "5988d23a18d71cc3f818be6a7d8f50d6",
    "d0950661bf29ae0cb8b5dd1fed9c4660",
    "74464c9f63274905501205cd7099bf54",
    "31b0083e7a6dd4ad3546cfba9fdeb8b1",
    "f420ec755ffdd2b8e45311c8318bc912",
    "c6e902e12a99f131357bafd734176a44",
];

/// The clip's access units at ten pictures a second.
pub(crate) fn units() -> Vec<AccessUnit> {
    let bytes = stream();
    let mut units: Vec<AccessUnit> = Vec::new();
    let mut data = Vec::new();
    for nal in nal_units(&bytes) {
        append(&mut data, nal);
        if is_slice(nal) {
            let pts_us = DISPLAY_ORDER[units.len()] as i64 * 100_000;
            units.push(AccessUnit {
                data: Bytes::from(std::mem::take(&mut data)),
                pts_us,
                captured_at_us: 1_000_000_000 + pts_us,
                key: kind(nal) == nal_type::IDR,
                reference: is_reference(nal),
                shown: true,
                discontinuity: false,
            });
        }
    }
    units
}

const HEX: &str = "\
    000000016764000aacd95ec044000003000400000300503c4896580000000168ebe3cb22c00000016588840047f0525b\
    121af5b85e63744abe0e4c62c3bd302f801bbadac99d41cf3e5839ab8b68a736f393539283d693750eb45e31be1b65f6\
    9795d87b506a1b2bd4118ab9140ba9befa8e40e35cd49bd8fce9d8584a3c35cbb9b943b66feebc8767942e7e40e91a28\
    1d304ca21c57dd549a9200b0c986d2d983b0984e88affcbabafb3479cf069a3ad51a9f955f1a198daa99a154ffcc1ee2\
    58a1d0674a9c339571fb8a783e325cb5bb95a286e49dcc479e3cbc879b78a8b45a956f0e5e9a5d2d9b00000001419a24\
    6c425fd139dd735682a9843e951754fc37e765772d11b498f7ad631e16f4e10c72c000000001419e42788effe8810000\
    0001019e6174425feb8000000001019e636a425feb8100000001419a6549a84168994c084bffce3a00d2efd246142eaa\
    61000000016764000aacd95ec044000003000400000300503c4896580000000168ebe3cb22c00000016588820037efea\
    3454f34b4d3cd41d7ca7af639b10c81ffc93996cd429040db6e9da9f8a4ffcdf523a3b9a372aecec52a4233f425824aa\
    0a524532d1655d1aab7bd7db8bcb198fd465b593d98f8a7aaa149211a5331b36c30507ce91b3d32dfeed283dfa7533c3\
    dbeedaad5137313a1207589ef5b21b431933ebfe72daaa4adef5a76b73052e8f179b8952310842f6f8407e98f0ca7123\
    23d71634cf60a762d0eeb87e603ff3e5ea83f5fc039ffc6bf555cc769b5e62f20e2b3d6ae5447d501227c932c4fd0000\
    0001419a226c425fd139e3ef3a8cf5a73be9dfc2fb7bfb00000001019e4179097feb80";
