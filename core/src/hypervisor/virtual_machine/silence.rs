//! The CPU of 1998: sensitive instructions that run on it in silence, and what the guest's
//! hypervisor must do so that they can.

use std::collections::BTreeSet;

use paravane_cpu::state::control::Efer;
use paravane_cpu::state::registers::RIP;
use paravane_cpu::state::segments::{
    Descriptor, Segment, SegmentName, Segments, Selector, TableRegister,
};
use paravane_cpu::timing::Operation;
use paravane_cpu::{Exit, PAGE_SHIFT, PAGE_SIZE, Sensitive, Stepped};

use super::{Processor, VirtualMachine, Work, all_exceptions};
use crate::accounting::sensitivity::{self, Class};
use crate::accounting::{Cause, Primitive};
use crate::hypervisor::frames::FrameNumber;
use crate::hypervisor::lies::{self, About, Effects, Lie, Outcomes};
use crate::machine::Stopped;

/// Entries of the root that the guest's kernel seldom uses come first.
const SLOTS: std::ops::Range<u16> = 256..512;

impl VirtualMachine {
    /// Whether the guest's CPU executes this without a trap.
    pub(super) fn stays_silent(&self, instruction: Sensitive) -> bool {
        let class = sensitivity::of(instruction).class;
        self.processor == Processor::X86 && matches!(class, Class::Silent | Class::Innocuous)
    }

    /// Lets a silent instruction run on the real CPU, and notes where its result is not what a
    /// CPU of the guest's own would have given. Costs the guest nothing: it is no exit.
    pub(super) fn watch_silent_instruction(
        &mut self,
        instruction: Sensitive,
        end: u64,
    ) -> Option<Stopped> {
        let address = self.virtual_cpu.rip();
        let before = Effects::of(&self.virtual_cpu);
        let (store, _) = self.on_virtual_cpu(|cpu, _| lies::store_of(cpu));

        let intercepts = self.intercepts_without(instruction);
        let exit = self.run_real(&intercepts, end, true);
        if exit != Exit::Budget {
            // It faulted after all: the hypervisor gets to see it.
            return self.handle(exit, end);
        }
        let got = Effects::of(&self.virtual_cpu);
        let got_bytes = self.peek(store);

        before.restore(&mut self.virtual_cpu);
        let cycles = self.host.cpu.cycles;
        let books = self.host.ledger.guest_counts();
        // Exceptions leave, so that none is delivered onto the guest's stack.
        let all = all_exceptions();
        let (stepped, _) = self.on_virtual_cpu(|cpu, bus| cpu.perform_one_with(bus, &all, end));
        self.host.cpu.cycles = cycles;
        self.host.ledger.set_guest_counts(books);
        let should = Effects::of(&self.virtual_cpu);
        let should_bytes = self.peek(store);

        got.restore(&mut self.virtual_cpu);
        self.poke(store, &got_bytes);
        if sensitivity::of(instruction).class != Class::Silent {
            return None;
        }
        self.lies.looked_at += 1;
        if let Stepped::Left(exit) = stepped {
            let due = match exit {
                Exit::Exception(exception) => exception.vector as u64,
                _ => return None,
            };
            let got = got.registers.get(RIP);
            let lie = Lie { count: 1, about: About::Exception, got, should: due };
            self.lies.note(address, instruction, lie);
            return None;
        }
        let outcomes = Outcomes {
            before: &before,
            got: &got,
            got_bytes: &got_bytes,
            should: &should,
            should_bytes: &should_bytes,
        };
        if let Some(lie) = outcomes.lie() {
            self.lies.note(address, instruction, lie);
        }
        None
    }

    fn intercepts_without(&self, instruction: Sensitive) -> paravane_cpu::Intercepts {
        self.intercepts.without_instruction(instruction)
    }

    fn peek(&mut self, place: Option<(u64, usize)>) -> Vec<u8> {
        let Some((linear, length)) = place else { return Vec::new() };
        self.on_virtual_cpu(|cpu, _| cpu.peek(linear, length)).0
    }

    /// Puts bytes back that are known to be mapped.
    fn poke(&mut self, place: Option<(u64, usize)>, bytes: &[u8]) {
        let Some((linear, _)) = place else { return };
        for (offset, byte) in (0..).zip(bytes) {
            let address = linear.wrapping_add(offset);
            let (translation, _) = self.on_virtual_cpu(|cpu, _| cpu.look_up(address, &mut |_| {}));
            if let Some(translation) = translation {
                self.host.cpu.write_ram(translation.physical, &[*byte]);
            }
        }
    }

