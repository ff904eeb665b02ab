//! Instructions on the descriptor tables and on single descriptors: LGDT, LLDT, LTR, LAR, VERR,
//! ARPL and their kin.

use super::descriptor_tables::{Entry, blame};
use crate::cpu::Cpu;
use crate::decode::op::Op;
use crate::decode::operands::{Dest, Source};
use crate::exception::{Exception, Vector};
use crate::exit::{Step, Stop};
use crate::intercepts::Sensitive;
use crate::memory::paging::is_canonical;
use crate::state::segments::{Attributes, Segment, Selector, TableRegister, system_type};
use crate::word::Word;

/// LGDT.
pub(crate) fn lgdt<W: Word>(cpu: &mut Cpu, op: &Op) -> Step {
    cpu.require_ring_0()?;
    cpu.intercept(Sensitive::Lgdt)?;
    cpu.segments.gdtr = load_table::<W>(cpu, op)?;
    Ok(())
}

/// LIDT.
pub(crate) fn lidt<W: Word>(cpu: &mut Cpu, op: &Op) -> Step {
    cpu.require_ring_0()?;
    cpu.intercept(Sensitive::Lidt)?;
    cpu.segments.idtr = load_table::<W>(cpu, op)?;
    Ok(())
}

/// SGDT: allowed in every ring.
pub(crate) fn sgdt<W: Word>(cpu: &mut Cpu, op: &Op) -> Step {
    cpu.intercept(Sensitive::Sgdt)?;
    store_table::<W>(cpu, op, cpu.segments.gdtr)
}

/// SIDT: allowed in every ring.
pub(crate) fn sidt<W: Word>(cpu: &mut Cpu, op: &Op) -> Step {
    cpu.intercept(Sensitive::Sidt)?;
    store_table::<W>(cpu, op, cpu.segments.idtr)
}

/// Limit and base from memory. The base has 24, 32 or 64 bits.
fn load_table<W: Word>(cpu: &mut Cpu, op: &Op) -> Result<TableRegister, Stop> {
    let limit = cpu.load(op.segment, op.offset(cpu))?;
    let base_at = op.offset_plus(cpu, 2);
    let base = match W::BITS {
        64 => cpu.load(op.segment, base_at)?,
        bits => {
            let base: u32 = cpu.load(op.segment, base_at)?;
            u64::from(if bits == 16 { base & 0xff_ffff } else { base })
        }
    };
    if W::BITS == 64 && !is_canonical(base) {
        return Err(Exception::GENERAL_PROTECTION.into());
    }
    Ok(TableRegister { base, limit })
}

fn store_table<W: Word>(cpu: &mut Cpu, op: &Op, table: TableRegister) -> Step {
    if W::BITS == 64 {
        store_limit_and_base::<u64>(cpu, op, table)
    } else {
        store_limit_and_base::<u32>(cpu, op, table)
    }
}

fn store_limit_and_base<B: Word>(cpu: &mut Cpu, op: &Op, table: TableRegister) -> Step {
    let (limit_at, base_at) = (op.offset(cpu), op.offset_plus(cpu, 2));
    // Both or nothing is written.
    cpu.probe_write::<u16>(op.segment, limit_at)?;
    cpu.probe_write::<B>(op.segment, base_at)?;
    cpu.store(op.segment, limit_at, table.limit)?;
    cpu.store(op.segment, base_at, B::truncate(table.base))
}

/// SLDT: allowed in every ring.
pub(crate) fn sldt<W: Word, D: Dest>(cpu: &mut Cpu, op: &Op) -> Step {
    cpu.require_descriptors()?;
    cpu.intercept(Sensitive::Sldt)?;
    let Selector(selector) = cpu.segments.ldtr.selector;
    D::store(cpu, op, W::truncate(selector.into()))
}

/// STR: allowed in every ring.
pub(crate) fn store_task_register<W: Word, D: Dest>(cpu: &mut Cpu, op: &Op) -> Step {
    cpu.require_descriptors()?;
    cpu.intercept(Sensitive::Str)?;
    let Selector(selector) = cpu.segments.tr.selector;
    D::store(cpu, op, W::truncate(selector.into()))
}

/// LLDT. A null selector leaves no local table.
pub(crate) fn lldt<S: Source>(cpu: &mut Cpu, op: &Op) -> Step {
    cpu.require_descriptors()?;
    cpu.require_ring_0()?;
    cpu.intercept(Sensitive::Lldt)?;
    let selector = Selector(S::load(cpu, op)?);
    cpu.segments.ldtr =
        if selector.is_null() { Segment::null(selector) } else { local_table(cpu, selector)? };
    Ok(())
}

fn local_table(cpu: &mut Cpu, selector: Selector) -> Result<Segment, Stop> {
    if selector.is_local() {
        return Err(blame(Vector::GeneralProtection, selector));
    }
    let entry = cpu.read_descriptor(selector, Vector::GeneralProtection)?;
    if entry.system_type() != Some(system_type::LDT) {
        return Err(entry.fault(Vector::GeneralProtection));
    }
    entry.require_present()?;
    cpu.system_segment(&entry)
}

