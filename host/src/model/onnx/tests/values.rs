//! Tensors as arrays and back.

use super::*;
use crate::model::tensor::{Array, Values};

fn arrays() -> Vec<Array> {
    let values = [
        Values::F32(vec![-1.5, 0.0, f32::MAX]),
        Values::F16(vec![0x3c00, 0xbc00, 0x0001]),
        Values::F64(vec![-1.5, 0.0, f64::MIN_POSITIVE]),
        Values::I8(vec![-128, 0, 127]),
        Values::I16(vec![i16::MIN, -1, i16::MAX]),
        Values::I32(vec![i32::MIN, -1, i32::MAX]),
        Values::I64(vec![i64::MIN, -1, i64::MAX]),
        Values::U8(vec![0, 128, 255]),
        Values::U16(vec![0, 1, u16::MAX]),
        Values::U32(vec![0, 1, u32::MAX]),
        Values::U64(vec![0, 1, u64::MAX]),
        Values::Bool(vec![true, false, true]),
    ];
    values.into_iter().map(|values| Array { shape: vec![1, 3], values }).collect()
}

#[test]
fn arrays_of_every_type_come_back_from_raw_bytes() {
    for array in arrays() {
        let tensor = tensor_of("t", &array);
        assert_eq!((tensor.name.as_str(), &tensor.dims[..]), ("t", &[1, 3][..]));
        assert_eq!(element_of(tensor.data_type), Some(array.values.element()));
        assert_eq!(array_of(&tensor).unwrap(), array);
    }
}

#[test]
fn arrays_of_every_type_come_back_from_lists_of_numbers() {
    for array in arrays() {
        let mut tensor = tensor_of("t", &array);
        tensor.raw_data = Bytes::new();
        match &array.values {
            Values::F32(values) => tensor.float_data = values.clone(),
            Values::F64(values) => tensor.double_data = values.clone(),
            Values::F16(values) | Values::U16(values) => {
                tensor.int32_data = values.iter().map(|value| i32::from(*value)).collect();
            }
            Values::I8(values) => tensor.int32_data = values.iter().map(|value| i32::from(*value)).collect(),
            Values::I16(values) => tensor.int32_data = values.iter().map(|value| i32::from(*value)).collect(),
            Values::U8(values) => tensor.int32_data = values.iter().map(|value| i32::from(*value)).collect(),
            Values::Bool(values) => {
                tensor.int32_data = values.iter().map(|value| i32::from(*value)).collect();
            }
            Values::I32(values) => tensor.int32_data = values.clone(),
            Values::I64(values) => tensor.int64_data = values.clone(),
            Values::U32(values) => {
                tensor.uint64_data = values.iter().map(|value| u64::from(*value)).collect();
            }
            Values::U64(values) => tensor.uint64_data = values.clone(),
        }
        // Through a file, whose lists are packed.
        let tensor = TensorProto::decode(&tensor.encode_to_vec()[..]).unwrap();
        assert_eq!(array_of(&tensor).unwrap(), array);
    }
}

#[test]
fn empty_tensors_and_single_numbers_have_arrays() {
    let one = Array { shape: Vec::new(), values: Values::I64(vec![7]) };
    assert_eq!(array_of(&tensor_of("one", &one)).unwrap(), one);
    let none = Array { shape: vec![0, 4], values: Values::F32(Vec::new()) };
    assert_eq!(array_of(&tensor_of("none", &none)).unwrap(), none);
}

#[test]
fn what_has_no_array_says_why() {
    let tensor = TensorProto {
        name: "b".to_owned(),
        data_type: DataType::Bfloat16 as i32,
        dims: vec![1],
        raw_data: Bytes::from_static(&[0, 0]),
        ..TensorProto::default()
    };
    assert_eq!(
        array_of(&tensor).unwrap_err(),
        "tensor `b` is of type bfloat16, which nothing here computes with"
    );
    let tensor = TensorProto { dims: vec![1 << 40], ..tensor };
    assert!(array_of(&tensor).unwrap_err().starts_with("tensor `b` has an axis of"));
}
