//! The report of a guest that went wrong.

mod support;

use support::guest_file::{START, guest};
use support::{file, paravane};

#[test]
fn a_triple_fault_tells_the_instruction_the_chain_and_the_callers() {
    // kernel: mov esp, 0x200000; call broken
    // broken: push ebp; mov ebp, esp; ud2     (there is no interrupt descriptor table)
    let code = [
        0xbc, 0, 0, 0x20, 0, // mov esp, 0x200000
        0xe8, 1, 0, 0, 0,    // call broken
        0xf4, // hlt
        0x55, 0x89, 0xe5, 0x0f, 0x0b,
    ];
    let path = file("triple-fault.elf", &guest(&code, &[("kernel", 0), ("broken", 11)]));
    let ran = paravane(&["run", &path]);
    assert_eq!(ran.status, Some(134), "{}", ran.stderr);
    for part in [
        "triple fault",
        "#UD could not be delivered (invalid opcode)",
        "entry 6 of the interrupt descriptor table",
        "broken+0x3, ring 0, protected mode (32-bit code), 4 instructions",
        "0f 0b                    ud2",
        "call    0x1000db <broken>",
        "rsp 00000000001ffff8",
        "Callers by the chain of frame pointers",
        "kernel+0xa",
        "--trace=instructions,exceptions,ports --limit 5",
    ] {
        assert!(ran.stderr.contains(part), "{part:?} is not in\n{}", ran.stderr);
    }

    let json = paravane(&["run", &path, "--json"]).json();
    assert_eq!(json["outcome"]["kind"], "triple-fault");
    assert_eq!(json["exit_status"], 134);
    let report = &json["report"];
    assert_eq!(report["at"]["symbol"], "broken+0x3");
    assert_eq!(report["instruction"]["bytes"], "0f0b");
    assert_eq!(report["faults"][0]["name"], "#UD");
    assert_eq!(report["stack"]["frames"][0]["at"]["symbol"], "kernel+0xa");
    assert_eq!(report["stack"]["frames"][0]["after_call"], true);
    assert_eq!(report["registers"]["rip"], format!("{:#x}", START + 14));
    assert_eq!(report["history"].as_array().map(Vec::len), Some(4));
}

#[test]
fn halting_with_interrupts_off_is_reported() {
    let path = file("halts.elf", &guest(&[0xfa, 0xf4], &[("start", 0)]));
    let ran = paravane(&["run", &path]);
    assert_eq!(ran.status, Some(134));
    assert!(ran.stderr.contains("halted with interrupts disabled"), "{}", ran.stderr);
    assert!(ran.stderr.contains("hlt"), "{}", ran.stderr);
}

#[test]
fn a_hardware_task_switch_is_named_as_not_implemented() {
    // lgdt [eax] with a table whose entry 1 is an available TSS; jmp far 8:0
    let mut code = vec![
        0x0f, 0x01, 0x15, 0, 0, 0, 0, // lgdt [pointer]
        0xea, 0, 0, 0, 0, 8, 0, // jmp 8:0
        0, 0, // alignment
    ];
    let pointer = START + code.len() as u64;
    code[3..7].copy_from_slice(&(pointer as u32).to_le_bytes());
    code.extend(15_u16.to_le_bytes());
    code.extend((pointer as u32 + 6).to_le_bytes());
    code.extend([0; 8]);
    code.extend([0x67, 0, 0, 0, 0, 0x89, 0, 0]);
    let path = file("task-switch.elf", &guest(&code, &[("start", 0)]));
    let ran = paravane(&["run", &path]);
    assert_eq!(ran.status, Some(134), "{}", ran.stderr);
    assert!(ran.stderr.contains("hardware task switch to selector 0x0008: not implemented"));
    assert!(ran.stderr.contains("start+0x7"), "{}", ran.stderr);
}

#[test]
fn a_wild_state_is_reported_without_a_panic() {
    let cases: [(&str, &[u8]); 4] = [
        // Paging with page tables beyond the end of RAM.
        (
            "wild-paging",
            &[
                0xb8, 0, 0xf0, 0xff, 0xff, 0x0f, 0x22, 0xd8, 0x0f, 0x20, 0xc0, 0x0d, 0, 0, 0, 0x80,
                0x0f, 0x22, 0xc0,
            ],
        ),
        // A stack at the end of the address space, and a jump to the last byte of it.
        (
            "wild-stack",
            &[
                0xbc, 0xff, 0xff, 0xff, 0xff, 0xbd, 0xfe, 0xff, 0xff, 0xff, 0xb8, 0xff, 0xff, 0xff,
                0xff, 0xff, 0xe0,
            ],
        ),
        // The frame pointer points to itself.
        (
            "wild-frames",
            &[0xbc, 0, 0, 0x20, 0, 0x89, 0xe5, 0x89, 0x6d, 0, 0xc7, 0x45, 4, 0, 0, 0x10, 0, 0xcc],
        ),
        // Nothing but zeroes, up to the end of RAM.
        ("zeroes", &[]),
    ];
    for (name, code) in cases {
        let path = file(&format!("{name}.elf"), &guest(code, &[("start", 0)]));
        let ran = paravane(&["run", &path, "--memory", "2M"]);
        assert_eq!(ran.status, Some(134), "{name}: {}", ran.stderr);
        assert!(ran.stderr.contains("Control registers"), "{name}: {}", ran.stderr);
        assert!(!ran.stderr.contains("panicked"), "{name}: {}", ran.stderr);
    }
}
