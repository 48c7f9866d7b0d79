//! From CLIF to machine code in memory.

use crate::kernels::transform::transform_code;
use crate::kernels::{self, Gemm, Isa, pack_code, round_code};
use crate::program::Kernel;
use cranelift_codegen::Context;
use cranelift_codegen::control::ControlPlane;
use cranelift_codegen::ir::{AbiParam, Signature, types};
use cranelift_codegen::isa::{OwnedTargetIsa, TargetIsa};
use cranelift_codegen::settings::{self, Configurable};
use cranelift_jit::{JITBuilder, JITModule};
use cranelift_module::{FuncId, Linkage, Module, ModuleReloc, default_libcall_names};
use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A compiled kernel: `(buffers, scratch, gemms, task)`.
pub(crate) type Code = unsafe extern "C" fn(*const *mut f32, *mut f32, *const Gemm, i64);

/// The name under which kernels call the micro-kernel. It is the first symbol of a module, so that a kernel can refer to
/// it by number 0.
const GEMM_SYMBOL: &str = "rnet_gemm";

/// The name under which kernels call the transforms: symbol number 1.
const TRANSFORM_SYMBOL: &str = "rnet_transform";

/// The name under which kernels call what rounds in pairs: symbol number 2.
const PACK_SYMBOL: &str = "rnet_pack";

/// The name under which kernels call what rounds neighbours: symbol number 3.
const ROUND_SYMBOL: &str = "rnet_round";

/// Why kernels could not be compiled: a mistake of the compiler, or a machine that Cranelift does not support.
#[derive(Debug)]
pub struct JitError {
    /// The kernel, if it was one.
    pub kernel: Option<String>,
    /// Cranelift's words.
    pub message: String,
}

impl fmt::Display for JitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kernel {
            Some(kernel) => write!(f, "cannot compile kernel `{kernel}`: {}", self.message),
            None => write!(f, "cannot compile for this machine: {}", self.message),
        }
    }
}

impl std::error::Error for JitError {}

fn error(message: impl fmt::Display) -> JitError {
    JitError { kernel: None, message: message.to_string() }
}

/// This machine's instruction set, with the settings that kernels are compiled with.
///
/// # Errors
/// When Cranelift does not support the machine.
pub fn host_isa() -> Result<OwnedTargetIsa, JitError> {
    let mut flags = settings::builder();
    let verifier = if cfg!(debug_assertions) { "true" } else { "false" };
    for (name, value) in [
        ("opt_level", "speed"),
        ("enable_verifier", verifier),
        // Kernels are linked anywhere in memory and never unwind.
        ("use_colocated_libcalls", "false"),
        ("is_pic", "false"),
        ("unwind_info", "false"),
    ] {
        flags.set(name, value).map_err(error)?;
    }
    let builder = cranelift_native::builder().map_err(error)?;
    builder.finish(settings::Flags::new(flags)).map_err(error)
}

/// The machine code of one kernel before it is linked.
struct Object {
    bytes: Vec<u8>,
    alignment: u64,
    relocations: Vec<ModuleReloc>,
}

/// Compiled kernels, callable until dropped.
pub(crate) struct Linked {
    /// Taken only by `drop`.
    module: Option<JITModule>,
    codes: Vec<Code>,
}

impl Linked {
    /// Compiles and links kernels, on all cores, with the micro-kernels of an instruction set.
    pub(crate) fn new(kernels: &[Kernel], isa: Isa) -> Result<Linked, JitError> {
        let (micro_kernels, isa) = (isa, host_isa()?);
        let mut builder = JITBuilder::with_isa(isa.clone(), default_libcall_names());
        builder.symbol(GEMM_SYMBOL, kernels::rnet_gemm as *const u8);
        builder.symbol(TRANSFORM_SYMBOL, transform_code(micro_kernels) as *const u8);
        builder.symbol(PACK_SYMBOL, pack_code(micro_kernels) as *const u8);
        builder.symbol(ROUND_SYMBOL, round_code(micro_kernels) as *const u8);
        let mut module = JITModule::new(builder);
        declare_imports(&mut module)?;
        // From here on `drop` frees the module's memory, whichever way this ends.
        let mut linked = Linked { module: Some(module), codes: Vec::new() };
        let module = linked.module.get_or_insert_with(|| unreachable!("it was just put there"));
        let mut functions = Vec::new();
        for (index, kernel) in kernels.iter().enumerate() {
            let name = format!("kernel{index} {}", kernel.name);
            let declared = module.declare_function(&name, Linkage::Local, &kernel.function.signature);
            functions.push(declared.map_err(error)?);
        }
        for ((object, &function), kernel) in
            compile_all(kernels, &functions, &*isa).into_iter().zip(&functions).zip(kernels)
        {
            let object = object.map_err(|message| JitError { kernel: Some(kernel.name.clone()), message })?;
            let defined = module.define_function_bytes(function, object.alignment, &object.bytes, &object.relocations);
            defined.map_err(error)?;
        }
        module.finalize_definitions().map_err(error)?;
        for function in functions {
            let code = module.get_finalized_function(function);
            // SAFETY: the function was compiled for this machine from CLIF whose signature is that of `Code`: see
            // `check_signature`. Calling it is unsafe in itself.
            linked.codes.push(unsafe { std::mem::transmute::<*const u8, Code>(code) });
        }
        Ok(linked)
    }

