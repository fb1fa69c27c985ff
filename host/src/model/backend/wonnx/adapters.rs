//! Which graphics adapters there are. Asked for in a worker: loading a graphics driver may crash.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::backend::DeviceKind;
use crate::model::worker::{Kind, Message, Process, Worker};

/// Loading every driver of a machine.
const LONGEST: Duration = Duration::from_secs(30);

/// An adapter as wgpu describes it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct Adapter {
    pub(super) name: String,
    /// `vulkan`, `metal` …, as `WGPU_BACKEND` spells it.
    pub(super) interface: String,
    /// `discrete`, `integrated`, `virtual`, `cpu` or `other`.
    pub(super) kind: String,
    pub(super) driver: String,
    pub(super) driver_version: String,
}

impl Adapter {
    pub(super) fn device_kind(&self) -> DeviceKind {
        // llvmpipe and its like say `cpu`; a driver that says nothing may be one.
        if self.kind == "cpu" || self.name.to_lowercase().contains("llvmpipe") {
            DeviceKind::SoftwareGpu
        } else {
            DeviceKind::Gpu
        }
    }
}

/// In the worker: the list as JSON.
pub(super) fn enumerate() -> Result<Vec<u8>, String> {
    let backends = wgpu::util::backend_bits_from_env().unwrap_or(wgpu::Backends::PRIMARY);
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor {
        backends,
        dx12_shader_compiler: wgpu::Dx12Compiler::Fxc,
    });
    let adapters: Vec<Adapter> = instance
        .enumerate_adapters(backends)
        .map(|adapter| {
            let info = adapter.get_info();
            Adapter {
                name: info.name,
                interface: match info.backend {
                    wgpu::Backend::Vulkan => "vulkan",
                    wgpu::Backend::Metal => "metal",
                    wgpu::Backend::Dx12 => "dx12",
                    wgpu::Backend::Dx11 => "dx11",
                    wgpu::Backend::Gl => "gl",
                    wgpu::Backend::BrowserWebGpu => "webgpu",
                    wgpu::Backend::Empty => "empty",
                }
                .to_owned(),
                kind: match info.device_type {
                    wgpu::DeviceType::DiscreteGpu => "discrete",
                    wgpu::DeviceType::IntegratedGpu => "integrated",
                    wgpu::DeviceType::VirtualGpu => "virtual",
                    wgpu::DeviceType::Cpu => "cpu",
                    wgpu::DeviceType::Other => "other",
                }
                .to_owned(),
                driver: info.driver,
                driver_version: info.driver_info,
            }
        })
        .collect();
    serde_json::to_vec(&adapters).map_err(|error| error.to_string())
}

/// Adapters that wonnx can be told to take, and what is to be said of the others.
pub(super) type Listed = (Vec<Adapter>, Vec<String>);

/// Asks a worker for them.
pub(super) fn find(worker: &Worker, environment: &[(&str, &str)]) -> Result<Listed, String> {
    let mut process = Process::start(worker, environment)?;
    let answer = process.ask(Message { kind: Kind::Adapters, bytes: Vec::new() }, LONGEST);
    let answer =
        answer.map_err(|refusal| format!("graphics adapters cannot be listed: {}", refusal.why()))?;
    let all: Vec<Adapter> = serde_json::from_slice(&answer)
        .map_err(|error| format!("graphics adapters cannot be listed: {error}"))?;
    if all.is_empty() {
        return Err(
            "no Vulkan device was found; install the graphics card's driver and its Vulkan loader (libvulkan1)"
                .to_owned(),
        );
    }
    Ok(reachable(&all))
}

/// wonnx takes the first adapter whose name contains what it is told, in lower case: one that comes after
/// another whose name contains its own cannot be had.
fn reachable(all: &[Adapter]) -> (Vec<Adapter>, Vec<String>) {
    let mut reachable: Vec<Adapter> = Vec::new();
    let mut notes = Vec::new();
    for (index, adapter) in all.iter().enumerate() {
        let name = adapter.name.to_lowercase();
        // Interfaces are tried apart, so only adapters of one interface stand in each other's way.
        let first = all.iter().position(|other| {
            other.interface == adapter.interface && other.name.to_lowercase().contains(&name)
        });
        if first == Some(index) {
            reachable.push(adapter.clone());
        } else {
            notes.push(format!(
                "graphics adapter {} `{}` is not used: wonnx chooses by name and finds an earlier one under it",
                index + 1,
                adapter.name
            ));
        }
    }
    (reachable, notes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn adapter(name: &str, interface: &str, kind: &str) -> Adapter {
        Adapter {
            name: name.to_owned(),
            interface: interface.to_owned(),
            kind: kind.to_owned(),
            driver: "driver".to_owned(),
            driver_version: "1".to_owned(),
        }
    }

    #[test]
    fn an_adapter_behind_one_whose_name_contains_its_own_is_left_out_and_named() {
        let all = vec![
            adapter("NVIDIA X Ti", "vulkan", "discrete"),
            adapter("NVIDIA X", "vulkan", "discrete"),
            adapter("NVIDIA X", "gl", "other"),
            adapter("llvmpipe (LLVM 15)", "vulkan", "cpu"),
            adapter("NVIDIA X Ti", "vulkan", "discrete"),
        ];
        let (found, notes) = reachable(&all);
        assert_eq!(found, [all[0].clone(), all[2].clone(), all[3].clone()]);
        assert_eq!(notes.len(), 2);
        assert!(notes[0].contains("adapter 2 `NVIDIA X`"), "{}", notes[0]);
    }

    #[test]
    fn a_device_played_by_the_processor_is_said_to_be_one() {
        assert_eq!(adapter("llvmpipe (LLVM 15)", "vulkan", "cpu").device_kind(), DeviceKind::SoftwareGpu);
        assert_eq!(adapter("LLVMPIPE", "gl", "other").device_kind(), DeviceKind::SoftwareGpu);
        assert_eq!(adapter("NVIDIA X", "vulkan", "discrete").device_kind(), DeviceKind::Gpu);
    }
}
