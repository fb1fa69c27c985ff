use crate::model::gate::{Batched, Report, Row, Standing};

fn row(backend: &str, version: &str, device: &str, standing: Standing, reason: &str) -> Row {
    Row {
        backend: backend.to_owned(),
        version: version.to_owned(),
        device: device.to_owned(),
        kind: "cpu".to_owned(),
        standing,
        chosen: false,
        load_ms: None,
        max_error: None,
        max_difference: None,
        bound: 1e-3,
        median_ms: None,
        p95_ms: None,
        runs: 0,
        memory_bytes: None,
        batches: Vec::new(),
        reason: reason.to_owned(),
    }
}

pub(super) fn report() -> Report {
    let timed = |mut row: Row, median: f64| {
        (row.load_ms, row.median_ms, row.p95_ms) = (Some(120.5), Some(median), Some(median + 0.25));
        (row.runs, row.memory_bytes) = (20, Some(33 << 20));
        row
    };
    let ort = timed(row("onnxruntime", "1.31.1", "cpu", Standing::Reference, "takes 4.4 times as long"), 4.1);
    let mut rten = timed(row("rten", "0.27.0", "cpu", Standing::Agrees, "takes 5.3 times as long"), 4.9);
    rten.max_error = Some(2.1e-6);
    let mut wonnx =
        timed(row("wonnx", "0.5.1, driver 570.86", "NVIDIA H200 (Vulkan)", Standing::Agrees, ""), 0.93);
    (wonnx.max_error, wonnx.chosen) = (Some(1.3e-5), true);
    wonnx.batches = [(1, 0.93), (2, 1.2), (4, 1.8), (8, 3.1)]
        .map(|(pictures, median_ms)| Batched { pictures, median_ms })
        .to_vec();
    let mut soft = row(
        "wonnx",
        "0.5.1",
        "llvmpipe (LLVM 15.0.7, 256 bits) on a machine with a long name (Vulkan)",
        Standing::Wrong,
        "noise 1: output `boxes`: 12.30 % of its values are off by more than 0.001 of their size; the worst is \
         0.9120 at [0, 5, 77] where the reference's is 0.0213",
    );
    (soft.load_ms, soft.max_error) = (Some(212.0), Some(0.89));
    let remote = row(
        "remote",
        "",
        "grpc://10.0.0.7:8001",
        Standing::Lost,
        "it took longer than 20s to answer noise 1",
    );
    Report {
        model: "person".to_owned(),
        digest: "71731c96251fa9cc9e98ee3e744df9c2c887a84cd8344cb915618a17f7a8a33b".to_owned(),
        probes: vec!["noise 1".to_owned()],
        rows: vec![ort, rten, wonnx, soft, remote],
        notes: vec![
            "Compared with onnxruntime on cpu, the most trusted of those that run it, on a natural picture, noise, \
             streaks and black."
                .to_owned(),
        ],
        remembered: false,
    }
}

#[test]
fn the_page_is_one_a_user_would_show_a_friend() {
    let text = report().text();
    assert_eq!(text, include_str!("page.txt"), "\n{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 100 && line.trim_end() == line));
}

#[test]
fn the_report_is_json_and_back() {
    let report = report();
    let text = serde_json::to_string(&report).unwrap();
    assert_eq!(serde_json::from_str::<Report>(&text).unwrap(), report);
}

#[test]
fn long_words_and_no_rows_do_not_break_the_page() {
    let mut report = report();
    report.rows.truncate(1);
    report.rows[0].reason = "x".repeat(1000);
    report.rows[0].device = "é".repeat(1000);
    assert!(report.text().lines().all(|line| line.chars().count() <= 100));
    report.rows.clear();
    assert!(report.text().contains("no back end runs it"));
}