/// LTR. Marks the TSS as busy.
pub(crate) fn ltr<S: Source>(cpu: &mut Cpu, op: &Op) -> Step {
    cpu.require_descriptors()?;
    cpu.require_ring_0()?;
    cpu.intercept(Sensitive::Ltr)?;
    let selector = Selector(S::load(cpu, op)?);
    if selector.is_null() {
        return Err(Exception::GENERAL_PROTECTION.into());
    }
    let entry = cpu.available_tss(selector)?;
    entry.require_present()?;
    let available = cpu.system_segment(&entry)?;
    cpu.mark_busy(&entry)?;
    let Attributes(attributes) = available.attributes;
    let busy = Attributes(attributes | 2);
    cpu.segments.tr = Segment::new(selector, available.base, available.limit, busy);
    Ok(())
}

/// The descriptor that a selector names, if this privilege may look at it.
fn visible(cpu: &mut Cpu, selector: Selector) -> Result<Option<Entry>, Stop> {
    if selector.is_null() {
        return Ok(None);
    }
    let ring = cpu.cpl.max(selector.rpl());
    let reachable = |entry: &Entry| {
        let attributes = entry.attributes();
        attributes.is_conforming() || ring <= attributes.dpl()
    };
    Ok(cpu.find_descriptor(selector)?.filter(reachable))
}

/// System descriptors that have access rights to show.
fn has_rights(kind: u8, long: bool) -> bool {
    use system_type::{CALL_GATE, CALL_GATE16, TASK_GATE};
    has_limit(kind, long) || kind == CALL_GATE || !long && matches!(kind, CALL_GATE16 | TASK_GATE)
}

/// System descriptors that have a limit.
fn has_limit(kind: u8, long: bool) -> bool {
    use system_type::{LDT, TSS, TSS_BUSY, TSS16, TSS16_BUSY};
    matches!(kind, LDT | TSS | TSS_BUSY) || !long && matches!(kind, TSS16 | TSS16_BUSY)
}

/// The descriptor that LAR or LSL looks at, if it has what they want.
fn inspected<S: Source>(
    cpu: &mut Cpu,
    op: &Op,
    suits: fn(u8, bool) -> bool,
) -> Result<Option<Entry>, Stop> {
    let selector = Selector(S::load(cpu, op)?);
    let long = cpu.mode().is_long();
    let suitable = |entry: &Entry| entry.system_type().is_none_or(|kind| suits(kind, long));
    Ok(visible(cpu, selector)?.filter(suitable))
}

/// LAR: access rights, and ZF if there are any to see.
pub(crate) fn lar<W: Word, S: Source>(cpu: &mut Cpu, op: &Op) -> Step {
    cpu.require_descriptors()?;
    cpu.intercept(Sensitive::Lar)?;
    let entry = inspected::<S>(cpu, op, has_rights)?;
    if let Some(entry) = entry {
        let rights = entry.descriptor.0 >> 32 & 0x00f0_ff00;
        cpu.registers.write(op.dest, W::truncate(rights));
    }
    cpu.flags.set_zero(entry.is_some());
    Ok(())
}

/// LSL: the limit in bytes, and ZF if there is one to see.
pub(crate) fn lsl<W: Word, S: Source>(cpu: &mut Cpu, op: &Op) -> Step {
    cpu.require_descriptors()?;
    cpu.intercept(Sensitive::Lsl)?;
    let entry = inspected::<S>(cpu, op, has_limit)?;
    if let Some(entry) = entry {
        cpu.registers.write(op.dest, W::truncate(entry.descriptor.limit().into()));
    }
    cpu.flags.set_zero(entry.is_some());
    Ok(())
}

/// VERR: ZF if the segment can be read from here.
pub(crate) fn verr<S: Source>(cpu: &mut Cpu, op: &Op) -> Step {
    cpu.require_descriptors()?;
    cpu.intercept(Sensitive::Verr)?;
    verify::<S>(cpu, op, Attributes::is_readable)
}

/// VERW: ZF if the segment can be written from here.
pub(crate) fn verw<S: Source>(cpu: &mut Cpu, op: &Op) -> Step {
    cpu.require_descriptors()?;
    cpu.intercept(Sensitive::Verw)?;
    verify::<S>(cpu, op, Attributes::is_writable)
}

fn verify<S: Source>(cpu: &mut Cpu, op: &Op, allows: fn(Attributes) -> bool) -> Step {
    let selector = Selector(S::load(cpu, op)?);
    let entry = visible(cpu, selector)?;
    cpu.flags.set_zero(entry.is_some_and(|entry| allows(entry.attributes())));
    Ok(())
}

/// ARPL: raises the operand's RPL to that of the register `source`.
pub(crate) fn arpl<D: Dest>(cpu: &mut Cpu, op: &Op) -> Step {
    cpu.require_descriptors()?;
    let selector = Selector(D::load(cpu, op)?);
    let caller = Selector(cpu.registers.read(op.source));
    let raises = selector.rpl() < caller.rpl();
    if raises {
        D::store(cpu, op, selector.with_rpl(caller.rpl()).0)?;
    }
    cpu.flags.set_zero(raises);
    Ok(())
}
