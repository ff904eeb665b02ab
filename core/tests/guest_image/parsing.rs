//! What the parser finds in a file, and what it says about a bad one.

use paravane_core::guest_image::{Class, GuestImage, ImageError, StartKind};

use crate::builder::{Builder, FUNCTION, LABEL};

fn parse(builder: &Builder) -> GuestImage {
    GuestImage::parse(&builder.build(), "guest.elf").unwrap()
}

fn text(text: &str) -> Vec<u8> {
    text.bytes().chain([0]).collect()
}

#[test]
fn segments_of_both_classes_are_found_with_both_addresses() {
    for (mut builder, class) in [(Builder::elf32(), Class::Elf32), (Builder::elf64(), Class::Elf64)]
    {
        builder.segments.push((0xC020_0000, 0x20_0000, b"data".to_vec(), 4));
        let image = parse(&builder);
        assert_eq!(image.class(), Some(class));
        assert_eq!(image.segments().len(), 2);
        let data = image.segments()[1];
        assert_eq!((data.virtual_address, data.physical_address), (0xC020_0000, 0x20_0000));
        assert_eq!(image.segment_bytes(&data), b"data");
        assert_eq!((data.file_size, data.memory_size), (4, 4));
    }
}

#[test]
fn an_address_finds_the_symbol_that_covers_it() {
    for mut builder in [Builder::elf32(), Builder::elf64()] {
        builder.symbols = vec![
            ("main", 0x10_0010, 0x10, FUNCTION),
            ("start", 0x10_0000, 0, LABEL),
            ("loop", 0x10_0008, 0, LABEL),
            ("main_alias", 0x10_0010, 0, LABEL),
        ];
        let image = parse(&builder);
        for (address, expected) in [
            (0x0F_FFFF, None),
            (0x10_0000, Some(("start", 0))),
            (0x10_0007, Some(("start", 7))),
            (0x10_0008, Some(("loop", 0))),
            (0x10_0010, Some(("main", 0))),
            (0x10_001F, Some(("main", 15))),
            (0x10_0020, None),
            (u64::MAX, None),
        ] {
            assert_eq!(image.symbol_at(address), expected, "{address:#x}");
        }
    }
}

#[test]
fn xen_notes_are_decoded_from_segments_and_from_sections() {
    for (note_segment, note_section) in [(true, true), (true, false), (false, true)] {
        let mut builder = Builder { note_segment, note_section, ..Builder::elf64() };
        builder.notes = vec![
            ("GNU", 1, vec![1, 2, 3]),
            ("Xen", 1, 0xFFFF_8000_0010_0000_u64.to_le_bytes().to_vec()),
            ("Xen", 2, 0x10_1000_u64.to_le_bytes().to_vec()),
            ("Xen", 3, 0xFFFF_8000_0000_0000_u64.to_le_bytes().to_vec()),
            ("Xen", 4, 0_u64.to_le_bytes().to_vec()),
            ("Xen", 5, text("xen-3.0")),
            ("Xen", 6, text("paravane")),
            ("Xen", 8, text("generic")),
            ("Xen", 9, text("yes")),
            ("Xen", 10, text("!writable_page_tables|pae_pgdir_above_4gb")),
            ("Xen", 13, [1_u64.to_le_bytes(), 1_u64.to_le_bytes()].concat()),
            ("Xen", 15, 0x8000_0000_u64.to_le_bytes().to_vec()),
            ("Xen", 16, 1_u32.to_le_bytes().to_vec()),
            ("Xen", 17, 0x8801_u32.to_le_bytes().to_vec()),
            ("Xen", 18, 0x10_0040_u32.to_le_bytes().to_vec()),
        ];
        let image = parse(&builder);
        let notes = image.xen_notes();
        assert_eq!(notes.count, 14);
        assert_eq!(notes.entry, Some(0xFFFF_8000_0010_0000));
        assert_eq!(notes.hypercall_page, Some(0x10_1000));
        assert_eq!(notes.virt_base, Some(0xFFFF_8000_0000_0000));
        assert_eq!(notes.paddr_offset, Some(0));
        assert_eq!(notes.xen_version.as_deref(), Some("xen-3.0"));
        assert_eq!(notes.guest_os.as_deref(), Some("paravane"));
        assert_eq!(notes.guest_version, None);
        assert_eq!(notes.loader.as_deref(), Some("generic"));
        assert_eq!(notes.pae_mode.as_deref(), Some("yes"));
        assert_eq!(notes.features.as_ref().map(|features| features.required), Some(1));
        assert_eq!(notes.l1_mfn_valid, Some((1, 1)));
        assert_eq!(notes.init_p2m, Some(0x8000_0000));
        assert_eq!(notes.mod_start_pfn, Some(1));
        assert_eq!(notes.supported_features, Some(0x8801));
        assert_eq!(notes.phys32_entry, Some(0x10_0040));
        assert!(
            image.start_methods().iter().all(|method| {
                method.missing.is_some() == (method.kind == StartKind::Multiboot)
            })
        );
    }
}

