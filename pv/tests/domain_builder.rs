//! The domain builder: images with the notes that kernels really have, and images that can't be
//! started.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use paravane_core::accounting::{Cause, Costs};
use paravane_core::guest_image::{GuestImage, LoadOptions, Module};
use paravane_core::hypervisor::paravirt::{BuildError, ParavirtualMachine, Services};
use paravane_cpu::state::registers::{RIP, RSI, RSP};
use paravane_pv::Xen;

const CAUSE: Cause = Cause::ExternalInterrupt;
const MEMORY: u64 = 16 << 20;

/// hello.elf, with the type and value of some of its Xen notes changed.
fn image(changes: &[(u32, u32, u64)]) -> GuestImage {
    let mut bytes = paravane_sample_guests::find("hello").unwrap().elf.to_vec();
    for (old, new, value) in changes {
        let at = bytes
            .windows(16)
            .position(|w| {
                w[..4] == 4u32.to_le_bytes()
                    && w[4] <= 8
                    && w[8..12] == old.to_le_bytes()
                    && &w[12..] == b"Xen\0"
            })
            .unwrap();
        bytes[at + 8..at + 12].copy_from_slice(&new.to_le_bytes());
        let size = usize::from(bytes[at + 4]);
        bytes[at + 16..at + 16 + size].copy_from_slice(&value.to_le_bytes()[..size]);
    }
    GuestImage::parse(&bytes, "changed").unwrap()
}

fn build(image: &GuestImage, memory: u64) -> Result<ParavirtualMachine, BuildError> {
    let options = LoadOptions {
        command_line: "to be or not to be".into(),
        modules: vec![Module { name: "initrd".into(), bytes: vec![0x5a; 5000] }],
        ..LoadOptions::default()
    };
    ParavirtualMachine::new(Box::new(Xen::default()), image, &options, memory, Costs::free())
}

fn word(services: &mut dyn Services, at: u64) -> u64 {
    let mut bytes = [0; 8];
    services.read_linear(at, &mut bytes).unwrap();
    u64::from_le_bytes(bytes)
}

fn text(services: &mut dyn Services, at: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    services.read_linear(at, &mut bytes).unwrap();
    bytes
}

#[test]
fn a_domain_finds_what_start_info_promises() {
    let image = image(&[]);
    let mut machine = build(&image, MEMORY).unwrap();
    machine.with_services(CAUSE, |abi, services| {
        let info = services.registers().get(RSI);
        assert_eq!(services.registers().get(RIP), image.xen_notes().entry.unwrap());
        assert_eq!(text(services, info, 15), b"xen-3.0-x86_64\0");
        assert_eq!(word(services, info + 32), MEMORY >> 12, "pages");
        assert_eq!(text(services, info + 128, 19), b"to be or not to be\0");
        let (tables, count) = (word(services, info + 88), word(services, info + 96));
        assert_eq!(services.registers().get(RSP), tables + count * 4096 + 4096, "stack");
        assert_eq!(word(services, info + 120), 5000, "module");
        let module = word(services, info + 112);
        assert_eq!(text(services, module, 5000), vec![0x5a; 5000]);
        let list = word(services, info + 104);
        for page in [0, 1, 1000, (MEMORY >> 12) - 1] {
            let frame = word(services, list + 8 * page);
            let table = 0xffff_8000_0000_0000 + 8 * frame;
            assert_eq!(word(services, table), page, "machine-to-physical");
        }
        let root = word(services, list + 8 * (tables >> 12));
        assert_eq!(services.root(), root, "CR3 is pt_base");
        assert!(services.write_linear(tables, &[0]).is_err(), "page tables are read-only");
        abi.verify(services).unwrap();
    });
}

#[test]
fn a_kernel_in_the_upper_half_with_its_frame_list_elsewhere_is_built_as_it_asks() {
    const BASE: u64 = 0xffff_ffff_8000_0000;
    const LIST: u64 = 0x80_0000_0000;
    let plain = image(&[]);
    let entry = plain.xen_notes().entry.unwrap() + BASE;
    let stubs = plain.xen_notes().hypercall_page.unwrap() + BASE;
    // PADDR_OFFSET becomes INIT_P2M, PAE_MODE becomes MOD_START_PFN.
    let image = image(&[(1, 1, entry), (2, 2, stubs), (3, 3, BASE), (4, 15, LIST), (9, 16, 1)]);
    let mut machine = build(&image, MEMORY).unwrap();
    machine.with_services(CAUSE, |abi, services| {
        let info = services.registers().get(RSI);
        assert!(info > BASE);
        assert_eq!(word(services, info + 104), LIST);
        assert_eq!(word(services, info + 48) & 8, 8, "SIF_MOD_START_PFN");
        let page = word(services, info + 112);
        let frame = word(services, LIST + 8 * page);
        let mut byte = [0];
        services.read_frame(frame, 100, &mut byte);
        assert_eq!(byte, [0x5a], "the module lies at the page that mod_start names");
        assert_eq!(text(services, stubs + 32 * 23, 4), [0x51, 0x41, 0x53, 0x50], "the iret stub");
        assert_eq!(word(services, info + 1160), word(services, info + 32).div_ceil(512));
        abi.verify(services).unwrap();
    });
}

#[test]
fn an_image_that_asks_for_the_impossible_is_refused_with_a_reason() {
    for (changes, memory, reason) in [
        (vec![(3, 3, 0x1234)], MEMORY, "VIRT_BASE is 0x1234"),
        (vec![(3, 3, 0xffff_8000_0000_0000)], MEMORY, "VIRT_BASE"),
        (vec![(3, 3, 0x7fff_ffff_f000)], MEMORY, "VIRT_BASE"),
        (vec![(3, 3, 0xffff_ffff_ffff_f000)], MEMORY, "VIRT_BASE"),
        (vec![(1, 1, 0x7000_0000)], MEMORY, "ENTRY"),
        (vec![(2, 2, 0x10_0010)], MEMORY, "HYPERCALL_PAGE"),
        (vec![(4, 15, 0xffff_8000_0000_0000)], MEMORY, "INIT_P2M"),
        (vec![(4, 4, 0x20_0000)], MEMORY, "does not fit"),
        (vec![(4, 15, 0x7fff_ffff_f000)], MEMORY, "INIT_P2M"),
    ] {
        let error = build(&image(&changes), memory).err();
        let error = error.unwrap_or_else(|| panic!("{changes:x?} was accepted")).to_string();
        assert!(error.contains(reason), "{changes:x?}: {error}");
    }
}
