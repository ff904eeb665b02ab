//! What each machine frame is used as, and how often: the heart of direct paging.
//!
//! A frame has at most one *type* at a time. While it is a page table, nobody has a writable
//! mapping of it; while somebody can write it, it is no page table. So the CPU may walk tables
//! that the guest made, and the guest may read them, but every change goes through Xen. Source:
//! `struct page_info` in `xen/arch/x86/include/asm/mm.h`.

/// What a frame is used as (`PGT_*`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FrameType {
    /// Nothing yet.
    #[default]
    None,
    /// A page table of level 1 to 4.
    Table(u8),
    /// Part of a descriptor table.
    Descriptors,
    /// Plain memory with a writable mapping.
    Writable,
}

/// One machine frame (`struct page_info`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Frame {
    /// What it is used as. It may change only while `type_count` is 0.
    pub kind: FrameType,
    /// Its content was checked for that use.
    pub validated: bool,
    /// The guest holds a reference to the type.
    pub pinned: bool,
    /// Belongs to the guest.
    pub owned: bool,
    /// The guest has not given it back (`PGC_allocated`).
    pub allocated: bool,
    /// Uses as `kind` (`PGT_count`).
    pub type_count: u64,
    /// All uses (`PGC_count`).
    pub references: u64,
    /// Linear page-table entries in it if positive, of it if negative (`linear_pt_count`).
    pub linear: i32,
    /// The flush before which its last writable mapping went away.
    pub writable_until: u64,
}

/// All machine frames.
#[derive(Clone, Debug, Default)]
pub struct FrameTypes {
    frames: Vec<Frame>,
    /// Number of full TLB flushes.
    pub flushes: u64,
}

impl FrameTypes {
    /// `count` frames that are nobody's.
    pub fn new(count: u64) -> Self {
        Self { frames: vec![Frame::default(); count as usize], flushes: 1 }
    }

    /// Makes a frame the guest's.
    pub fn give(&mut self, frame: u64) {
        if let Some(info) = self.slot(frame) {
            *info = Frame { owned: true, allocated: true, references: 1, ..Frame::default() };
        }
    }

    /// Makes a frame nobody's.
    pub fn take(&mut self, frame: u64) {
        if let Some(info) = self.slot(frame) {
            *info = Frame::default();
        }
    }

    /// What is known of a frame; a frame that doesn't exist is nobody's.
    pub fn get(&self, frame: u64) -> Frame {
        let frame = usize::try_from(frame).ok();
        frame.and_then(|frame| self.frames.get(frame)).copied().unwrap_or_default()
    }

    /// A frame of the guest's, to change it.
    pub fn guest(&mut self, frame: u64) -> Option<&mut Frame> {
        self.slot(frame).filter(|info| info.owned)
    }

    /// Whether a frame is the guest's.
    pub fn is_guest(&self, frame: u64) -> bool {
        self.get(frame).owned
    }

    /// Number of frames with each type, in the order level 1 to 4, descriptors, writable.
    pub fn census(&self) -> [u64; 6] {
        let mut counts = [0; 6];
        for frame in self.frames.iter().filter(|frame| frame.owned && frame.type_count > 0) {
            let index = match frame.kind {
                FrameType::None => continue,
                FrameType::Table(level) => usize::from(level) - 1,
                FrameType::Descriptors => 4,
                FrameType::Writable => 5,
            };
            if let Some(count) = counts.get_mut(index) {
                *count += 1;
            }
        }
        counts
    }

    /// All frames in the order of their numbers.
    pub fn iter(&self) -> impl Iterator<Item = (u64, &Frame)> {
        (0..).zip(&self.frames)
    }

    fn slot(&mut self, frame: u64) -> Option<&mut Frame> {
        self.frames.get_mut(usize::try_from(frame).ok()?)
    }
}
