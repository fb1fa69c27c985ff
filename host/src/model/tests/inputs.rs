use super::*;

const RAW: &str = "read = \"raw\"";

/// RGB of the frame's Y with U 100 and V 160, BT.601 full range.
fn rgb(y: u8) -> [f32; 3] {
    let y = f32::from(y);
    [y + 1.402 * 32.0, y + 0.344_136 * 28.0 - 0.714_136 * 32.0, y - 1.772 * 28.0]
        .map(|value| value.clamp(0.0, 255.0))
}

#[test]
fn pixels_arrive_normalised_in_every_layout() {
    let frame = frame(8, 6, |x, y| (40 + x * 20 + y * 3) as u8);
    let norm = "scale = 0.5\nmean = [10.0, 20.0, 30.0]\nstd = [2.0, 4.0, 8.0]";
    for (onnx, extra, swap, nhwc) in [
        ("echo.onnx", "", false, false),
        ("echo.onnx", "channels = \"bgr\"", true, false),
        ("dynamic.onnx", "", false, false),
        ("echo-nhwc.onnx", "layout = \"nhwc\"\nchannels = \"bgr\"", true, true),
    ] {
        let got = values(&load(onnx, &format!("{norm}\n{extra}"), RAW), &frame);
        for (at, y) in frame.planes.yuv()[0].iter().enumerate() {
            let mut wanted = rgb(*y);
            if swap {
                wanted.reverse();
            }
            for channel in 0..3 {
                let value = got[if nhwc { at * 3 + channel } else { channel * 48 + at }];
                let mean = [10.0, 20.0, 30.0][channel];
                let std = [2.0, 4.0, 8.0][channel];
                let wanted = (wanted[channel] * 0.5 - mean) / std;
                assert!((value - wanted).abs() <= 0.55 / std, "{onnx} {extra}: {value} {wanted}");
            }
        }
    }
}

#[test]
fn bytes_arrive_as_they_are() {
    let frame = frame(8, 6, |x, _| 60 + x as u8);
    let got = values(&load("bytes.onnx", "type = \"uint8\"", RAW), &frame);
    let wanted = rgb(63);
    for channel in 0..3 {
        assert!((got[channel * 48 + 3] - wanted[channel]).abs() <= 1.0, "{got:?}");
    }
}

#[test]
fn letterbox_bars_have_the_grey_asked_for() {
    let frame = frame(8, 3, |_, _| 200);
    let got = values(&load("echo.onnx", "fit = \"letterbox\"\npad = 51", RAW), &frame);
    assert!((got[0] - 0.2).abs() < 1e-6 && (got[47] - 0.2).abs() < 1e-6);
    assert!(got[24] > 0.7);
}
