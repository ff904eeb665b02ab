//! Files that mean harm: whatever the bytes are, no panic, and no memory beyond the file's size.

use paravane_core::guest_image::{GuestImage, LoadOptions, Module, load};
use paravane_cpu::Ram;

use crate::builder::{Builder, FUNCTION};

/// How often each kind of mutation is tried.
const ROUNDS: usize = 40_000;

/// A pseudo-random generator (xorshift64), so that every run is the same.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }
}

fn images() -> Vec<Vec<u8>> {
    let addresses = [0x10_0000, 0x10_0000, 0, 0x10_0100, 0x10_0020];
    let mut rich = Builder::elf64().pvh();
    rich.notes.push(("Xen", 5, b"xen-3.0\0".to_vec()));
    rich.notes.push(("Xen", 10, b"!writable_page_tables|x\0".to_vec()));
    rich.symbols = vec![("start", 0x10_0000, 4, FUNCTION), ("end", 0x10_0004, 0, 0)];
    rich.segments.push((0x20_0000, 0x20_0000, vec![1; 64], 0x1000));
    let kludge = Builder::elf32().multiboot(1 << 16, addresses).build();
    let header = kludge.windows(4).position(|word| word == 0x1BAD_B002_u32.to_le_bytes());
    let flat = kludge[header.unwrap()..].to_vec();
    let mut small = rich.clone();
    (small.is_64, small.machine) = (false, 3);
    vec![rich.build(), small.multiboot(3, [0; 5]).build(), kludge, flat]
}

/// Does with an image all that can be done.
fn exercise(ram: &mut Ram, bytes: &[u8]) {
    let Ok(image) = GuestImage::parse(bytes, "hostile") else { return };
    assert!(image.segments().len() <= bytes.len() / 32);
    for (name, address, _) in image.symbols() {
        assert!(name.len() <= bytes.len());
        assert!(image.symbol_at(address).is_some());
    }
    let _ = image.symbol_at(u64::MAX);
    let _ = image.start_methods();
    for kind in image.start_methods().map(|method| method.kind) {
        let module = Module { name: "module".into(), bytes: vec![1; 100] };
        let options = LoadOptions {
            command_line: "command line".into(),
            modules: vec![module],
            start: Some(kind),
        };
        let _ = load(ram, &image, &options);
    }
    let _ = load(ram, &image, &LoadOptions::default());
}

#[test]
fn flipped_bytes_never_panic() {
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    let mut ram = Ram::new(4 << 20);
    for image in images() {
        for _ in 0..ROUNDS {
            let mut bytes = image.clone();
            for _ in 0..=random.below(8) {
                let at = random.below(bytes.len());
                bytes[at] = random.next() as u8;
            }
            exercise(&mut ram, &bytes);
        }
    }
}

#[test]
fn fields_set_to_extremes_never_panic() {
    let mut random = Random(0xD1B5_4A32_D192_ED03);
    let mut ram = Ram::new(4 << 20);
    let extremes =
        [0, 1, 0x7F, 0xFF, 0xFFFF, 0x7FFF_FFFF, 0xFFFF_FFFF, 1 << 63, u64::MAX - 7, u64::MAX];
    for image in images() {
        for _ in 0..ROUNDS {
            let mut bytes = image.clone();
            for _ in 0..=random.below(3) {
                let width = 1 << random.below(4);
                let at = random.below(bytes.len() - width) & !(width - 1);
                let value = extremes[random.below(extremes.len())];
                bytes[at..at + width].copy_from_slice(&value.to_le_bytes()[..width]);
            }
            exercise(&mut ram, &bytes);
        }
    }
}

#[test]
fn truncated_files_never_panic() {
    let mut ram = Ram::new(4 << 20);
    for image in images() {
        for length in 0..image.len() {
            exercise(&mut ram, &image[..length]);
        }
    }
}
