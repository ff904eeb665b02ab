//! Where Xen's own things are in every guest's address space, and the layout of the structures
//! that it shares with its guest. Source: `xen/include/public/arch-x86/xen-x86_64.h` and `xen.h`.

use paravane_cpu::PAGE_SIZE;

/// First and one past the last root-table slot that belong to Xen.
pub const XEN_SLOTS: std::ops::Range<usize> = 256..272;
/// HYPERVISOR_VIRT_START: Xen's first address.
pub const XEN_START: u64 = 0xffff_8000_0000_0000;
/// HYPERVISOR_VIRT_END: the first address above Xen that is the guest's again.
pub const XEN_END: u64 = 0xffff_8800_0000_0000;
/// MACH2PHYS_VIRT_START: the read-only table from machine frames to pseudo-physical ones.
pub const MACHINE_TO_PHYSICAL: u64 = XEN_START;
/// MACH2PHYS_VIRT_END.
pub const MACHINE_TO_PHYSICAL_END: u64 = 0xffff_8040_0000_0000;
/// MACH2PHYS_NR_ENTRIES - 1.
pub const LAST_MACHINE_TO_PHYSICAL: u64 = 0x7_ffff_ffff;
/// An entry of that table for a frame that is not the guest's.
pub const INVALID_ENTRY: u64 = u64::MAX;

/// The root-table slot of the area where the domain's descriptor tables are mapped.
pub const DOMAIN_SLOT: usize = 260;
/// The global descriptor table: 14 frames of the guest's, one of Xen's.
pub const DESCRIPTOR_TABLE: u64 = 0xffff_8200_0000_0000;
/// The local descriptor table: up to 16 frames.
pub const LOCAL_DESCRIPTOR_TABLE: u64 = DESCRIPTOR_TABLE + 32 * PAGE_SIZE;
/// FIRST_RESERVED_GDT_PAGE: guests have the pages below.
pub const GUEST_DESCRIPTOR_PAGES: usize = 14;
/// FIRST_RESERVED_GDT_ENTRY.
pub const GUEST_DESCRIPTORS: u64 = 7168;
/// Pages of the largest local descriptor table.
pub const LOCAL_DESCRIPTOR_PAGES: usize = 16;
/// Index of the first local descriptor page among the pages of the area.
pub const FIRST_LOCAL_PAGE: usize = 32;
/// LAST_RESERVED_GDT_BYTE.
pub const DESCRIPTOR_TABLE_LIMIT: u16 = 0xefff;

/// FLAT_RING3_CS64.
pub const KERNEL_CODE: u16 = 0xe033;
/// FLAT_RING3_SS64.
pub const KERNEL_STACK: u16 = 0xe02b;
/// FLAT_RING3_CS32.
pub const CODE_32: u16 = 0xe023;

/// Fields of `vcpu_info`, in bytes.
pub mod vcpu_info {
    /// evtchn_upcall_pending.
    pub const UPCALL_PENDING: u64 = 0;
    /// evtchn_upcall_mask.
    pub const UPCALL_MASK: u64 = 1;
    /// evtchn_pending_sel.
    pub const PENDING_WORDS: u64 = 8;
    /// arch.cr2.
    pub const FAULT_ADDRESS: u64 = 16;
    /// time.
    pub const TIME: u64 = 32;
    /// Size of the structure.
    pub const SIZE: u64 = 64;
}

/// Fields of `shared_info`, in bytes.
pub mod shared_info {
    /// evtchn_pending.
    pub const PENDING: u64 = 2048;
    /// evtchn_mask.
    pub const MASK: u64 = 2560;
    /// wc_version, wc_sec, wc_nsec, wc_sec_hi.
    pub const WALL_CLOCK: u64 = 3072;
}

/// Whether an address is the guest's to use: `__addr_ok`. Xen's hole also holds what is not
/// canonical.
pub const fn is_guest_address(linear: u64) -> bool {
    linear < 1 << 47 || linear >= XEN_END
}

/// Whether `count` elements of `size` bytes from `linear` are all the guest's: `array_access_ok`.
pub fn is_guest_array(linear: u64, count: u64, size: u64) -> bool {
    if !is_guest_address(linear) {
        return false;
    }
    let last =
        count.max(1).checked_mul(size.max(1)).and_then(|bytes| linear.checked_add(bytes - 1));
    last.is_some_and(|last| is_guest_address(last) && (linear < XEN_START) == (last < XEN_START))
}
