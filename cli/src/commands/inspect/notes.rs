//! Xen's ELF notes as a list.

use paravane_core::guest_image::{Features, XenNotes};
use serde::Serialize;

/// One note: its type, its name in Xen's header file, its value as text.
#[derive(Debug, Serialize)]
pub struct Note {
    /// The number that the file has.
    pub number: u32,
    /// Its name without `XEN_ELFNOTE_`.
    pub name: &'static str,
    /// Its value.
    pub value: String,
}

/// The notes that an image has, in the order of their numbers.
pub fn list(notes: &XenNotes) -> Vec<Note> {
    let number = |value: Option<u64>| value.map(|value| format!("{value:#x}"));
    let text = |value: &Option<String>| value.as_ref().map(|text| format!("{text:?}"));
    let valid = notes.l1_mfn_valid.map(|(mask, value)| format!("mask {mask:#x}, value {value:#x}"));
    let supported = notes.supported_features.map(names);
    let all = [
        (1, "ENTRY", number(notes.entry)),
        (2, "HYPERCALL_PAGE", number(notes.hypercall_page)),
        (3, "VIRT_BASE", number(notes.virt_base)),
        (4, "PADDR_OFFSET", number(notes.paddr_offset)),
        (5, "XEN_VERSION", text(&notes.xen_version)),
        (6, "GUEST_OS", text(&notes.guest_os)),
        (7, "GUEST_VERSION", text(&notes.guest_version)),
        (8, "LOADER", text(&notes.loader)),
        (9, "PAE_MODE", text(&notes.pae_mode)),
        (10, "FEATURES", notes.features.as_ref().map(|features| format!("{:?}", features.text))),
        (11, "BSD_SYMTAB", text(&notes.bsd_symtab)),
        (12, "HV_START_LOW", number(notes.hv_start_low)),
        (13, "L1_MFN_VALID", valid),
        (14, "SUSPEND_CANCEL", number(notes.suspend_cancel)),
        (15, "INIT_P2M", number(notes.init_p2m)),
        (16, "MOD_START_PFN", number(notes.mod_start_pfn)),
        (17, "SUPPORTED_FEATURES", supported),
        (18, "PHYS32_ENTRY", number(notes.phys32_entry)),
    ];
    let note = |(number, name, value): (u32, _, Option<String>)| {
        value.map(|value| Note { number, name, value })
    };
    all.into_iter().filter_map(note).collect()
}

fn names(bits: u32) -> String {
    format!("{bits:#x} ({})", Features::names(bits).collect::<Vec<_>>().join(", "))
}