    /// Keeps the real descriptor table in step with the guest's, and mapped in the root.
    pub(super) fn load_descriptors(&mut self, root: FrameNumber) {
        let Some(mut descriptors) = self.descriptors.take() else { return };
        if !descriptors.map_in(&mut self.host, root) {
            self.host.cpu.drop_translations();
        }
        if descriptors.stale {
            let TableRegister { base, limit } = self.virtual_cpu.segments.gdtr;
            let length = usize::from(limit) + 1;
            let ((table, pages), _) = self.on_virtual_cpu(|cpu, _| {
                let pages = (base & !(PAGE_SIZE - 1)..base.saturating_add(length as u64))
                    .step_by(PAGE_SIZE as usize)
                    .filter_map(|page| cpu.look_up(page, &mut |_| {}))
                    .map(|translation| translation.physical)
                    .collect::<Vec<_>>();
                (cpu.peek(base, length), pages)
            });
            let frames: BTreeSet<_> = pages
                .into_iter()
                .filter_map(|page| self.map.guest_address(page))
                .map(|address| address >> PAGE_SHIFT)
                .collect();
            let cause = self.last_cause;
            self.shadow.pin(&mut self.host, &self.map, cause, frames);
            let long = self.virtual_cpu.control.efer.contains(Efer::LMA);
            let count = descriptors.copy(&mut self.host, &table, limit, long);
            self.host.charge(cause, Primitive::Descriptor, count);
        }
        self.descriptors = Some(descriptors);
    }

    /// After work on the virtual CPU: the guest's table may have changed, or moved.
    pub(super) fn descriptors_may_be_stale(&mut self, work: &Work) {
        let Some(descriptors) = &mut self.descriptors else { return };
        let table = self.virtual_cpu.segments.gdtr;
        let moved = descriptors.guest_table != table;
        descriptors.guest_table = table;
        let written = work.traced_writes.iter().any(|machine| {
            let frame = self.map.guest_address(*machine).map(|address| address >> PAGE_SHIFT);
            frame.is_some_and(|frame| self.shadow.is_pinned(frame))
        });
        descriptors.stale |= moved || written || work.counts.of(Operation::TlbFlush) > 0;
    }

    /// The guest wants the part of the address space where the real table is: it moves.
    pub(super) fn make_way(&mut self, linear: u64) {
        let wanted = (linear >> 39 & 511) as u16;
        let Some(mut descriptors) = self.descriptors.take() else { return };
        if descriptors.slot() == wanted {
            let guest_root = self.virtual_cpu.control.cr3 & 0xf_ffff_ffff_f000;
            let is_free = |slot: &u16| {
                let entry = self.map.machine_address(guest_root + u64::from(*slot) * 8);
                let value: u64 = entry.and_then(|e| self.host.cpu.ram.read(e)).unwrap_or(0);
                *slot != wanted && value & 1 == 0
            };
            if let Some(free) = SLOTS.chain(1..256).find(is_free) {
                self.shadow.clear_in_roots(&mut self.host, wanted);
                descriptors.move_to(free);
                if let Some(root) = self.loaded_root {
                    descriptors.map_in(&mut self.host, root);
                }
                self.host.cpu.drop_translations();
                self.host.charge(Cause::HiddenPageFault, Primitive::TlbFlush, 1);
            }
        }
        self.descriptors = Some(descriptors);
    }

    /// Segment registers that the guest loaded on the real CPU, as the guest believes them.
    pub(super) fn take_over_segments(&mut self, entered: &Segments) {
        // Order matters: the code segment says in which ring the guest believes itself.
        const ORDER: [SegmentName; 6] = [
            SegmentName::Cs,
            SegmentName::Ss,
            SegmentName::Ds,
            SegmentName::Es,
            SegmentName::Fs,
            SegmentName::Gs,
        ];
        let mut changed = false;
        for name in ORDER {
            let real = *self.host.cpu.segments.get(name);
            let before = *entered.get(name);
            if real == before {
                continue;
            }
            changed = true;
            if real.with_base(before.base) == before {
                let believed = self.virtual_cpu.segments.get(name).with_base(real.base);
                self.virtual_cpu.segments.set(name, believed);
                continue;
            }
            let believed = self.believed_segment(name, real);
            self.virtual_cpu.segments.set(name, believed);
        }
        if changed {
            self.virtual_cpu.state_changed();
        }
    }

    fn believed_segment(&mut self, name: SegmentName, real: Segment) -> Segment {
        if real.selector.is_null() {
            return Segment::null(real.selector);
        }
        let level = self.guest_privilege_level(real.selector).unwrap_or(real.attributes.dpl());
        let mut selector = real.selector;
        if name == SegmentName::Cs && !real.attributes.is_conforming() {
            self.virtual_cpu.cpl = level;
        }
        if matches!(name, SegmentName::Cs | SegmentName::Ss) {
            selector = selector.with_rpl(self.virtual_cpu.cpl);
        }
        Segment::new(selector, real.base, real.limit, real.attributes.with_dpl(level))
    }

    /// The privilege level that the guest's own table gives a descriptor.
    fn guest_privilege_level(&mut self, selector: Selector) -> Option<u8> {
        let address = self.virtual_cpu.segments.gdtr.base.wrapping_add(selector.offset());
        let bytes = self.peek(Some((address, 8)));
        let bytes: [u8; 8] = bytes.try_into().ok()?;
        Some(Descriptor(u64::from_le_bytes(bytes)).attributes().dpl())
    }
}
