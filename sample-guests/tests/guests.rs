//! Claims about the committed guests.

use paravane_sample_guests::{GUESTS, comparable_lines, find};

#[test]
fn every_guest_is_a_64_bit_elf_for_x86() {
    assert!(!GUESTS.is_empty());
    for guest in GUESTS {
        assert_eq!(
            guest.elf.get(..6),
            Some(&b"\x7fELF\x02\x01"[..]),
            "{}: not a little-endian ELF64",
            guest.name
        );
        assert_eq!(guest.elf.get(18..20), Some(&[62, 0][..]), "{}: not for x86-64", guest.name);
        assert!(guest.elf.len() < 320 << 10, "{}: larger than 320 KiB", guest.name);
    }
}

#[test]
fn every_guest_can_be_found_by_its_name() {
    for guest in GUESTS {
        assert_eq!(find(guest.name), Some(guest));
    }
    assert_eq!(find("no such guest"), None);
}

#[test]
fn every_guest_prints_something_that_can_be_compared() {
    for guest in GUESTS {
        assert!(comparable_lines(guest.expected).count() > 3, "{}", guest.name);
    }
}

#[test]
fn marked_lines_and_carriage_returns_are_not_compared() {
    let lines: Vec<_> = comparable_lines("one\r\n~ two\r\nthree ~ \n").collect();
    assert_eq!(lines, ["one", "three ~ "]);
}

#[test]
fn images_and_manifests_name_no_machine_paths() {
    for guest in GUESTS {
        for root in [&b"/home/"[..], b"/root/", b"/usr/", b"/tmp/"] {
            assert!(
                !guest.elf.windows(root.len()).any(|bytes| bytes == root),
                "{}: names a path of the machine it was built on",
                guest.name
            );
        }
    }
}
