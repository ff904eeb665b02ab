//! Guests that mean harm: random hypercalls, and page tables that try to get round the checks.
//!
//! After every few calls the personality counts all references again ([`verify`]); every frame
//! access asserts in the allocator that the frame is the guest's. So here "no panic" says much.
//!
//! [`verify`]: paravane_core::hypervisor::paravirt::ParavirtAbi::verify

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod guests;

use paravane_core::accounting::{Cause, Costs};
use paravane_core::hypervisor::paravirt::{Ended, Next, ParavirtualMachine, Services, Stop};
use paravane_cpu::state::registers::{R8, RAX, RDI, RDX, RIP, RSI, RSP};
use paravane_cpu::{Exit, Sensitive};

/// A hypercall of a kernel, executed at this address of plain memory.
const AT: u64 = 0x10_0000;
/// Pages that the calls play with, linear = pseudo-physical. They lie behind the image.
const FIRST_PAGE: u64 = 0x300;
const PAGES: u64 = 24;
/// Where arguments lie.
const ARGUMENTS: u64 = 0x330 << 12;
const DOMAIN_SELF: u64 = 0x7ff0;

const CAUSE: Cause = Cause::ExternalInterrupt;

/// xorshift64*: the same numbers in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, bound: u64) -> u64 {
        (self.next() >> 11) % bound
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }
}

/// A small guest at its first instruction, and the machine frames of its pages.
fn start() -> (ParavirtualMachine, Vec<u64>) {
    let guest = paravane_sample_guests::find("hello").unwrap();
    let image = paravane_core::guest_image::GuestImage::parse(guest.elf, "hello").unwrap();
    let mut machine = ParavirtualMachine::new(
        Box::new(paravane_pv::Xen::default()),
        &image,
        &Default::default(),
        8 << 20,
        Costs::free(),
    )
    .unwrap();
    let list = machine.host.cpu.registers.get(RSI) + 104;
    let frames = machine.with_services(CAUSE, |_, services| {
        let list = read(services, list);
        (0..2048).map(|page| read(services, list + 8 * page)).collect()
    });
    (machine, frames)
}

fn read(services: &mut dyn Services, at: u64) -> u64 {
    let mut bytes = [0; 8];
    services.read_linear(at, &mut bytes).unwrap();
    u64::from_le_bytes(bytes)
}

/// Makes one hypercall. `None`: it ended the domain, or left the kernel.
fn call(machine: &mut ParavirtualMachine, number: u64, arguments: [u64; 5]) -> Option<i64> {
    machine.with_services(CAUSE, |abi, services| {
        for _ in 0..100_000 {
            let registers = services.registers();
            registers.set(RIP, AT);
            if registers.get(RAX) != number || registers.get(RSP) != 0x1234 {
                registers.set(RSP, 0x1234);
                registers.set(RAX, number);
                for (register, value) in [RDI, RSI, RDX, 10, R8].into_iter().zip(arguments) {
                    registers.set(register, value);
                }
            }
            let exit = Exit::Instruction { instruction: Sensitive::Syscall, length: 2 };
            let handled = abi.handle(exit, services);
            if handled.next != Next::Resume || !abi.in_kernel() || abi.is_waiting() {
                return None;
            }
            // A call that is not done yet is to be executed again.
            if services.registers().get(RIP) != AT {
                services.registers().set(RSP, 0);
                return Some(services.registers().get(RAX) as i64);
            }
        }
        panic!("hypercall {number} with {arguments:x?} goes on for ever");
    })
}

fn verify(machine: &mut ParavirtualMachine, what: &str) {
    machine.with_services(CAUSE, |abi, services| {
        if let Err(error) = abi.verify(services) {
            panic!("{what}: {error}");
        }
    });
}

fn write(machine: &mut ParavirtualMachine, at: u64, words: &[u64]) {
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    machine.with_services(CAUSE, |_, services| {
        let _ = services.write_linear(at, &bytes);
    });
}

/// A value that hypercalls find interesting.
fn value(random: &mut Random, frames: &[u64]) -> u64 {
    let page = FIRST_PAGE + random.below(PAGES);
    let frame = frames[page as usize];
    match random.below(16) {
        0 => 0,
        1 => random.below(40),
        2 => u64::MAX - random.below(4),
        3 => random.next(),
        4 => ARGUMENTS + random.below(64) * 8,
        5 => (page << 12) + random.below(512) * 8,
        6 => frame,
        7 => (frame << 12) + random.below(512) * 8 + random.below(4),
        8 => 0xffff_8000_0000_0000 + (random.below(1 << 20) << 12),
        9 => 0x0000_8000_0000_0000 + random.below(1 << 40),
        10 => DOMAIN_SELF,
        11 => random.below(frames.len() as u64 + 4096),
        12 => 1 << random.below(64),
        _ => entry(random, frames),
    }
}

