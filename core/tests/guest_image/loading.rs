//! Where the loader puts an image, and what a guest finds there.

use paravane_core::guest_image::{
    GuestImage, LoadError, LoadOptions, Module, Start, StartKind, load,
};
use paravane_cpu::Ram;

use crate::builder::Builder;

const MIB: u64 = 1 << 20;

fn options() -> LoadOptions {
    let module =
        |name: &str, size: usize| Module { name: name.into(), bytes: vec![size as u8; size] };
    LoadOptions {
        command_line: "console=com1 quiet".into(),
        modules: vec![module("first", 5000), module("second", 3)],
        start: None,
    }
}

fn try_load(
    builder: &Builder,
    size: u64,
    options: &LoadOptions,
) -> Result<(Ram, Start), LoadError> {
    let image = GuestImage::parse(&builder.build(), "guest.elf").unwrap();
    let mut ram = Ram::new(size);
    ram.slice_mut(0, size).unwrap().fill(0xCC);
    let start = load(&mut ram, &image, options)?;
    Ok((ram, start))
}

fn string(ram: &Ram, address: u64) -> String {
    let bytes = (address..).map(|address| ram.read::<u8>(address).unwrap());
    String::from_utf8(bytes.take_while(|&byte| byte != 0).collect()).unwrap()
}

fn u32_at(ram: &Ram, address: u64) -> u64 {
    u64::from(ram.read::<u32>(address).unwrap())
}

fn u64_at(ram: &Ram, address: u64) -> u64 {
    ram.read::<u64>(address).unwrap()
}

/// The memory map as both protocols tell it, on 16 MiB.
const MAP: [(u64, u64, u64); 4] =
    [(0, 0x9_FC00, 1), (0x9_FC00, 0x400, 2), (0xA_0000, 0x6_0000, 2), (MIB, 15 * MIB, 1)];

#[test]
fn bss_is_zeroed_whatever_ram_held_before() {
    let (ram, _) = try_load(&Builder::elf64().pvh(), 16 * MIB, &options()).unwrap();
    assert_eq!(ram.slice(MIB, 16).unwrap(), b"\xF4\xEB\xFDcode!\0\0\0\0\0\0\0\0");
    assert_eq!(ram.read::<u8>(MIB + 16), Some(0xCC), "behind the segment, RAM is not touched");
}

#[test]
fn a_pvh_guest_finds_hvm_start_info_version_1() {
    let (ram, start) = try_load(&Builder::elf64().pvh(), 16 * MIB, &options()).unwrap();
    let Start::Pvh { entry, start_info } = start else { panic!("{start:?}") };
    assert_eq!(entry, 0x10_0000);
    let info = u64::from(start_info);
    assert_eq!(u32_at(&ram, info), 0x336E_C578);
    assert_eq!(u32_at(&ram, info + 4), 1, "version");
    assert_eq!(u32_at(&ram, info + 8), 0, "flags");
    assert_eq!(u32_at(&ram, info + 12), 2, "nr_modules");
    assert_eq!(string(&ram, u64_at(&ram, info + 24)), "console=com1 quiet");
    assert_eq!(u64_at(&ram, info + 32), 0, "rsdp_paddr");

    let modules = u64_at(&ram, info + 16);
    for (at, name, size) in [(modules, "first", 5000), (modules + 32, "second", 3)] {
        let address = u64_at(&ram, at);
        assert!(address.is_multiple_of(4096));
        assert_eq!(u64_at(&ram, at + 8), size);
        assert_eq!(string(&ram, u64_at(&ram, at + 16)), name);
        assert!(ram.slice(address, size).unwrap().iter().all(|&byte| byte == size as u8));
    }

    let map = u64_at(&ram, info + 40);
    assert_eq!(u32_at(&ram, info + 48), MAP.len() as u64);
    for (at, expected) in (map..).step_by(24).zip(MAP) {
        assert_eq!((u64_at(&ram, at), u64_at(&ram, at + 8), u32_at(&ram, at + 16)), expected);
    }
}

