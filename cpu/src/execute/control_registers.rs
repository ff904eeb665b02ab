//! Moves to and from control registers, CLTS, LMSW and SMSW.
//!
//! Who may set which bit when: Intel SDM vol. 2, "MOV—Move to/from Control Registers", and
//! vol. 3, "Control Registers" and "Initializing IA-32e Mode". What a change does to the TLB:
//! vol. 3, "Operations that Invalidate TLBs and Paging-Structure Caches".

use crate::cpu::Cpu;
use crate::decode::op::Op;
use crate::decode::operands::{Dest, Source};
use crate::exception::Exception;
use crate::exit::Step;
use crate::intercepts::Sensitive;
use crate::memory::paging::{self, Format, PHYSICAL_ADDRESS_BITS};
use crate::state::control::{Control, Cr0, Cr4, Efer};
use crate::state::mode::CodeSize;
use crate::state::segments::{SegmentName, system_type};
use crate::timing::Operation;
use crate::word::Word;

/// The bits that LMSW loads.
const MACHINE_STATUS: Cr0 = Cr0::PE.union(Cr0::MP).union(Cr0::EM).union(Cr0::TS);

/// Raises #UD for control registers that don't exist. Decoding finds that out, so it comes
/// before the privilege check.
fn require_existing(number: u8) -> Step {
    if matches!(number, 0 | 2 | 3 | 4 | 8) {
        return Ok(());
    }
    Err(Exception::INVALID_OPCODE.into())
}

/// MOV r, CRn.
pub(crate) fn read_control<W: Word>(cpu: &mut Cpu, op: &Op) -> Step {
    require_existing(op.source)?;
    cpu.require_ring_0()?;
    cpu.intercept(Sensitive::ReadControl)?;
    let value = match op.source {
        0 => cpu.control.cr0.bits(),
        2 => cpu.control.cr2,
        3 => cpu.control.cr3,
        4 => cpu.control.cr4.bits(),
        _ => u64::from(cpu.control.cr8),
    };
    cpu.registers.write(op.dest, W::truncate(value));
    Ok(())
}

/// MOV CRn, r.
pub(crate) fn write_control<W: Word>(cpu: &mut Cpu, op: &Op) -> Step {
    require_existing(op.dest)?;
    cpu.require_ring_0()?;
    cpu.intercept(Sensitive::WriteControl)?;
    let value = cpu.registers.read::<W>(op.source).zero_extend();
    match op.dest {
        0 => write_cr0(cpu, value)?,
        2 => cpu.control.cr2 = value,
        3 => write_cr3(cpu, value)?,
        4 => write_cr4(cpu, value)?,
        _ => write_cr8(cpu, value)?,
    }
    cpu.charge(Operation::ControlWrite);
    Ok(())
}

/// CLTS.
pub(crate) fn clts(cpu: &mut Cpu, _: &Op) -> Step {
    cpu.require_ring_0()?;
    cpu.intercept(Sensitive::Clts)?;
    cpu.control.cr0.remove(Cr0::TS);
    cpu.charge(Operation::ControlWrite);
    Ok(())
}

/// LMSW: loads PE, MP, EM and TS. It can set PE but not clear it.
pub(crate) fn lmsw<S: Source>(cpu: &mut Cpu, op: &Op) -> Step {
    cpu.require_ring_0()?;
    cpu.intercept(Sensitive::Lmsw)?;
    let status: u16 = S::load(cpu, op)?;
    let status = Cr0::from_bits_truncate(status.into()) & MACHINE_STATUS;
    let kept = cpu.control.cr0 & !(MACHINE_STATUS - Cr0::PE);
    cpu.control.cr0 = kept | status;
    cpu.mode_changed();
    cpu.charge(Operation::ControlWrite);
    Ok(())
}

/// SMSW: the low bits of CR0. At any ring, which is what Popek and Goldberg complain about.
pub(crate) fn smsw<W: Word, D: Dest>(cpu: &mut Cpu, op: &Op) -> Step {
    cpu.intercept(Sensitive::Smsw)?;
    D::store(cpu, op, W::truncate(cpu.control.cr0.bits()))
}