/// A page-table entry, more or less plausible.
fn entry(random: &mut Random, frames: &[u64]) -> u64 {
    let page = match random.below(8) {
        0 => random.below(frames.len() as u64),
        _ => FIRST_PAGE + random.below(PAGES),
    };
    let frame = match random.below(40) {
        0 => random.below(1 << 24),
        1 => 0,
        _ => frames[page as usize],
    };
    let flags = random.pick(&[1, 1, 3, 3, 5, 7, 7, 0, 0x67, 0x83, 0x103, 1 << 63 | 3]);
    frame << 12 | flags
}

#[test]
fn random_hypercalls_never_panic_and_never_upset_the_books() {
    let (fresh, frames) = start();
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut answered = [0u32; 2];
    for _ in 0..400 {
        let mut machine = fresh.clone();
        for _ in 0..100 {
            let words: Vec<u64> = (0..48).map(|_| value(&mut random, &frames)).collect();
            write(&mut machine, ARGUMENTS, &words);
            let number = match random.below(10) {
                0 => random.below(70),
                1 => random.next(),
                _ => u64::from(random.pick(paravane_pv::xen::calls::CALLS).number),
            };
            let mut arguments = [0; 5].map(|_| value(&mut random, &frames));
            if random.below(2) == 0 {
                arguments[0] = random.below(16);
                arguments[1] = ARGUMENTS + random.below(8) * 8;
            }
            match call(&mut machine, number, arguments) {
                Some(answer) => answered[usize::from((-4095..0).contains(&answer))] += 1,
                None => break,
            }
        }
        verify(&mut machine, "after random calls");
        // Whatever became of it: the guest either runs or is ended, in bounded time.
        machine.run(20_000);
        verify(&mut machine, "after running on");
    }
    let [accepted, refused] = answered;
    assert!(accepted > 2000 && refused > 5000, "{accepted} accepted, {refused} refused");
}

#[test]
fn random_page_tables_never_get_round_the_checks() {
    let (fresh, frames) = start();
    let mut random = Random(0x0123_4567_89ab_cdef);
    let mut accepted = [0u32; 8];
    for round in 0..300 {
        let mut machine = fresh.clone();
        for _ in 0..200 {
            let page = FIRST_PAGE + random.below(PAGES);
            let frame = frames[page as usize];
            let kind = random.below(8) as usize;
            let answer = match kind {
                // Fills a page while it is plain memory.
                0 => {
                    for _ in 0..4 {
                        let at = (page << 12) + random.below(512) * 8;
                        write(&mut machine, at, &[entry(&mut random, &frames)]);
                    }
                    Some(0)
                }
                1 => {
                    let flags = random.pick(&[0, 1, 1, 1, 3, 7]);
                    let target = if random.below(4) == 0 {
                        entry(&mut random, &frames) >> 12
                    } else {
                        frame
                    };
                    call(
                        &mut machine,
                        14,
                        [page << 12, target << 12 | flags, random.below(3), 0, 0],
                    )
                }
                2 => extended(&mut machine, random.below(4), frame, 0),
                3 => extended(&mut machine, 4, frame, 0),
                4 => {
                    let command = random.pick(&[15, 15, 16, 17, 13, 5]);
                    let other = frames[(FIRST_PAGE + random.below(PAGES)) as usize];
                    extended(&mut machine, command, frame, other)
                }
                5 => {
                    // Gives a page back, or takes one.
                    if random.below(12) > 0 {
                        continue;
                    }
                    write(&mut machine, ARGUMENTS, &[ARGUMENTS + 64, 1, 0, DOMAIN_SELF]);
                    write(&mut machine, ARGUMENTS + 64, &[frame]);
                    call(&mut machine, 12, [random.pick(&[1, 0, 6]), ARGUMENTS, 0, 0, 0])
                }
                _ => {
                    let at = (frame << 12) + random.below(512) * 8 + random.pick(&[0, 0, 2, 1]);
                    let update = [at, entry(&mut random, &frames)];
                    write(&mut machine, ARGUMENTS, &update);
                    call(&mut machine, 1, [ARGUMENTS, 1, 0, DOMAIN_SELF, 0])
                }
            };
            match answer {
                Some(0) => accepted[kind] += 1,
                Some(_) => {}
                None => break,
            }
        }
        verify(&mut machine, &format!("round {round}"));
        machine.run(5_000);
        verify(&mut machine, &format!("round {round} after running on"));
    }
    assert!(accepted.iter().all(|count| *count > 20), "{accepted:?}");
}