#[test]
fn a_multiboot_guest_finds_the_information_structure() {
    let builder = Builder::elf32().multiboot(0b11, [0; 5]);
    let (ram, start) = try_load(&builder, 16 * MIB, &options()).unwrap();
    let Start::Multiboot { entry, info } = start else { panic!("{start:?}") };
    assert_eq!(entry, 0x10_0000);
    let info = u64::from(info);
    let flags = u32_at(&ram, info);
    assert_eq!(flags, 0b10_0100_1101, "memory, command line, modules, map, loader");
    assert_eq!(u32_at(&ram, info + 4), 639, "mem_lower in KiB");
    assert_eq!(u32_at(&ram, info + 8), 15 * 1024, "mem_upper in KiB");
    assert_eq!(string(&ram, u32_at(&ram, info + 16)), "console=com1 quiet");
    assert_eq!(string(&ram, u32_at(&ram, info + 64)), "Paravane");

    assert_eq!(u32_at(&ram, info + 20), 2, "mods_count");
    let second = u32_at(&ram, info + 24) + 16;
    assert_eq!(u32_at(&ram, second + 4) - u32_at(&ram, second), 3);
    assert_eq!(string(&ram, u32_at(&ram, second + 8)), "second");

    assert_eq!(u32_at(&ram, info + 44), MAP.len() as u64 * 24);
    let map = u32_at(&ram, info + 48);
    for (at, expected) in (map..).step_by(24).zip(MAP) {
        assert_eq!(u32_at(&ram, at), 20, "the size field does not count itself");
        let range = (u64_at(&ram, at + 4), u64_at(&ram, at + 12), u32_at(&ram, at + 20));
        assert_eq!(range, expected);
    }
}

#[test]
fn a_virtual_multiboot_entry_becomes_physical() {
    let mut builder = Builder::elf32().multiboot(0, [0; 5]);
    builder.segments[0].0 = 0xC010_0000;
    builder.entry = 0xC010_0020;
    let (_, start) = try_load(&builder, 16 * MIB, &options()).unwrap();
    assert!(matches!(start, Start::Multiboot { entry: 0x10_0020, .. }), "{start:?}");
}

#[test]
fn multiboot_address_fields_override_elf() {
    // The header is at the start of the segment. It wants to be loaded at 2 MiB, with BSS.
    let fields = |offset: u32| {
        let at = 0x20_0000 + offset;
        [at, at, at + 40, at + 48, at + 32]
    };
    let builder = Builder::elf64().multiboot(1 << 16, fields(0));
    let (ram, start) = try_load(&builder, 16 * MIB, &options()).unwrap();
    assert!(matches!(start, Start::Multiboot { entry: 0x20_0020, .. }), "{start:?}");
    assert_eq!(ram.slice(0x20_0020, 16).unwrap(), b"\xF4\xEB\xFDcode!\0\0\0\0\0\0\0\0");
    assert_eq!(ram.read::<u8>(0x10_0000), Some(0xCC), "the ELF segment was not loaded");

    let elf = builder.build();
    let at = elf.windows(4).position(|word| word == 0x1BAD_B002_u32.to_le_bytes()).unwrap();
    let image = GuestImage::parse(&elf[at..], "flat.bin").unwrap();
    assert_eq!(image.class(), None, "a flat file with a header is an image, too");
    let mut ram = Ram::new(16 * MIB);
    assert!(load(&mut ram, &image, &options()).is_ok());
    assert_eq!(ram.read::<u8>(0x20_0020), Some(0xF4));
}

#[test]
fn multiboot_comes_first_as_in_qemu_unless_somebody_chooses() {
    let both = Builder::elf32().pvh().multiboot(0, [0; 5]);
    let (_, start) = try_load(&both, 16 * MIB, &options()).unwrap();
    assert!(matches!(start, Start::Multiboot { .. }));
    let chosen = LoadOptions { start: Some(StartKind::Pvh), ..options() };
    let (_, start) = try_load(&both, 16 * MIB, &chosen).unwrap();
    assert!(matches!(start, Start::Pvh { .. }));
}

