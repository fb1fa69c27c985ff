//! The last word before anything is written: each step is of a form that the tests prove right on wonnx 0.5.1,
//! with attributes and sizes in the range they prove. What `operators` and `build` make is so already; a
//! mistake in them ends here.

use super::build::{Attribute, Building, Id, Origin, Step, Window};
use super::dispatch::{
    MOST_BUFFERS, MOST_BYTES, MOST_GROUPS, MOST_ROUNDS, MOST_THREADS, matrix_3, reached, threads,
};
use super::fault::Fault;
use super::write::needed;

pub(super) fn check(build: &Building, wanted: &[Id]) -> Result<(), String> {
    for index in needed(build, wanted) {
        let step = &build.steps[index];
        let within = |why: String| format!("{}: as {} on wonnx, {why}", step.maker, step.operator);
        buffers(build, step).map_err(within)?;
        form(build, step).map_err(within)?;
    }
    Ok(())
}

fn count(build: &Building, id: Id) -> usize {
    build.count(id)
}

fn buffers(build: &Building, step: &Step) -> Result<(), String> {
    if step.inputs.len() + 1 > MOST_BUFFERS {
        return Err(format!("it would have {} buffers; {MOST_BUFFERS} is the most", step.inputs.len() + 1));
    }
    for id in step.inputs.iter().chain([&step.output]) {
        let bytes = count(build, *id).saturating_mul(4);
        // Weights of 3x3 are spaced out by a third.
        let bytes = if step.operator.starts_with("Conv") { bytes / 3 * 4 } else { bytes };
        if bytes > MOST_BYTES {
            return Err(format!(
                "a value of {} MiB is more than the {} MiB one buffer may have",
                bytes >> 20,
                MOST_BYTES >> 20
            ));
        }
        let value = &build.values[id.0];
        if count(build, *id) == 0 {
            return Err("a value is empty".to_owned());
        }
        let integers = matches!((step.operator, id), ("Cast" | "Flatten", _) | ("Gather", _));
        if !value.float && !integers {
            return Err("it would compute with integers".to_owned());
        }
    }
    Ok(())
}

fn groups(items: usize, of: usize) -> Result<(), String> {
    let groups = items.div_ceil(of);
    if groups > MOST_GROUPS {
        return Err(format!("{groups} groups of threads are needed; {MOST_GROUPS} is the most"));
    }
    Ok(())
}

fn rounds(build: &Building, rounds: usize) -> Result<(), String> {
    if rounds > MOST_ROUNDS && !build.broken(Fault::Rounds) {
        return Err(format!("a thread would go round {rounds} times; {MOST_ROUNDS} is the most"));
    }
    Ok(())
}

/// For shaders that do not look where they write.
fn exact(items: usize) -> Result<(), String> {
    if reached(items) != items {
        return Err(format!("{items} threads cannot be divided evenly"));
    }
    if threads(items) > MOST_THREADS {
        return Err(format!("{items} threads are more than can be started"));
    }
    Ok(())
}

fn ints<'a>(step: &'a Step, name: &str) -> Option<&'a [i64]> {
    step.attributes.iter().find(|(known, _)| *known == name).and_then(|(_, value)| match value {
        Attribute::Ints(values) => Some(values.as_slice()),
        _ => None,
    })
}

fn floats<'a>(step: &'a Step, name: &str) -> Option<&'a Attribute> {
    step.attributes.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
}

fn wrong<T>(why: &str) -> Result<T, String> {
    Err(format!("{why}, which is not known to be right"))
}