fn extended(
    machine: &mut ParavirtualMachine,
    command: u64,
    first: u64,
    second: u64,
) -> Option<i64> {
    write(machine, ARGUMENTS, &[command, first, second]);
    call(machine, 26, [ARGUMENTS, 1, 0, DOMAIN_SELF, 0])
}

/// Machine code at an address of plain memory, about to be executed.
fn execute(machine: &mut ParavirtualMachine, code: &[u8]) {
    machine.with_services(CAUSE, |_, services| {
        services.write_linear(AT, code).unwrap();
        services.registers().set(RIP, AT);
        services.registers().set(RSP, ARGUMENTS);
    });
}

#[test]
fn a_return_to_itself_for_ever_takes_time() {
    let (mut machine, _) = start();
    // RAX, R11, RCX, flags, RIP, CS, RFLAGS, RSP, SS: back to the SYSCALL, on the same stack.
    write(&mut machine, ARGUMENTS, &[23, 0, 0, 0, AT + 5, 0xe030, 0x202, ARGUMENTS, 0xe02b]);
    // mov eax, 23; syscall
    execute(&mut machine, &[0xb8, 23, 0, 0, 0, 0x0f, 0x05]);
    assert_eq!(machine.run(50_000), Ended::Budget);
    assert_eq!(machine.host.ledger.cycles(&machine.host.costs), machine.host.cpu.cycles);
}

#[test]
fn faults_without_handler_or_stack_end_the_guest_with_a_sentence() {
    for (vector, rsp, expected) in [
        (14, ARGUMENTS, "#UD at 0x100000, for which its kernel has no handler"),
        (6, 0x7000_0000_0000, "its kernel's stack at"),
        (6, 0x8000_0000_0000, "its kernel's stack at"),
        (6, 0xffff_8000_0000_0100, "its kernel's stack at"),
    ] {
        let (mut machine, _) = start();
        write(&mut machine, ARGUMENTS + 64, &[vector | 0xe033 << 16, 0x1234, 0, 0]);
        call(&mut machine, 0, [ARGUMENTS + 64, 0, 0, 0, 0]).unwrap();
        execute(&mut machine, &[0x0f, 0x0b]);
        machine.host.cpu.registers.set(RSP, rsp);
        match machine.run(10_000) {
            Ended::Stopped(Stop::Crashed(why)) => assert!(why.contains(expected), "{why}"),
            other => panic!("{other}"),
        }
    }
}

#[test]
fn a_handler_that_faults_at_its_first_instruction_comes_to_an_end() {
    let (mut machine, frames) = start();
    // A level 1 table whose entries all map one page, again and again in a level 2 table: a
    // stack of 1 GiB in one frame.
    let [stack, l1, l2] = [0, 1, 2].map(|n| frames[(FIRST_PAGE + n) as usize]);
    for word in 0..512 {
        write(&mut machine, ((FIRST_PAGE + 1) << 12) + word * 8, &[(stack << 12) + 3]);
        write(&mut machine, ((FIRST_PAGE + 2) << 12) + word * 8, &[(l1 << 12) + 7]);
    }
    for (page, frame) in [(FIRST_PAGE + 1, l1), (FIRST_PAGE + 2, l2)] {
        assert_eq!(call(&mut machine, 14, [page << 12, frame << 12 | 1, 2, 0, 0]), Some(0));
    }
    let root = machine.host.cpu.control.cr3;
    let third = machine.host.cpu.ram.read::<u64>(root).unwrap() & 0xf_ffff_f000;
    write(&mut machine, ARGUMENTS, &[third + 8 * 5, l2 << 12 | 7]);
    assert_eq!(call(&mut machine, 1, [ARGUMENTS, 1, 0, DOMAIN_SELF, 0]), Some(0));
    verify(&mut machine, "with a stack of 1 GiB");
    write(&mut machine, ARGUMENTS + 64, &[14 | 0xe033 << 16, 0x7000_0000_0000, 0, 0]);
    call(&mut machine, 0, [ARGUMENTS + 64, 0, 0, 0, 0]).unwrap();
    execute(&mut machine, &[0x48, 0x8b, 0x04, 0x25, 0, 0, 0, 0xff]);
    machine.host.cpu.registers.set(RSP, 6 << 30);
    let ended = machine.run(u64::MAX);
    assert!(matches!(ended, Ended::Stopped(Stop::Crashed(_))), "{ended}");
}
