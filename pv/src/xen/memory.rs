//! `memory_op`: how much memory the domain has, and which frames.
//!
//! Source: `xen/common/memory.c`, `xen/include/public/memory.h`.

use paravane_core::accounting::Primitive;
use paravane_core::hypervisor::Owner;
use paravane_core::hypervisor::paravirt::Services;

use super::Xen;
use super::errors::{Answer, Errno};
use super::frame_types::FrameType;
use super::layout::{
    INVALID_ENTRY, LAST_MACHINE_TO_PHYSICAL, MACHINE_TO_PHYSICAL, MACHINE_TO_PHYSICAL_END,
    is_guest_array,
};

/// Frames that one execution of a call handles.
const AT_ONCE: u64 = 512;
/// MEMOP_EXTENT_SHIFT: the command's upper bits say how many extents are done.
const DONE_SHIFT: u32 = 6;
/// E820 type of RAM.
const USABLE: u32 = 1;

/// `struct xen_memory_reservation`.
struct Reservation {
    list: u64,
    count: u64,
    order: u32,
    domain: u64,
}

impl Xen {
    /// memory_op(command, argument).
    pub(super) fn memory_op(
        &mut self,
        services: &mut dyn Services,
        [command, at, ..]: [u64; 5],
    ) -> Answer {
        let done = command >> DONE_SHIFT;
        match command & ((1 << DONE_SHIFT) - 1) {
            // increase_reservation and populate_physmap: frames that were given back.
            0 => self.reserve(services, at, done, false),
            6 => self.reserve(services, at, done, true),
            1 => self.decrease(services, at, done),
            // maximum_ram_page.
            2 => Ok(services.frame_count().saturating_sub(1)),
            // current_reservation and maximum_reservation.
            number @ (3 | 4) => {
                let mut domain = [0; 2];
                self.read_guest(services, at, &mut domain)?;
                self.require_self(u16::from_le_bytes(domain).into())?;
                let domain = &self.domain;
                Ok(if number == 3 { domain.frames } else { domain.most_frames })
            }
            // machphys_mfn_list: the table is not in frames that a guest can name.
            5 => {
                let [most, list] = self.read_words::<2>(services, at)?;
                if most as u32 > 0 {
                    self.write_words(services, list, &[INVALID_ENTRY])?;
                }
                self.write_guest(services, at.wrapping_add(16), &0u32.to_le_bytes())?;
                Ok(0)
            }
            // add_to_physmap and remove_from_physmap: only for translated domains.
            7 | 15 => Err(Errno::Invalid.into()),
            9 => self.memory_map(services, at),
            // machine_memory_map, and others for privileged domains.
            10 | 13 | 14 => Err(Errno::NotPermitted.into()),
            11 => self.exchange(services, at),
            12 => {
                let words =
                    [MACHINE_TO_PHYSICAL, MACHINE_TO_PHYSICAL_END, LAST_MACHINE_TO_PHYSICAL];
                self.write_words(services, at, &words)?;
                Ok(0)
            }
            _ => Err(Errno::NotImplemented.into()),
        }
    }

    fn reservation(&mut self, services: &mut dyn Services, at: u64) -> Result<Reservation, Errno> {
        let [list, count, orders, domain] = self.read_words::<4>(services, at)?;
        // {extent_order, mem_flags}.
        let order = orders as u32;
        Ok(Reservation { list, count, order, domain: domain & 0xffff })
    }

    /// Gives frames back to Xen. Answers how many extents were.
    fn decrease(&mut self, services: &mut dyn Services, at: u64, done: u64) -> Answer {
        let reservation = self.reservation(services, at)?;
        if !is_guest_array(reservation.list, reservation.count, 8) || done > reservation.count {
            return Ok(done);
        }
        if self.require_self(reservation.domain).is_err() {
            return Ok(done);
        }
        if reservation.order > 9 {
            return Err(Errno::NotPermitted.into());
        }
        let limit = reservation.count.min(done + (AT_ONCE >> reservation.order));
        for index in done..limit {
            let Ok([first]) =
                self.read_words::<1>(services, reservation.list.wrapping_add(8 * index))
            else {
                return Ok(index);
            };
            for frame in 0..1u64 << reservation.order {
                if !self.remove_frame(services, first.wrapping_add(frame)) {
                    return Ok(index);
                }
            }
        }
        if limit < reservation.count {
            return Err(super::errors::Refusal::Again([1 | limit << DONE_SHIFT, at, 0, 0, 0]));
        }
        Ok(limit)
    }

    /// Takes a frame from the guest; it is free when the last mapping is gone.
    pub(super) fn remove_frame(&mut self, services: &mut dyn Services, frame: u64) -> bool {
        let Some(info) = self.frames.guest(frame).filter(|info| info.allocated) else {
            return false;
        };
        info.allocated = false;
        self.domain.frames -= 1;
        self.set_machine_to_physical(services, frame, INVALID_ENTRY);
        self.put_frame(services, frame);
        true
    }