#[test]
fn a_64_bit_multiboot_image_is_refused_unless_it_has_a_pvh_note() {
    let builder = Builder::elf64().multiboot(0, [0; 5]);
    let error = try_load(&builder, 16 * MIB, &options()).unwrap_err().to_string();
    assert!(error.contains("objcopy -O elf32-i386"), "{error}");
    let (_, start) = try_load(&builder.pvh(), 16 * MIB, &options()).unwrap();
    assert!(matches!(start, Start::Pvh { .. }));
}

#[test]
fn what_does_not_fit_is_refused_with_a_remedy() {
    let pvh = || Builder::elf64().pvh();
    let at = |address: u64, size: u64| {
        let mut builder = pvh();
        builder.segments.push((address, address, Vec::new(), size));
        builder
    };
    let refused = |builder: &Builder, size| try_load(builder, size, &options()).unwrap_err();
    assert!(matches!(
        refused(&at(16 * MIB - 8, 16), 16 * MIB),
        LoadError::OutsideRam { index: 1, .. }
    ));
    assert!(matches!(refused(&at(1 << 60, 1 << 59), 16 * MIB), LoadError::OutsideRam { .. }));
    assert!(matches!(refused(&at(0xB_8000, 16), 16 * MIB), LoadError::Reserved { .. }));
    assert!(matches!(refused(&at(0x9_0000, MIB), 16 * MIB), LoadError::Reserved { .. }));
    assert!(matches!(refused(&at(MIB + 15, 16), 16 * MIB), LoadError::Overlap { .. }));
    let big = Module { name: "big".into(), bytes: vec![0; MIB as usize] };
    let big = LoadOptions { modules: vec![big], ..options() };
    let full = at(MIB + 16, 15 * MIB - 16);
    assert!(matches!(try_load(&full, 16 * MIB, &big), Err(LoadError::NoRoom { .. })));
    assert!(matches!(refused(&Builder::elf64(), 16 * MIB), LoadError::NoStartMethod { .. }));

    let mut far = Builder::elf64();
    far.notes.push(("Xen", 18, (1_u64 << 32).to_le_bytes().to_vec()));
    assert!(matches!(refused(&far, 16 * MIB), LoadError::Entry { entry: 0x1_0000_0000, .. }));

    let zero = LoadOptions { command_line: "a\0b".into(), ..options() };
    assert!(matches!(try_load(&pvh(), 16 * MIB, &zero), Err(LoadError::ZeroByte { .. })));
    let zero = LoadOptions { start: Some(StartKind::XenPv), ..options() };
    assert!(matches!(try_load(&pvh(), 16 * MIB, &zero), Err(LoadError::Missing { .. })));
}

#[test]
fn nothing_that_the_loader_adds_overlaps_the_guest_or_itself() {
    // The guest's segments leave only small holes; what it reads back must still be intact.
    let mut builder = Builder::elf64().pvh();
    for page in (1..0x9F).step_by(2) {
        builder.segments.push((page << 12, page << 12, vec![0x5A; 4096], 4096));
    }
    builder.segments.push((MIB + 4096, MIB + 4096, vec![0x5A; 4096], MIB / 2));
    let (ram, start) = try_load(&builder, 2 * MIB, &options()).unwrap();
    for (_, address, bytes, _) in &builder.segments {
        assert_eq!(ram.slice(*address, bytes.len() as u64).unwrap(), bytes);
    }
    let Start::Pvh { start_info, .. } = start else { panic!("{start:?}") };
    let modules = u64_at(&ram, u64::from(start_info) + 16);
    let first = u64_at(&ram, modules);
    assert!(ram.slice(first, 5000).unwrap().iter().all(|&byte| byte == 5000_usize as u8));
}
