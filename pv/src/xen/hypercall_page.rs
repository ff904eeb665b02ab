//! The hypercall page: one stub of 32 bytes for each number, which the guest calls.
//!
//! Source: `init_hypercall_page` in `xen/arch/x86/pv/hypercall.c`.

use super::calls::IRET;

const STUB: usize = 32;

/// The bytes of the page.
pub fn content() -> Vec<u8> {
    let mut page = vec![0xcc; 128 * STUB];
    for (number, stub) in (0u32..).zip(page.chunks_exact_mut(STUB)) {
        let [a, b, c, d] = number.to_le_bytes();
        let code: &[u8] = if number == IRET {
            // push rcx; push r11; push rax; mov eax, 23; syscall
            &[0x51, 0x41, 0x53, 0x50, 0xb8, a, b, c, d, 0x0f, 0x05]
        } else {
            // push rcx; push r11; mov eax, number; syscall; pop r11; pop rcx; ret
            &[0x51, 0x41, 0x53, 0xb8, a, b, c, d, 0x0f, 0x05, 0x41, 0x5b, 0x59, 0xc3]
        };
        if let Some(part) = stub.get_mut(..code.len()) {
            part.copy_from_slice(code);
        }
    }
    page
}