fn write_cr0(cpu: &mut Cpu, value: u64) -> Step {
    if value >> 32 != 0 {
        return Err(Exception::GENERAL_PROTECTION.into());
    }
    // Other reserved bits are ignored.
    let new = Cr0::from_bits_truncate(value) | Cr0::ET;
    let old = cpu.control.cr0;
    let paged = new.contains(Cr0::PG);
    let illegal = paged && !new.contains(Cr0::PE)
        || new.contains(Cr0::NW) && !new.contains(Cr0::CD)
        || !paged && cpu.code_size == CodeSize::Bits64;
    if illegal {
        return Err(Exception::GENERAL_PROTECTION.into());
    }

    let mut control = Control { cr0: new, ..cpu.control.clone() };
    let changed = old ^ new;
    if changed.contains(Cr0::PG) {
        let long = paged && control.efer.contains(Efer::LME);
        if long && !may_enter_long_mode(cpu) {
            return Err(Exception::GENERAL_PROTECTION.into());
        }
        control.efer.set(Efer::LMA, long);
    }
    if changed.intersects(Cr0::PG | Cr0::CD | Cr0::NW) {
        load_pointers(cpu, &mut control)?;
    }

    cpu.control = control;
    if changed.contains(Cr0::PG) {
        cpu.flush_tlb(true);
    } else if changed.contains(Cr0::WP) {
        cpu.derive_tlb();
    }
    cpu.mode_changed();
    Ok(())
}

/// Whether setting CR0.PG with EFER.LME succeeds.
fn may_enter_long_mode(cpu: &Cpu) -> bool {
    let task = cpu.segments.tr.attributes;
    let small_task = !task.is_code_or_data()
        && matches!(task.kind(), system_type::TSS16 | system_type::TSS16_BUSY);
    let code = cpu.segments.get(SegmentName::Cs).attributes;
    cpu.control.cr4.contains(Cr4::PAE) && !code.is_long() && !small_task
}

fn write_cr3(cpu: &mut Cpu, value: u64) -> Step {
    if value >> PHYSICAL_ADDRESS_BITS != 0 {
        return Err(Exception::GENERAL_PROTECTION.into());
    }
    let mut control = Control { cr3: value, ..cpu.control.clone() };
    load_pointers(cpu, &mut control)?;
    cpu.control = control;
    // Global translations exist only while CR4.PGE is set.
    cpu.flush_tlb(false);
    cpu.mode_changed();
    Ok(())
}

fn write_cr4(cpu: &mut Cpu, value: u64) -> Step {
    let new = Cr4::from_bits_retain(value);
    let leaves_long_mode = cpu.control.efer.contains(Efer::LMA) && !new.contains(Cr4::PAE);
    if !cpu.features.cr4_mask().contains(new) || leaves_long_mode {
        return Err(Exception::GENERAL_PROTECTION.into());
    }
    let changed = cpu.control.cr4 ^ new;
    let remaps = changed.intersects(Cr4::PAE | Cr4::PGE | Cr4::PSE | Cr4::SMEP);
    let mut control = Control { cr4: new, ..cpu.control.clone() };
    if remaps {
        load_pointers(cpu, &mut control)?;
    }

    cpu.control = control;
    if remaps {
        cpu.flush_tlb(true);
    } else if changed.contains(Cr4::SMAP) {
        cpu.derive_tlb();
    }
    cpu.mode_changed();
    Ok(())
}

/// The task priority. Without a local APIC nothing looks at it.
fn write_cr8(cpu: &mut Cpu, value: u64) -> Step {
    if value > 15 {
        return Err(Exception::GENERAL_PROTECTION.into());
    }
    cpu.control.cr8 = value as u8;
    cpu.attention = true;
    Ok(())
}

/// If `control` selects PAE paging: reads the page-directory-pointer entries into it, or raises
/// #GP(0) for reserved bits (vol. 3, "PDPTE Registers").
fn load_pointers(cpu: &Cpu, control: &mut Control) -> Step {
    if Format::of(control) == Format::Pae {
        control.pdptes = paging::load_pdptes(&cpu.ram, &cpu.frames, control.cr3)
            .ok_or(Exception::GENERAL_PROTECTION)?;
    }
    Ok(())
}
