//! Execution providers: each way of running that the library was built with is a device of its own, so that
//! each is compared and timed by itself.

use ort::ep::{self, ExecutionProvider as _, ExecutionProviderDispatch};

use super::super::DeviceKind;

/// One way the library can run a graph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Provider {
    Cpu,
    /// `tf32`: multiplies float32 with 10 bits of mantissa, as onnxruntime does unless told not to.
    Cuda {
        device: i32,
        tf32: bool,
    },
    TensorRt {
        device: i32,
        half: bool,
    },
    /// `CPU`, `GPU`, `NPU`.
    OpenVino {
        device: &'static str,
        half: bool,
    },
}

impl Provider {
    /// All that this library may have. Whether each works on this machine shows when it loads a graph.
    pub(super) fn all() -> Vec<Provider> {
        let mut providers = vec![Provider::Cpu];
        let has = |available: ort::Result<bool>| available.unwrap_or(false);
        if has(ep::TensorRT::is_available()) {
            for device in 0..cards() {
                providers.extend([false, true].map(|half| Provider::TensorRt { device, half }));
            }
        }
        if has(ep::CUDA::is_available()) {
            for device in 0..cards() {
                providers.extend([false, true].map(|tf32| Provider::Cuda { device, tf32 }));
            }
        }
        if has(ep::OpenVINO::is_available()) {
            providers.push(Provider::OpenVino { device: "CPU", half: false });
            for device in ["GPU", "NPU"] {
                // A neural accelerator computes in float16 at best.
                providers.extend([false, true].map(|half| Provider::OpenVino { device, half }));
            }
        }
        providers.retain(|provider| *provider != Provider::OpenVino { device: "NPU", half: false });
        providers
    }

    /// Whether it calculates with less than 32 bits.
    pub(super) fn is_half(&self) -> bool {
        match self {
            Provider::Cpu => false,
            Provider::Cuda { tf32, .. } => *tf32,
            Provider::TensorRt { half, .. } | Provider::OpenVino { half, .. } => *half,
        }
    }

    /// As a device's name: `CUDA 0`, `TensorRT 0 fp16`.
    pub(super) fn name(&self) -> String {
        let with = |asked: bool, word: &'static str| if asked { word } else { "" };
        match self {
            Provider::Cpu => "cpu".to_owned(),
            Provider::Cuda { device, tf32 } => format!("CUDA {device}{}", with(*tf32, " tf32")),
            Provider::TensorRt { device, half } => format!("TensorRT {device}{}", with(*half, " fp16")),
            Provider::OpenVino { device, half } => format!("OpenVINO {device}{}", with(*half, " fp16")),
        }
    }

    pub(super) fn kind(&self) -> DeviceKind {
        match self {
            Provider::Cpu | Provider::OpenVino { device: "CPU", .. } => DeviceKind::Cpu,
            _ => DeviceKind::Gpu,
        }
    }

    /// What a session asks for; an error, not a quiet step down, where it cannot be had. `threads` is for
    /// those on the processor.
    pub(super) fn dispatch(&self, threads: usize) -> Option<ExecutionProviderDispatch> {
        let made = match self {
            Provider::Cpu => return None,
            Provider::Cuda { device, tf32 } => ep::CUDA::default()
                .with_device_id(*device)
                .with_tf32(*tf32)
                // Grow by what is asked for: doubling leaves half of a small card's memory unused.
                .with_arena_extend_strategy(ep::ArenaExtendStrategy::SameAsRequested)
                .with_conv_algorithm_search(ep::cuda::ConvAlgorithmSearch::Heuristic)
                .build(),
            Provider::TensorRt { device, half } => {
                ep::TensorRT::default().with_device_id(*device).with_fp16(*half).build()
            }
            Provider::OpenVino { device, half } => {
                let made = ep::OpenVINO::default().with_device_type(*device);
                let made = made.with_precision(if *half { "FP16" } else { "FP32" });
                if *device == "CPU" { made.with_num_threads(threads).build() } else { made.build() }
            }
        };
        Some(made.error_on_failure())
    }

    /// As the library calls it in its log and its lists.
    pub(super) fn library_name(&self) -> &'static str {
        match self {
            Provider::Cpu => "CPUExecutionProvider",
            Provider::Cuda { .. } => "CUDAExecutionProvider",
            Provider::TensorRt { .. } => "TensorrtExecutionProvider",
            Provider::OpenVino { .. } => "OpenVINOExecutionProvider",
        }
    }

    /// What besides the library changes its answers or times: the driver.
    pub(super) fn driver(&self) -> Option<String> {
        match self {
            Provider::Cuda { .. } | Provider::TensorRt { .. } => {
                // "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue …"
                let text = std::fs::read_to_string("/proc/driver/nvidia/version").ok()?;
                let mut words = text.lines().next()?.split_whitespace();
                let version = words
                    .find(|word| word.contains('.') && word.starts_with(|c: char| c.is_ascii_digit()))?;
                Some(format!("driver {version}"))
            }
            _ => None,
        }
    }
}

/// NVIDIA cards that the driver shows; one where it does not say.
fn cards() -> i32 {
    let shown = std::fs::read_dir("/proc/driver/nvidia/gpus").map(|cards| cards.count()).unwrap_or(0);
    i32::try_from(shown).unwrap_or(1).clamp(1, 16)
}