fn form(build: &Building, step: &Step) -> Result<(), String> {
    let shape = |index: usize| build.shape(step.inputs[index]);
    let output = build.shape(step.output);
    let total: usize = output.iter().product();
    match (step.operator, step.inputs.len()) {
        ("Flatten", 1) => Ok(()),
        (
            "Relu" | "Sigmoid" | "Tanh" | "Exp" | "Log" | "Sqrt" | "Abs" | "Neg" | "Floor" | "Ceil" | "Round"
            | "Sign" | "Reciprocal" | "Softsign" | "Elu" | "Celu" | "LeakyRelu" | "Clip" | "Cast",
            1,
        )
        | ("Add" | "Sub" | "Mul" | "Div" | "PRelu", 2) => {
            if step.inputs.iter().any(|id| build.shape(*id) != output) {
                return wrong("its inputs and its output are not of one shape");
            }
            for name in ["min", "max"] {
                if let Some(Attribute::Floats(bounds)) = floats(step, name) {
                    let whole =
                        bounds.iter().all(|b| format!("{b:.1}").parse::<f32>().is_ok_and(|r| r == *b));
                    if !whole && !build.broken(Fault::ClipBounds) {
                        return wrong("a bound has more than one decimal");
                    }
                }
            }
            if build.broken(Fault::Reach) { Ok(()) } else { exact(total.div_ceil(4)) }
        }
        ("Softplus", 1) if build.broken(Fault::Softplus) => Ok(()),
        ("Conv" | "ConvRelu", 2 | 3) => convolution(build, step),
        ("MaxPool" | "AveragePool", 1) => {
            let [_, channels, _, _] = shape(0) else { return wrong("its input has not four axes") };
            let Some([high, wide]) = ints(step, "kernel_shape") else {
                return wrong("its window has not two axes");
            };
            rounds(build, (*high as usize) * (1 + *wide as usize))?;
            groups(total, if channels.is_multiple_of(4) { 1024 } else { 256 })
        }
        ("Concat", 2..) => {
            if step.inputs.iter().any(|id| build.shape(*id).len() != 1) {
                return wrong("its inputs have more than one axis");
            }
            Ok(())
        }
        ("Transpose", 1) => groups(total, 256),
        ("Gather", 2) => {
            let ([_, across], Origin::Indices(indices)) = (shape(0), &build.values[step.inputs[1].0].origin)
            else {
                return wrong("it does not take rows of a matrix by constants");
            };
            let step = if across.is_multiple_of(4) {
                4
            } else if across.is_multiple_of(2) {
                2
            } else {
                1
            };
            exact(indices.len())?;
            exact(across / step)?;
            if threads(indices.len()) * threads(across / step) > MOST_THREADS {
                return Err("too many threads are needed".to_owned());
            }
            Ok(())
        }
        ("Pad", 1) => {
            let ends = ints(step, "pads").unwrap_or_default();
            let ends = &ends[ends.len() / 2..];
            if ends.iter().any(|end| *end > 1) && !build.broken(Fault::PadEnds) {
                return wrong("it is told of more than one place behind");
            }
            groups(total, 256)
        }
        ("Resize", 1) => {
            let whole = output.iter().zip(shape(0)).all(|(output, input)| output.is_multiple_of(*input));
            if !whole && !build.broken(Fault::NearestMap) {
                return wrong("its factors are not whole");
            }
            groups(total, 256)
        }
        ("MatMul", 2) => {
            let ([stack, rows, inner], [_, _, columns]) = (shape(0), shape(1)) else {
                return wrong("its inputs are not stacks of matrices");
            };
            if [rows, inner, columns].iter().any(|size| !size.is_multiple_of(4)) {
                return wrong("its sizes are not multiples of four");
            }
            rounds(build, inner / 4)?;
            let blocks = rows * columns / 16;
            exact(blocks)?;
            exact(*stack)?;
            if threads(blocks) * threads(*stack) > MOST_THREADS {
                return Err("too many threads are needed".to_owned());
            }
            Ok(())
        }
        ("Softmax", 1) => {
            let [left, size, right] = shape(0) else { return wrong("its input has not three axes") };
            rounds(build, 3 * size)?;
            exact(*left)?;
            exact(*right)?;
            if threads(*left) * threads(*right) > MOST_THREADS {
                return Err("too many threads are needed".to_owned());
            }
            Ok(())
        }
        (_, inputs) => wrong(&format!("it has {inputs} inputs")),
    }
}

fn convolution(build: &Building, step: &Step) -> Result<(), String> {
    let total = build.count(step.output);
    let ([_, channels, _, _], [outputs, of_group, ..]) =
        (build.shape(step.inputs[0]), build.shape(step.inputs[1]))
    else {
        return wrong("its input or its weights have not four axes");
    };
    let group = channels / (*of_group).max(1);
    let pair = |name: &str| match ints(step, name) {
        Some([one, other]) => Some([usize::try_from(*one).ok()?, usize::try_from(*other).ok()?]),
        _ => None,
    };
    let (Some(kernel), Some(strides), Some(dilations)) =
        (pair("kernel_shape"), pair("strides"), pair("dilations"))
    else {
        return wrong("its window has not two axes");
    };
    let pads = ints(step, "pads").unwrap_or_default();
    if pads.iter().any(|pad| *pad < 0) || pads.len() != 4 {
        return wrong("its pads are negative");
    }
    let window = Window { kernel, strides, dilations, pads: [0, 0], size: [0, 0] };
    let constant = matches!(build.values[step.inputs[1].0].origin, Origin::Floats(_));
    let told = step.attributes.iter().any(|(name, _)| *name == "auto_pad");
    if matrix_3(&window, group, *outputs) {
        let broken = build.broken(Fault::Bias) || build.broken(Fault::MatrixPads);
        if (!constant || told || step.inputs.len() != 3) && !broken {
            return wrong("its 3x3 weights would not be spaced out");
        }
    } else if (!told || pads == [1, 1, 1, 1]) && !build.broken(Fault::MatrixPads) {
        return wrong("its weights might be spaced out");
    }
    let one_by_one = kernel == [1, 1] && group == *channels;
    if !(constant || one_by_one) {
        return wrong("its weights vary");
    }
    let in_all = if kernel == [1, 1]
        && of_group.is_multiple_of(16)
        && group == 1
        && outputs.is_multiple_of(4)
        && strides == [1, 1]
        && pads == [0, 0, 0, 0]
    {
        of_group / 16 * 5
    } else {
        of_group * (1 + kernel[0] * (1 + kernel[1]))
    };
    rounds(build, in_all)?;
    // The shaders that make four channels at once need fewer groups than this.
    groups(total, 256)
}
