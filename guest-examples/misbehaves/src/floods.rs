//! More, longer and worse than anybody wants.

use transom_sdk::{Color, Detection, Event, EventError, Point, Region, log, marks, metrics};

/// Every event here must be refused, each for its own reason.
pub(crate) fn bad_events() -> Result<(), String> {
    let long = "n".repeat(65);
    for name in ["", "Person", "has space", "ü", long.as_str()] {
        expect("a bad name", Event::new(name).publish(), |e| matches!(e, EventError::BadName(_)))?;
    }
    for data in ["nul", "[1", "1}{", "\u{0}"] {
        expect("bad data", Event::new("e").json("k", data).publish(), |e| {
            matches!(e, EventError::BadData(_))
        })?;
    }
    let good = Detection { label: 0, score: 0.5, region: Region::WHOLE };
    let bad = [
        Detection { score: f32::NAN, ..good },
        Detection { score: f32::INFINITY, ..good },
        Detection { region: Region { l: f32::NAN, ..good.region }, ..good },
        Detection { region: Region { h: f32::NEG_INFINITY, ..good.region }, ..good },
    ];
    for detection in &bad {
        let event = Event::new("e").detection("thing", detection, None);
        expect("a bad detection", event.publish(), |e| matches!(e, EventError::BadDetection(_)))?;
    }
    Ok(())
}

/// 256 KiB is the limit in the WIT: as data, and as detections.
pub(crate) fn large_events() -> Result<(), String> {
    let text = "x".repeat(300 << 10);
    let thing = Detection { label: 0, score: 0.5, region: Region::WHOLE };
    expect("large data", Event::new("e").text("k", &text).publish(), |e| *e == EventError::TooLarge)?;
    let event = Event::new("e").detection(&text, &thing, Some(1));
    expect("a large label", event.publish(), |e| *e == EventError::TooLarge)?;
    let mut event = Event::new("e");
    for track in 0..20_000 {
        event = event.detection("thing", &thing, Some(track));
    }
    expect("20,000 detections", event.publish(), |e| *e == EventError::TooLarge)
}

/// 16 MiB of data: far above what one call may carry, so that the host may also end the plugin for it.
pub(crate) fn crossing() -> Result<(), String> {
    let text = "x".repeat(16 << 20);
    expect("16 MiB of data", Event::new("e").text("k", &text).publish(), |e| *e == EventError::TooLarge)
}

/// 10,000 in one call; the host may take some and must refuse the rest.
pub(crate) fn many_events() -> Result<(), String> {
    let refused = (0..10_000).find_map(|n| Event::new("flood").number("n", n).publish().err());
    match refused {
        Some(EventError::TooMany) => Ok(()),
        Some(other) => Err(format!("broken: a flood of events was refused as {other:?}")),
        None => Err("broken: 10,000 events were taken in one call".to_owned()),
    }
}

fn expect(
    what: &str,
    answer: Result<(), EventError>,
    wanted: impl Fn(&EventError) -> bool,
) -> Result<(), String> {
    match answer {
        Err(error) if wanted(&error) || error == EventError::TooMany => Ok(()),
        Err(error) => Err(format!("broken: {what} was refused as {error:?}")),
        Ok(()) => Err(format!("broken: {what} was taken")),
    }
}

/// Numbers that are none, far away, 10,000 of them, a polygon of 1,000 points and a text of 1 MiB.
pub(crate) fn marks() {
    let numbers = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, -1e30, 0.0, 2.0];
    for l in numbers {
        for w in numbers {
            let at = Region { l, t: w, w, h: l };
            marks::rectangle(at, "odd", Color::WHITE);
            marks::line(Point { x: l, y: w }, Point { x: w, y: l }, Color::WHITE);
            marks::label(Point { x: l, y: w }, "odd", Color::WHITE);
        }
    }
    for points in [0, 1, 2, 1_000] {
        marks::polygon(&vec![Point { x: 0.5, y: 0.5 }; points], Color::WHITE);
    }
    marks::label(Point { x: 0.1, y: 0.1 }, &"long ".repeat(200_000), Color::WHITE);
    for n in 0..10_000 {
        marks::rectangle(Region::WHOLE, "many", Color::of(n));
    }
}

/// Twenty level lines, all over the picture.
pub(crate) fn paint() {
    for n in 0..20 {
        let y = n as f32 / 20.0;
        marks::line(Point { x: 0.0, y }, Point { x: 1.0, y }, Color { r: 255, g: 0, b: 255 });
    }
}

/// Bad names and values, then 10,000 good names.
pub(crate) fn metrics() {
    for name in ["", "Upper", "has space", "new\nline", "a{b=\"c\"}", &"n".repeat(65)] {
        metrics::add(name, 1.0);
        metrics::set(name, 1.0);
    }
    for value in [f64::NAN, f64::INFINITY, -1.0] {
        metrics::add("odd", value);
        metrics::set("odd", value);
    }
    for n in 0..10_000 {
        metrics::add(&format!("flood_{n}"), 1.0);
    }
}

/// What would fool a terminal or a line reader, a line of 1 MiB, then 10,000 lines.
pub(crate) fn log() {
    log::write(log::Level::Warn, "two\nlines\r\u{1b}[31mred\u{0}");
    log::write(log::Level::Error, &"long ".repeat(200_000));
    for n in 0..10_000 {
        transom_sdk::info!("line {n}");
    }
}

/// As `log`, on standard output and error, whose lines become log lines; the last has no end.
pub(crate) fn print() {
    println!("printed: out");
    eprintln!("printed: err\u{1b}[31m");
    println!("{}", "long ".repeat(200_000));
    for n in 0..10_000 {
        println!("line {n}");
    }
    print!("no end");
}
