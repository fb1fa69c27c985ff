//! Keeps wonnx from computing the same thing several times. Its optimizer follows a value back through every
//! node with one varying input and makes all of these anew for each way it comes by; it stops where a node has
//! two. So where a value goes several ways, the convolution before it gets its bias as an input.

use super::build::{Building, Id, Origin};

pub(super) fn feed(build: &mut Building, wanted: &[Id]) {
    let mut takers = vec![0_usize; build.values.len()];
    for id in build.steps.iter().flat_map(|step| &step.inputs).chain(wanted) {
        takers[id.0] += 1;
    }
    let several: Vec<Id> = build.steps.iter().map(|step| step.output).filter(|id| takers[id.0] > 1).collect();
    for mut id in several {
        while let Origin::Step(index) = build.values[id.0].origin {
            let step = &build.steps[index];
            let varying = |id: &Id| matches!(build.values[id.0].origin, Origin::Step(_) | Origin::Input(_));
            if step.inputs.iter().filter(|id| varying(id)).count() != 1 {
                break;
            }
            if matches!(step.operator, "Conv" | "ConvRelu") && step.inputs.len() == 3 {
                build.fed.insert(index);
                break;
            }
            let Some(next) = step.inputs.iter().copied().find(varying) else { break };
            id = next;
        }
    }
}
