//! External data.

use std::fs;

use super::*;

/// The small model, its weights in `location`, and a folder to read it in.
fn model(location: &str, offset: Option<&str>, length: Option<&str>) -> ModelProto {
    let mut model = small();
    let tensor = &mut graph_of(&mut model).initializer[0];
    tensor.raw_data = Bytes::new();
    tensor.data_location = 1;
    let entries = [("location", Some(location)), ("offset", offset), ("length", length)];
    tensor.external_data = entries
        .into_iter()
        .filter_map(|(key, value)| {
            Some(StringStringEntryProto { key: key.to_owned(), value: value?.to_owned() })
        })
        .collect();
    model
}

fn weights() -> Vec<u8> {
    [0.25f32, 0.5, 1.0, 2.0, 4.0, 8.0].iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("model")).unwrap();
    fs::write(folder.path().join("secret"), weights()).unwrap();
    folder
}

fn refused_in(folder: &tempfile::TempDir, model: &ModelProto) -> String {
    let error = Graph::read(model.encode_to_vec().into(), &folder.path().join("model"));
    error.expect_err("it should have been refused").to_string()
}

#[test]
fn external_data_are_read_in() {
    let folder = folder();
    let inside = folder.path().join("model");
    fs::create_dir(inside.join("parts")).unwrap();
    fs::write(inside.join("parts/w.bin"), [&[9; 16][..], &weights(), &[9; 5]].concat()).unwrap();
    for (location, length) in [("parts/w.bin", Some("24")), ("./parts/w.bin", None)] {
        let model = model(location, Some("16"), length);
        let graph = Graph::read(model.encode_to_vec().into(), &inside).unwrap();
        let tensor = &graph.main().initializer[0];
        assert_eq!((tensor.data_location, tensor.external_data.len()), (0, 0));
        assert_eq!(tensor.raw_data, weights());
    }
}

#[test]
fn tensors_of_one_file_share_one_read() {
    let folder = folder();
    let inside = folder.path().join("model");
    fs::write(inside.join("w"), [weights(), weights()].concat()).unwrap();
    let mut model = model("w", Some("24"), Some("24"));
    let mut second = graph_of(&mut model).initializer[0].clone();
    second.name = "v".to_owned();
    second.external_data[1].value = "0".to_owned();
    graph_of(&mut model).initializer.push(second);
    let graph = Graph::read(model.encode_to_vec().into(), &inside).unwrap();
    let [w, v] = &graph.main().initializer[..] else { panic!("two tensors") };
    assert_eq!(v.raw_data.as_ptr() as usize + 24, w.raw_data.as_ptr() as usize);
}

#[test]
fn missing_external_data_are_named() {
    let text = refused_in(&folder(), &model("model.onnx.data", None, None));
    assert_eq!(
        text,
        "tensor `w`: external data `model.onnx.data` are missing; put the file beside the model, under that name"
    );
}

#[test]
fn external_data_stay_in_the_models_folder() {
    let folder = folder();
    let secret = folder.path().join("secret");
    for location in ["../secret", secret.to_str().unwrap(), "a/../../secret", "/etc/passwd", "..\\secret"] {
        let text = refused_in(&folder, &model(location, None, None));
        assert!(text.contains("lie outside the model's folder"), "{text}");
    }
    assert!(refused_in(&folder, &model("", None, None)).ends_with("names no file"));
}

#[cfg(unix)]
#[test]
fn a_link_out_of_the_models_folder_is_not_followed() {
    let folder = folder();
    let inside = folder.path().join("model");
    std::os::unix::fs::symlink(folder.path().join("secret"), inside.join("w")).unwrap();
    assert!(refused_in(&folder, &model("w", None, None)).contains("a link out of the model's folder"));
    std::os::unix::fs::symlink(folder.path(), inside.join("up")).unwrap();
    assert!(
        refused_in(&folder, &model("up/secret", None, None)).contains("a link out of the model's folder")
    );
    // A link within it is.
    fs::write(inside.join("real"), weights()).unwrap();
    std::os::unix::fs::symlink(inside.join("real"), inside.join("link")).unwrap();
    Graph::read(model("link", None, None).encode_to_vec().into(), &inside).unwrap();
}

#[test]
fn external_data_are_regular_files() {
    let folder = folder();
    assert!(refused_in(&folder, &model(".", None, None)).contains("are not a file"));
    assert!(refused_in(&folder, &model("nul\0l", None, None)).contains("`nul\\u{0}l`"));
}

#[test]
fn offsets_and_lengths_stay_inside_the_file() {
    let folder = folder();
    fs::write(folder.path().join("model/w"), weights()).unwrap();
    let said = |offset: &str, length: &str| refused_in(&folder, &model("w", Some(offset), Some(length)));
    assert_eq!(said("1", "24"), "tensor `w`: bytes 1 to 25 of external data `w` are wanted, but that has 24");
    assert!(said("18446744073709551615", "24").contains("are wanted, but that has 24"));
    assert!(said("0", "23").contains("says its external data are 23 bytes, but its shape takes 24"));
    assert!(said("-1", "24").contains("says `offset` `-1` of its external data, which is no size"));
    assert!(said("0", "99999999999999999999").contains("which is no size"));
}

#[test]
fn a_declared_tensor_of_many_gigabytes_reads_nothing() {
    let folder = folder();
    // Sparse: takes no room on the disk.
    let file = fs::File::create(folder.path().join("model/w")).unwrap();
    file.set_len(5 << 30).unwrap();
    let mut huge = model("w", None, None);
    graph_of(&mut huge).initializer[0].dims = vec![5 << 20, 256];
    assert_eq!(refused_in(&folder, &huge), "its external data are larger than 2 GiB");
}
