//! Machine frames and who owns them.
//!
//! A guest's memory is scattered over the machine by a fixed permutation, so that a guest-physical
//! address that is used as a machine address by mistake goes wrong at once, and the same way in
//! every run.

use paravane_cpu::PAGE_SHIFT;

/// Number of a machine frame: its address divided by the page size.
pub type FrameNumber = u64;

/// Who owns a machine frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// Nobody.
    Free,
    /// The hypervisor.
    Hypervisor,
    /// The guest.
    Guest,
}

/// All machine frames.
#[derive(Clone, Debug)]
pub struct Frames {
    owners: Vec<Owner>,
    /// Free frames; the last one is handed out next.
    free: Vec<FrameNumber>,
}

/// Steps of the permutation are the first of these that shares no factor with the frame count.
const STEPS: [u64; 4] = [7919, 7907, 7901, 7883];
/// Where the permutation starts.
const OFFSET: u64 = 4099;

impl Frames {
    /// `count` free frames. Frame 0 is never handed out.
    pub fn new(count: u64) -> Self {
        let step = STEPS.into_iter().find(|step| !count.is_multiple_of(*step)).unwrap_or(1);
        let order = (0..count).map(|k| (k.wrapping_mul(step).wrapping_add(OFFSET)) % count.max(1));
        let mut free: Vec<_> = order.filter(|frame| *frame != 0).collect();
        free.reverse();
        Self { owners: vec![Owner::Free; count as usize], free }
    }

    /// Number of machine frames.
    pub fn count(&self) -> u64 {
        self.owners.len() as u64
    }

    /// Number of free frames.
    pub fn free_count(&self) -> u64 {
        self.free.len() as u64
    }

    /// The owner of a frame; frames that don't exist belong to nobody.
    pub fn owner(&self, frame: FrameNumber) -> Option<Owner> {
        self.owners.get(usize::try_from(frame).ok()?).copied()
    }

    /// Hands out a frame, or `None` if all are taken. Its content is what it was.
    pub fn allocate(&mut self, owner: Owner) -> Option<FrameNumber> {
        let frame = self.free.pop()?;
        if let Some(slot) = self.owners.get_mut(frame as usize) {
            *slot = owner;
        }
        Some(frame)
    }

    /// Takes a frame back. Does nothing if it is free already, or doesn't exist.
    pub fn release(&mut self, frame: FrameNumber) {
        if let Some(slot) = self.owners.get_mut(frame as usize)
            && *slot != Owner::Free
        {
            *slot = Owner::Free;
            self.free.push(frame);
        }
    }
}

/// Where each guest-physical frame lies in the machine.
#[derive(Clone, Debug, Default)]
pub struct GuestMap {
    machine: Vec<FrameNumber>,
    /// The other way round; `u64::MAX` where the frame is not the guest's.
    guest: Vec<u64>,
}

impl GuestMap {
    /// Gives the guest `count` frames, or as many as there are.
    pub fn allocate(frames: &mut Frames, count: u64) -> Self {
        let machine: Vec<_> = (0..count).map_while(|_| frames.allocate(Owner::Guest)).collect();
        let mut guest = vec![u64::MAX; frames.count() as usize];
        for (number, frame) in (0..).zip(&machine) {
            if let Some(slot) = guest.get_mut(*frame as usize) {
                *slot = number;
            }
        }
        Self { machine, guest }
    }

    /// Number of guest-physical frames.
    pub fn count(&self) -> u64 {
        self.machine.len() as u64
    }

    /// The machine frame of a guest-physical one.
    pub fn machine_frame(&self, guest_frame: u64) -> Option<FrameNumber> {
        self.machine.get(usize::try_from(guest_frame).ok()?).copied()
    }

    /// The machine address of a guest-physical one.
    pub fn machine_address(&self, guest_physical: u64) -> Option<u64> {
        let frame = self.machine_frame(guest_physical >> PAGE_SHIFT)?;
        Some(frame << PAGE_SHIFT | guest_physical & ((1 << PAGE_SHIFT) - 1))
    }

    /// The guest-physical address of a machine address, if the guest owns it.
    pub fn guest_address(&self, machine: u64) -> Option<u64> {
        let frame = *self.guest.get(usize::try_from(machine >> PAGE_SHIFT).ok()?)?;
        let offset = machine & ((1 << PAGE_SHIFT) - 1);
        (frame != u64::MAX).then_some(frame << PAGE_SHIFT | offset)
    }

    /// The machine frames in the order of the guest-physical ones.
    pub fn as_slice(&self) -> &[FrameNumber] {
        &self.machine
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_frame_but_0_is_handed_out_exactly_once() {
        for count in [1, 2, 7919, 10_000, 7919 * 2] {
            let mut frames = Frames::new(count);
            let mut seen = vec![false; count as usize];
            while let Some(frame) = frames.allocate(Owner::Guest) {
                assert!(!std::mem::replace(&mut seen[frame as usize], true), "{frame} twice");
            }
            assert_eq!(seen.iter().filter(|seen| **seen).count() as u64, count - 1);
            assert!(!seen[0]);
        }
    }

    #[test]
    fn guest_memory_is_not_where_the_guest_believes() {
        let mut frames = Frames::new(16_384);
        let map = GuestMap::allocate(&mut frames, 8192);
        let in_place = (0..8192).filter(|frame| map.machine_frame(*frame) == Some(*frame)).count();
        assert!(in_place < 3, "{in_place} frames lie in place");
        assert_eq!(map.machine_address(8192 << 12), None);
    }
}
