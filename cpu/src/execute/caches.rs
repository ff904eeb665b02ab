//! INVLPG, and the instructions that manage caches, of which there are none.

use crate::cpu::Cpu;
use crate::decode::op::Op;
use crate::exit::{Step, Stop};
use crate::intercepts::Sensitive;
use crate::memory::paging::{Access, AccessKind, is_canonical};
use crate::state::flags::Rflags;
use crate::state::mode::CodeSize;
use crate::state::segments::SegmentName;
use crate::timing::Operation;

/// INVLPG: drops the translation of one page. The operand is an address, not an access: no
/// segment limit, no rights, and nothing happens for a non-canonical one.
pub(crate) fn invlpg(cpu: &mut Cpu, op: &Op) -> Step {
    cpu.require_ring_0()?;
    cpu.intercept(Sensitive::Invlpg)?;
    let linear = operand_address(cpu, op);
    if is_canonical(linear) {
        cpu.tlb.flush_page(linear);
        cpu.invalidated_page = Some(linear);
        cpu.charge(Operation::PageInvalidation);
        cpu.attention = true;
    }
    Ok(())
}

/// INVD and WBINVD.
pub(crate) fn wbinvd(cpu: &mut Cpu, _: &Op) -> Step {
    cpu.require_ring_0()?;
    cpu.intercept(Sensitive::Wbinvd)
}

/// INVD: there is nothing to lose.
pub(crate) fn invd(cpu: &mut Cpu, op: &Op) -> Step {
    wbinvd(cpu, op)
}

/// CLFLUSH: the checks of a byte load, without the load. Unlike a load it may name an
/// execute-only segment.
pub(crate) fn clflush(cpu: &mut Cpu, op: &Op) -> Step {
    let linear = operand_address(cpu, op);
    if cpu.code_size == CodeSize::Bits64 {
        if !is_canonical(linear) {
            return Err(cpu.segment_violation(op.segment));
        }
    } else {
        require_in_segment(cpu, op)?;
    }
    let access = Access {
        kind: AccessKind::Read,
        user: cpu.cpl == 3,
        smap_override: cpu.flags.system().contains(Rflags::AC),
    };
    cpu.translate(linear, access).map(drop)
}

fn require_in_segment(cpu: &Cpu, op: &Op) -> Result<(), Stop> {
    let offset = op.offset(cpu);
    let segment = cpu.segments.get(op.segment);
    let executable = segment.attributes.is_present() && segment.attributes.is_code();
    if executable && offset <= u64::from(segment.limit) {
        return Ok(());
    }
    cpu.linear::<u8>(op.segment, offset, false).map(drop)
}

/// The linear address of the memory operand, unchecked.
fn operand_address(cpu: &Cpu, op: &Op) -> u64 {
    let base = cpu.segments.get(op.segment).base;
    if cpu.code_size != CodeSize::Bits64 {
        base.wrapping_add(op.offset(cpu)) & 0xffff_ffff
    } else if op.segment >= SegmentName::Fs {
        base.wrapping_add(op.offset(cpu))
    } else {
        op.offset(cpu)
    }
}
