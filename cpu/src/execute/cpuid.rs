//! CPUID.

use crate::cpu::Cpu;
use crate::decode::op::Op;
use crate::exit::Step;
use crate::features::Leaf;
use crate::intercepts::Sensitive;
use crate::state::mode::CodeSize;
use crate::state::registers::{RAX, RBX, RCX, RDX};
use crate::timing::Operation;

/// CPUID: leaf EAX, subleaf ECX. At any ring, in every mode.
pub(crate) fn cpuid(cpu: &mut Cpu, _: &Op) -> Step {
    cpu.intercept(Sensitive::Cpuid)?;
    let leaf = cpu.registers.read(RAX);
    let subleaf = cpu.registers.read(RCX);
    let in_64_bit_mode = cpu.code_size == CodeSize::Bits64;
    let Leaf { eax, ebx, ecx, edx } = cpu.features.leaf(leaf, subleaf, in_64_bit_mode);
    cpu.registers.write(RAX, eax);
    cpu.registers.write(RBX, ebx);
    cpu.registers.write(RCX, ecx);
    cpu.registers.write(RDX, edx);
    cpu.charge(Operation::Cpuid);
    Ok(())
}