    /// A new frame for the guest.
    fn add_frame(&mut self, services: &mut dyn Services, physical: u64) -> Option<u64> {
        if self.domain.frames >= self.domain.most_frames {
            return None;
        }
        let frame = services.allocate(Owner::Guest)?;
        self.frames.give(frame);
        self.domain.frames += 1;
        self.set_machine_to_physical(services, frame, physical);
        services.charge(Primitive::FrameTyped, 1);
        Some(frame)
    }

    /// New frames: their numbers replace the list, which for `populate` says where they appear.
    fn reserve(
        &mut self,
        services: &mut dyn Services,
        at: u64,
        done: u64,
        populate: bool,
    ) -> Answer {
        let reservation = self.reservation(services, at)?;
        if populate && !is_guest_array(reservation.list, reservation.count, 8) {
            return Ok(done);
        }
        if done > reservation.count || reservation.order != 0 {
            return Ok(done);
        }
        if self.require_self(reservation.domain).is_err() {
            return Ok(done);
        }
        let limit = reservation.count.min(done + AT_ONCE);
        for index in done..limit {
            let slot = reservation.list.wrapping_add(8 * index);
            let physical = if populate {
                match self.read_words::<1>(services, slot) {
                    Ok([physical]) => physical,
                    Err(_) => return Ok(index),
                }
            } else {
                INVALID_ENTRY
            };
            let Some(frame) = self.add_frame(services, physical) else { return Ok(index) };
            if reservation.list != 0 && self.write_words(services, slot, &[frame]).is_err() {
                self.remove_frame(services, frame);
                return Ok(index);
            }
        }
        if limit < reservation.count {
            let command = if populate { 6 } else { 0 };
            let command = command | limit << DONE_SHIFT;
            return Err(super::errors::Refusal::Again([command, at, 0, 0, 0]));
        }
        Ok(limit)
    }

    /// The memory map of a PC that has only RAM: one range.
    fn memory_map(&mut self, services: &mut dyn Services, at: u64) -> Answer {
        let [entries, buffer] = self.read_words::<2>(services, at)?;
        if entries as u32 == 0 {
            return Err(Errno::Invalid.into());
        }
        let mut bytes = Vec::new();
        bytes.extend(0u64.to_le_bytes());
        bytes.extend((self.domain.most_frames << 12).to_le_bytes());
        bytes.extend(USABLE.to_le_bytes());
        self.write_guest(services, buffer, &bytes)?;
        self.write_guest(services, at, &1u32.to_le_bytes())?;
        Ok(0)
    }

    /// xen_memory_exchange {in, out, nr_exchanged}: frame for frame, only single ones.
    fn exchange(&mut self, services: &mut dyn Services, at: u64) -> Answer {
        let input = self.reservation(services, at)?;
        let output = self.reservation(services, at.wrapping_add(32))?;
        let [done] = self.read_words::<1>(services, at.wrapping_add(64))?;
        if input.order > 9 || output.order > 9 {
            return Err(Errno::NotPermitted.into());
        }
        if input.order != 0 || output.order != 0 {
            // Contiguous frames would have to be found: there are none to promise.
            return Err(Errno::NoMemory.into());
        }
        if input.count != output.count || done > input.count || input.domain != output.domain {
            return Err(Errno::Invalid.into());
        }
        let fits = is_guest_array(input.list, input.count, 8)
            && is_guest_array(output.list, output.count, 8);
        if !fits {
            return Err(Errno::Fault.into());
        }
        self.require_self(input.domain)?;
        let limit = input.count.min(done + AT_ONCE);
        for index in done..limit {
            let offset = 8 * index;
            let [old] = self.read_words::<1>(services, input.list.wrapping_add(offset))?;
            let [physical] = self.read_words::<1>(services, output.list.wrapping_add(offset))?;
            let info = self.frames.get(old);
            if !info.owned || !info.allocated || info.references != 1 {
                return Err(Errno::Invalid.into());
            }
            let frame = services.allocate(Owner::Guest).ok_or(Errno::NoMemory)?;
            self.frames.give(frame);
            self.domain.frames += 1;
            self.set_machine_to_physical(services, frame, physical);
            self.remove_frame(services, old);
            self.write_words(services, output.list.wrapping_add(offset), &[frame])?;
            self.write_words(services, at.wrapping_add(64), &[index + 1])?;
        }
        if limit < input.count {
            return Err(super::errors::Refusal::Again([11, at, 0, 0, 0]));
        }
        Ok(0)
    }

    /// Makes a frame that Xen shares with the guest (`share_xen_page_with_guest`): it can be
    /// mapped, and never becomes anything else.
    pub(super) fn share_frame(&mut self, services: &mut dyn Services) -> Option<u64> {
        let frame = services.allocate(Owner::Guest)?;
        self.frames.give(frame);
        if let Some(info) = self.frames.guest(frame) {
            info.allocated = false;
            info.kind = FrameType::Writable;
            info.validated = true;
            info.type_count = 1;
        }
        Some(frame)
    }
}