#[test]
fn start_methods_say_what_is_missing() {
    let methods = parse(&Builder::elf64()).start_methods();
    let missing = |index: usize| methods[index].missing.as_deref().unwrap();
    assert!(missing(0).contains("PHYS32_ENTRY"));
    assert!(missing(1).contains("no ELF notes"));
    assert!(missing(2).contains("no Multiboot header"));

    let methods = parse(&Builder::elf32().multiboot(0, [0; 5])).start_methods();
    assert_eq!(methods[2].missing, None);
    assert!(methods[1].missing.as_deref().unwrap().contains("ELF64"));

    let methods = parse(&Builder::elf32().multiboot(1 << 5, [0; 5])).start_methods();
    assert!(methods[2].missing.as_deref().unwrap().contains("0x20"), "a flag nobody knows");
}

#[test]
fn a_multiboot_header_needs_its_checksum_and_a_place_in_the_first_8_kib() {
    let with_header = Builder::elf32().multiboot(3, [0; 5]);
    assert_eq!(parse(&with_header).multiboot().unwrap().flags, 3);

    let mut wrong_sum = with_header.clone();
    wrong_sum.segments[0].2[8] ^= 1;
    assert!(parse(&wrong_sum).multiboot().is_none());

    for (padding, found) in [(8000, true), (8200, false)] {
        let mut moved = with_header.clone();
        moved.segments[0].2.splice(0..0, vec![0; padding]);
        moved.segments[0].3 += padding as u64;
        assert_eq!(parse(&moved).multiboot().is_some(), found);
    }
}

#[test]
fn messages_name_the_file_the_field_its_offset_and_the_remedy() {
    let good = Builder::elf64().pvh().build();
    let message = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = good.clone();
        change(&mut bytes);
        GuestImage::parse(&bytes, "guest.elf").unwrap_err().to_string()
    };
    for (error, parts) in [
        (message(&|bytes| bytes.clear()), ["neither an ELF file", "vmlinux"]),
        (message(&|bytes| bytes.truncate(20)), ["ELF header", "cut short"]),
        (message(&|bytes| bytes.truncate(100)), ["program header table", "cut short"]),
        (message(&|bytes| bytes[4] = 3), ["EI_CLASS (offset 0x4) is 0x3", "ELF32"]),
        (message(&|bytes| bytes[5] = 2), ["EI_DATA (offset 0x5) is 0x2", "little-endian"]),
        (message(&|bytes| bytes[18] = 183), ["e_machine (offset 0x12) is 0xb7", "x86"]),
        (message(&|bytes| bytes[16] = 1), ["e_type (offset 0x10) is 0x1", "link the guest"]),
        (message(&|bytes| bytes[56] = 0), ["e_phnum", "segments"]),
        (message(&|bytes| bytes[54] = 1), ["e_phentsize", "56"]),
        // p_filesz, p_offset and p_paddr of the first segment.
        (message(&|bytes| bytes[64 + 32] = 0xFF), ["p_filesz (offset 0x40) is 0xff", "p_memsz"]),
        (message(&|bytes| bytes[64 + 15] = 0xFF), ["a segment takes 0x8 bytes", "cut short"]),
        (message(&|bytes| bytes[64 + 24..64 + 32].fill(0xFF)), ["p_paddr", "over the end"]),
    ] {
        assert!(error.starts_with("guest.elf: "), "{error}");
        assert!(parts.iter().all(|part| error.contains(part)), "{error}");
    }
}

#[test]
fn a_note_that_runs_over_its_segment_is_an_error() {
    let mut builder = Builder::elf64();
    builder.notes = vec![("Xen", 5, text("xen-3.0"))];
    let mut bytes = builder.build();
    let at = bytes.windows(4).position(|window| window == b"Xen\0").unwrap();
    bytes[at - 8..at - 4].fill(0xFF);
    let error = GuestImage::parse(&bytes, "guest.elf").unwrap_err();
    assert!(matches!(error, ImageError::Field { field: "n_descsz", value: 0xFFFF_FFFF, .. }));
}

#[test]
fn symbols_that_share_one_endless_name_take_no_memory_of_their_own() {
    let mut builder = Builder::elf64();
    builder.symbols = vec![("x", 0x10_0000, 1, FUNCTION); 5_000];
    let mut bytes = builder.build();
    let strings = bytes.windows(2).rposition(|window| window == b"x\0").unwrap();
    // The string table has no end: every name is the rest of it.
    for byte in bytes[strings - 9_990..strings + 2].iter_mut() {
        *byte = b'x';
    }
    let image = GuestImage::parse(&bytes, "guest.elf").unwrap();
    assert!(image.symbols().all(|(name, _, _)| name.len() <= 4096));
}
