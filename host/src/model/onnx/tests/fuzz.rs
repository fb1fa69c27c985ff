//! Broken files, the same ones each time.

use super::*;

#[test]
fn broken_files_are_read_or_refused_and_never_panic() {
    let mut whole: Vec<Vec<u8>> = Vec::new();
    let mut names: Vec<_> = std::fs::read_dir(DATA)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "onnx"))
        .collect();
    names.sort();
    whole.extend(names.iter().map(|path| std::fs::read(path).unwrap()));
    whole.push(small().encode_to_vec());
    assert!(whole.len() > 5, "the fixtures are gone");
    let mut dice = mutate::Dice(20_261_120);
    let (mut read, mut refused) = (0, 0);
    for _ in 0..10_000 {
        let mut bytes = whole[dice.roll(whole.len())].clone();
        mutate::mutate(&mut dice, &mut bytes, &whole);
        match Graph::read(bytes.into(), Path::new("")) {
            Err(error) => {
                refused += 1;
                assert!(!error.to_string().chars().any(deceives), "{error:?}");
            }
            Ok(graph) => {
                read += 1;
                graph.facts();
                let _ = graph.ports(&[]);
                let _ = graph.guess(&Named { name: "model", file: "model.onnx", sha256: "0" });
                for tensor in &graph.main().initializer {
                    let _ = array_of(tensor);
                }
            }
        }
    }
    // Both, or the mutations are too gentle or too rough to say anything.
    assert!(read > 250 && refused > 2_500, "{read} read, {refused} refused");
}