    /// The code of a kernel. To be called only while `self` lives.
    pub(crate) fn code(&self, kernel: usize) -> Code {
        self.codes[kernel]
    }
}

impl Drop for Linked {
    fn drop(&mut self) {
        if let Some(module) = self.module.take() {
            // SAFETY: code is reachable through `self.codes` only, whose users borrow or own `self`, so none is running.
            unsafe { module.free_memory() };
        }
    }
}

/// Declares `rnet_gemm` as symbol number 0 and `rnet_transform` as number 1.
fn declare_imports(module: &mut JITModule) -> Result<(), JitError> {
    let mut signature = Signature::new(module.isa().default_call_conv());
    signature.params = vec![AbiParam::new(types::I64); 4];
    let gemm = module.declare_function(GEMM_SYMBOL, Linkage::Import, &signature).map_err(error)?;
    assert_eq!(gemm.as_u32(), 0, "the micro-kernel is the first symbol");
    signature.params = vec![AbiParam::new(types::I64); 9];
    let transform = module.declare_function(TRANSFORM_SYMBOL, Linkage::Import, &signature).map_err(error)?;
    assert_eq!(transform.as_u32(), 1, "the transform is the second symbol");
    signature.params = vec![AbiParam::new(types::I64); 6];
    let pack = module.declare_function(PACK_SYMBOL, Linkage::Import, &signature).map_err(error)?;
    assert_eq!(pack.as_u32(), 2, "what rounds in pairs is the third symbol");
    signature.params = vec![AbiParam::new(types::I64); 3];
    let round = module.declare_function(ROUND_SYMBOL, Linkage::Import, &signature).map_err(error)?;
    assert_eq!(round.as_u32(), 3, "what rounds neighbours is the fourth symbol");
    Ok(())
}

/// Compiles each kernel, on as many threads as there are cores. Results are in the kernels' order.
fn compile_all(kernels: &[Kernel], functions: &[FuncId], isa: &dyn TargetIsa) -> Vec<Result<Object, String>> {
    let threads = std::thread::available_parallelism().map_or(1, |count| count.get()).min(kernels.len());
    let next = AtomicUsize::new(0);
    let results: Vec<Mutex<Option<Result<Object, String>>>> = kernels.iter().map(|_| Mutex::new(None)).collect();
    let work = || {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(kernel) = kernels.get(index) else { return };
            let object = compile(kernel, functions[index], isa);
            if let Ok(mut result) = results[index].lock() {
                *result = Some(object);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(work);
        }
        work();
    });
    let missing = || Err("code generation stopped".to_string());
    results.into_iter().map(|slot| slot.into_inner().ok().flatten().unwrap_or_else(missing)).collect()
}

/// Why the function cannot be called as `Code`.
fn check_signature(kernel: &Kernel, isa: &dyn TargetIsa) -> Result<(), String> {
    let signature = &kernel.function.signature;
    let fits = signature.params == vec![AbiParam::new(types::I64); 4]
        && signature.returns.is_empty()
        && signature.call_conv == isa.default_call_conv();
    if fits { Ok(()) } else { Err(format!("signature {signature} is not that of a kernel")) }
}

fn compile(kernel: &Kernel, function: FuncId, isa: &dyn TargetIsa) -> Result<Object, String> {
    check_signature(kernel, isa)?;
    let mut context = Context::for_function(kernel.function.clone());
    if let Err(error) = context.compile(isa, &mut ControlPlane::default()) {
        return Err(format!("{:?}", error.inner));
    }
    let Some(compiled) = context.compiled_code() else { return Err("no code came out".to_string()) };
    let relocations = compiled.buffer.relocs().iter();
    Ok(Object {
        bytes: compiled.code_buffer().to_vec(),
        alignment: u64::from(compiled.buffer.alignment),
        relocations: relocations.map(|reloc| ModuleReloc::from_mach_reloc(reloc, &context.func, function)).collect(),
    })
}
