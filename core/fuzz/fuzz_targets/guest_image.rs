//! Any bytes as a guest image: parsed, asked, and loaded in every way.
#![no_main]

use libfuzzer_sys::fuzz_target;
use paravane_core::guest_image::{GuestImage, LoadOptions, Module, load};
use paravane_cpu::Ram;

fuzz_target!(|bytes: &[u8]| {
    let Ok(image) = GuestImage::parse(bytes, "fuzz") else { return };
    for (_, address, _) in image.symbols() {
        image.symbol_at(address);
    }
    let mut ram = Ram::new(4 << 20);
    for method in image.start_methods() {
        let module = Module { name: "module".into(), bytes: vec![1; 100] };
        let options = LoadOptions {
            command_line: "command line".into(),
            modules: vec![module],
            start: Some(method.kind),
        };
        let _ = load(&mut ram, &image, &options);
    }
});
