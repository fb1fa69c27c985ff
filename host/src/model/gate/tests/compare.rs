use crate::model::gate::batch::{Batching, join, split};
use crate::model::gate::compare::{Precision, compare, half_to_real};
use crate::model::gate::probe::real_to_half;
use crate::model::tensor::{Array, Values};

fn real(shape: &[usize], value: impl Fn(usize) -> f32) -> Array {
    let many = shape.iter().product();
    Array { shape: shape.to_vec(), values: Values::F32((0..many).map(value).collect()) }
}

/// Box corners up to 640 and scores up to 1 in one tensor, as YOLOv8 has them.
fn boxes(off: impl Fn(usize, f32) -> f32) -> Array {
    real(&[1, 6, 200], |at| {
        let (row, place) = (at / 200, at % 200);
        let wave = ((at * 37 % 101) as f32 / 101.0).abs();
        let value = if row < 4 { 640.0 * wave } else { wave };
        off(row * 1000 + place, value)
    })
}

#[test]
fn a_wrong_score_is_not_hidden_by_large_corners() {
    let right = boxes(|_, value| value);
    // A tenth of a score is a 6,400th of the largest corner.
    let wrong = boxes(|at, value| if at == 5077 { value + 0.1 } else { value });
    let differs = compare(&right, &wrong, Precision::Full).unwrap_err();
    assert!(differs.why.contains("[0, 5, 77]"), "{}", differs.why);
    assert!(compare(&right, &boxes(|_, value| value * 1.0005), Precision::Full).is_ok());
    assert!(compare(&right, &boxes(|_, value| value * 1.005), Precision::Full).is_err());
    let apart = compare(&right, &boxes(|_, value| value * 1.005), Precision::Half).unwrap();
    assert!(apart.relative > 4e-3 && apart.relative < 6e-3, "{apart:?}");
}

#[test]
fn cancellation_to_near_zero_is_no_error() {
    let right = real(&[1, 1000], |at| if at == 500 { 1e-9 } else { 1.0 });
    assert!(
        compare(&right, &real(&[1, 1000], |at| if at == 500 { 1e-6 } else { 1.0 }), Precision::Full).is_ok()
    );
    let zeros = real(&[4], |_| 0.0);
    assert!(compare(&zeros, &real(&[4], |_| 1e-8), Precision::Full).is_ok());
    assert!(compare(&zeros, &real(&[4], |_| 1e-3), Precision::Full).is_err());
}

#[test]
fn what_is_no_number_must_be_none_on_both_sides() {
    let odd = real(&[3], |at| [1.0, f32::NAN, f32::INFINITY][at]);
    assert!(compare(&odd, &odd.clone(), Precision::Full).is_ok());
    let right = real(&[3], |_| 1.0);
    for (wants, has) in
        [(&right, &odd), (&odd, &right), (&odd, &real(&[3], |at| [1.0, f32::NAN, f32::NEG_INFINITY][at]))]
    {
        assert!(compare(wants, has, Precision::Full).is_err());
    }
}

#[test]
fn shapes_and_types_must_be_the_same() {
    let right = real(&[2, 3], |_| 1.0);
    let differs = compare(&right, &real(&[3, 2], |_| 1.0), Precision::Full).unwrap_err();
    assert_eq!(differs.why, "it is 3x2, the reference's is 2x3");
    let other = Array { shape: vec![2, 3], values: Values::I32(vec![1; 6]) };
    assert_eq!(
        compare(&right, &other, Precision::Full).unwrap_err().why,
        "it is int32, the reference's is float32"
    );
}

#[test]
fn whole_numbers_are_equal_but_for_a_few_ties() {
    let mask = |wrong: usize| {
        let value = |at| if at < wrong { 9 } else { 1 };
        Array { shape: vec![100, 100], values: Values::I64((0..10_000).map(value).collect()) }
    };
    assert!(compare(&mask(0), &mask(10), Precision::Full).is_ok());
    assert!(compare(&mask(0), &mask(11), Precision::Full).is_err());
    assert!(compare(&mask(0), &mask(100), Precision::Half).is_ok());
    let one = |class| Array { shape: vec![1], values: Values::I64(vec![class]) };
    assert_eq!(
        compare(&one(3), &one(4), Precision::Full).unwrap_err().why,
        "1 of 1 of its values differ; at [0] it is 4 where the reference's is 3"
    );
    let quantised = |step: u8, many: usize| {
        let value = |at| if at < many { 7 + step } else { 7 };
        Array { shape: vec![1000], values: Values::U8((0..1000).map(value).collect()) }
    };
    assert!(compare(&quantised(0, 0), &quantised(1, 10), Precision::Full).is_ok());
    assert!(compare(&quantised(0, 0), &quantised(1, 11), Precision::Full).is_err());
    assert!(compare(&quantised(0, 0), &quantised(2, 2), Precision::Full).is_err());
    let large = |value| Array { shape: vec![1], values: Values::U64(vec![value]) };
    assert!(compare(&large(u64::MAX), &large(u64::MAX), Precision::Full).is_ok());
    assert!(compare(&large(u64::MAX), &large(u64::MAX - 1), Precision::Full).is_err());
}

#[test]
fn empty_outputs_agree() {
    let none = real(&[0, 6], |_| 0.0);
    assert!(compare(&none, &none.clone(), Precision::Full).is_ok());
    assert!(compare(&none, &real(&[1, 6], |_| 0.0), Precision::Full).is_err());
}

#[test]
fn half_precision_goes_there_and_back() {
    for bits in 0..=u16::MAX {
        let value = half_to_real(bits);
        if !value.is_nan() {
            assert_eq!(real_to_half(value), bits, "{value}");
        }
    }
    assert_eq!(half_to_real(0x3c00), 1.0);
    assert_eq!(half_to_real(0xc000), -2.0);
    assert_eq!(half_to_real(0x0001), 5.960_464_477_539_063e-8);
    assert_eq!(half_to_real(0x7bff), 65504.0);
}

#[test]
fn what_is_joined_can_be_split() {
    let one = |seed: usize| {
        vec![
            real(&[1, 2, 3], |at| (seed * 10 + at) as f32),
            Array { shape: vec![2], values: Values::Bool(vec![seed == 1, false]) },
        ]
    };
    let (a, b, c) = (one(0), one(1), one(2));
    let joined = join(&[&a, &b, &c]).unwrap();
    assert_eq!(joined[0].shape, [3, 2, 3]);
    assert_eq!(joined[1].shape, [6]);
    assert_eq!(split(joined, 3).unwrap(), [a.clone(), b, c]);
    let other = vec![real(&[1, 3, 2], |_| 0.0), a[1].clone()];
    assert!(join(&[&a, &other]).is_none());
    assert!(split(vec![real(&[4, 2], |_| 0.0)], 3).is_none());
    assert!(split(vec![real(&[], |_| 0.0)], 2).is_none());
    assert!(join(&[&[real(&[], |_| 0.0)], &[real(&[], |_| 0.0)]]).is_none());
}

#[test]
fn pictures_are_put_together_only_where_it_gains() {
    let best = |measured: &[(usize, f64)]| Batching::best(measured.iter().copied()).unwrap().best;
    assert_eq!(best(&[(1, 10.0), (2, 12.0), (4, 16.0), (8, 40.0)]), 4);
    assert_eq!(best(&[(1, 10.0), (2, 19.0), (4, 38.0)]), 1);
    assert!(Batching::best([(2, 1.0)]).is_none());
}
