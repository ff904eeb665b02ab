//! Where physical frames really lie: identity, unless a hypervisor says otherwise.

use super::ram::{PAGE_SHIFT, PAGE_SIZE};

/// Marks an address that has no frame in the machine, so that it can't be taken for RAM.
pub(crate) const OUTSIDE: u64 = 1 << 52;

/// For the virtual CPU of a hypervisor: the machine frame behind each of the physical frames that
/// its guest sees. Everything else that touches memory works with machine addresses.
#[derive(Clone, Debug, Default)]
pub struct FrameMap {
    machine: Option<Vec<u64>>,
}

impl FrameMap {
    /// Physical addresses are machine addresses.
    pub const IDENTITY: Self = Self { machine: None };

    /// Frame `n` is machine frame `machine[n]`; frames beyond the list are not RAM.
    pub fn new(machine: Vec<u64>) -> Self {
        Self { machine: Some(machine) }
    }

    /// The machine address of a physical one.
    #[inline]
    pub(crate) fn machine_address(&self, physical: u64) -> u64 {
        let Some(machine) = &self.machine else { return physical };
        let frame = usize::try_from(physical >> PAGE_SHIFT).unwrap_or(usize::MAX);
        match machine.get(frame) {
            Some(frame) => frame << PAGE_SHIFT | physical & (PAGE_SIZE - 1),
            None => physical | OUTSIDE,
        }
    }
}
