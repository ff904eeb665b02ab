//! The instruction table: for each mnemonic, the function that executes it.
//!
//! A row names one function; the macros compile it for the operand kinds and widths that the
//! instruction has, and choose by the [`Shape`] of the one at hand. What has no row raises #UD.

use iced_x86::{Code, ConditionCode, Instruction, Mnemonic};

use super::lower::{Kind, Shape};
use super::op::Handler;
use super::operands::{Immediate, Memory, Register, SourceRegister, ThirdRegister};
use crate::execute::{
    arithmetic, atomics, bits, cpuid, decimal, descriptors, far_transfers, fast_calls, flags,
    floating_point, interrupts, jumps, logic, moves, msr, multiply, ports, segment_loads, shifts,
    stack, strings, system,
};

/// `$handler`, an expression in `W`, for a width in bits.
macro_rules! widths {
    ($bits:expr, $handler:expr, $($number:literal $word:ident),*) => {
        match $bits {
            $($number => {
                type W = $word;
                Some($handler as Handler)
            })*
            _ => None,
        }
    };
}

/// 8, 16, 32 and 64 bits.
macro_rules! any {
    ($bits:expr, $handler:expr) => { widths!($bits, $handler, 8 u8, 16 u16, 32 u32, 64 u64) };
}

/// 16, 32 and 64 bits.
macro_rules! wide {
    ($bits:expr, $handler:expr) => { widths!($bits, $handler, 16 u16, 32 u32, 64 u64) };
}

/// 32 and 64 bits.
macro_rules! long {
    ($bits:expr, $handler:expr) => { widths!($bits, $handler, 32 u32, 64 u64) };
}

/// 16 and 32 bits: what 64-bit mode does not have.
macro_rules! legacy {
    ($bits:expr, $handler:expr) => { widths!($bits, $handler, 16 u16, 32 u32) };
}

/// Destination and source: register, memory, immediate.
macro_rules! forms {
    ($shape:expr, $($f:ident)::+) => {
        match ($shape.dest, $shape.source) {
            (Kind::Register, Kind::Register) => any!($shape.bits, $($f)::+::<W, Register, SourceRegister>),
            (Kind::Register, Kind::Memory) => any!($shape.bits, $($f)::+::<W, Register, Memory>),
            (Kind::Register, Kind::Immediate) => any!($shape.bits, $($f)::+::<W, Register, Immediate>),
            (Kind::Memory, Kind::Register) => any!($shape.bits, $($f)::+::<W, Memory, SourceRegister>),
            (Kind::Memory, Kind::Immediate) => any!($shape.bits, $($f)::+::<W, Memory, Immediate>),
            _ => None,
        }
    };
}

/// One operand that is changed.
macro_rules! changed {
    ($shape:expr, $($f:ident)::+) => {
        match $shape.dest {
            Kind::Register => any!($shape.bits, $($f)::+::<W, Register>),
            Kind::Memory => any!($shape.bits, $($f)::+::<W, Memory>),
            _ => None,
        }
    };
}

/// A register or memory operand of fixed width, at the first place.
macro_rules! place {
    ($shape:expr, $($f:ident)::+) => {
        match $shape.dest {
            Kind::Register => Some($($f)::+::<Register> as Handler),
            Kind::Memory => Some($($f)::+::<Memory> as Handler),
            _ => None,
        }
    };
}

/// A selector or status word stored: into a register as wide as it is, in memory 16 bits.
macro_rules! stored_selector {
    ($shape:expr, $($f:ident)::+) => {
        match $shape.dest {
            Kind::Register => wide!($shape.bits, $($f)::+::<W, Register>),
            Kind::Memory => Some($($f)::+::<u16, Memory> as Handler),
            _ => None,
        }
    };
}

/// A changed operand and a count: immediate or CL.
macro_rules! shift {
    ($shape:expr, $($f:ident)::+) => {
        match ($shape.dest, $shape.source) {
            (Kind::Register, Kind::Register) => any!($shape.bits, $($f)::+::<W, Register, SourceRegister>),
            (Kind::Register, Kind::Immediate) => any!($shape.bits, $($f)::+::<W, Register, Immediate>),
            (Kind::Memory, Kind::Register) => any!($shape.bits, $($f)::+::<W, Memory, SourceRegister>),
            (Kind::Memory, Kind::Immediate) => any!($shape.bits, $($f)::+::<W, Memory, Immediate>),
            _ => None,
        }
    };
}

/// As `shift`, with the count at the third place.
macro_rules! double_shift {
    ($shape:expr, $($f:ident)::+) => {
        match ($shape.dest, $shape.third) {
            (Kind::Register, Kind::Register) => wide!($shape.bits, $($f)::+::<W, Register, ThirdRegister>),
            (Kind::Register, Kind::Immediate) => wide!($shape.bits, $($f)::+::<W, Register, Immediate>),
            (Kind::Memory, Kind::Register) => wide!($shape.bits, $($f)::+::<W, Memory, ThirdRegister>),
            (Kind::Memory, Kind::Immediate) => wide!($shape.bits, $($f)::+::<W, Memory, Immediate>),
            _ => None,
        }
    };
}

/// A register destination, and a register or memory source of the same width.
macro_rules! into_register {
    ($words:ident, $shape:expr, $($f:ident)::+) => {
        match $shape.source {
            Kind::Register => $words!($shape.bits, $($f)::+::<W, SourceRegister>),
            Kind::Memory => $words!($shape.bits, $($f)::+::<W, Memory>),
            _ => None,
        }
    };
}

/// The same for BMI instructions whose r/m operand is the third.
macro_rules! vector_extended {
    ($shape:expr, $($f:ident)::+) => {
        match $shape.third {
            Kind::Register => long!($shape.bits, $($f)::+::<W, SourceRegister>),
            Kind::Memory => long!($shape.bits, $($f)::+::<W, Memory>),
            _ => None,
        }
    };
}

/// A source of `N` bits that is widened into a register.
macro_rules! widened {
    ($shape:expr, $($f:ident)::+) => {
        match ($shape.source, $shape.source_bits) {
            (Kind::Register, 8) => wide!($shape.bits, $($f)::+::<W, u8, SourceRegister>),
            (Kind::Register, 16) => wide!($shape.bits, $($f)::+::<W, u16, SourceRegister>),
            (Kind::Register, 32) => long!($shape.bits, $($f)::+::<W, u32, SourceRegister>),
            (Kind::Memory, 8) => wide!($shape.bits, $($f)::+::<W, u8, Memory>),
            (Kind::Memory, 16) => wide!($shape.bits, $($f)::+::<W, u16, Memory>),
            (Kind::Memory, 32) => long!($shape.bits, $($f)::+::<W, u32, Memory>),
            _ => None,
        }
    };
}

/// BT and its kin: a register bit number with a memory operand indexes a bit string.
macro_rules! bit {
    ($shape:expr, $f:ident, $string:ident) => {
        match ($shape.dest, $shape.source) {
            (Kind::Memory, Kind::Register) => wide!($shape.bits, bits::$string::<W>),
            (Kind::Memory, _) => wide!($shape.bits, bits::$f::<W, Memory, Immediate>),
            (_, Kind::Register) => wide!($shape.bits, bits::$f::<W, Register, SourceRegister>),
            _ => wide!($shape.bits, bits::$f::<W, Register, Immediate>),
        }
    };
}

/// CMPXCHG and XADD: one function for registers, one for memory.
macro_rules! register_or_memory {
    ($shape:expr, $register:ident, $memory:ident) => {
        match $shape.dest {
            Kind::Register => any!($shape.bits, atomics::$register::<W>),
            _ => any!($shape.bits, atomics::$memory::<W>),
        }
    };
}

/// `$handler`, an expression in the constant `C`, for a condition.
macro_rules! condition {
    ($condition:expr, $handler:expr) => {
        condition!($condition, $handler,
            o 0, no 1, b 2, ae 3, e 4, ne 5, be 6, a 7, s 8, ns 9, p 10, np 11, l 12, ge 13, le 14, g 15)
    };
    ($condition:expr, $handler:expr, $($name:ident $number:literal),*) => {
        match $condition {
            ConditionCode::None => None,
            $(ConditionCode::$name => {
                const C: u8 = $number;
                $handler
            })*
        }
    };
}

/// The handler of an instruction, or `None` if this CPU does not have it.
pub(crate) fn handler(i: &Instruction, s: &Shape) -> Option<Handler> {
    plain(i, s).or_else(|| conditional(i, s)).or_else(|| string(i)).or_else(|| privileged(i, s))
}

/// Bytes that the instruction moves the stack pointer, in bits: the operand size of stack
/// instructions.
fn stack_bits(i: &Instruction) -> u32 {
    i.stack_pointer_increment().unsigned_abs() * 8
}

/// Instructions that every program uses.
#[rustfmt::skip]
fn plain(i: &Instruction, s: &Shape) -> Option<Handler> {
    match i.mnemonic() {
        Mnemonic::Add => forms!(s, arithmetic::add),
        Mnemonic::Adc => forms!(s, arithmetic::add_with_carry),
        Mnemonic::Sub => forms!(s, arithmetic::subtract),
        Mnemonic::Sbb => forms!(s, arithmetic::subtract_with_borrow),
        Mnemonic::Cmp => forms!(s, arithmetic::compare),
        Mnemonic::Inc => changed!(s, arithmetic::increment),
        Mnemonic::Dec => changed!(s, arithmetic::decrement),
        Mnemonic::Neg => changed!(s, arithmetic::negate),
        Mnemonic::Adcx => into_register!(long, s, arithmetic::add_carry_flag),
        Mnemonic::Adox => into_register!(long, s, arithmetic::add_overflow_flag),

        Mnemonic::And => forms!(s, logic::and),
        Mnemonic::Or => forms!(s, logic::or),
        Mnemonic::Xor => forms!(s, logic::xor),
        Mnemonic::Test => forms!(s, logic::test),
        Mnemonic::Not => changed!(s, logic::not),

        Mnemonic::Shl | Mnemonic::Sal => shift!(s, shifts::left),
        Mnemonic::Shr => shift!(s, shifts::right),
        Mnemonic::Sar => shift!(s, shifts::arithmetic_right),
        Mnemonic::Rol => shift!(s, shifts::rotate_left),
        Mnemonic::Ror => shift!(s, shifts::rotate_right),
        Mnemonic::Rcl => shift!(s, shifts::rotate_left_through_carry),
        Mnemonic::Rcr => shift!(s, shifts::rotate_right_through_carry),
        Mnemonic::Shld => double_shift!(s, shifts::double_left),
        Mnemonic::Shrd => double_shift!(s, shifts::double_right),
        Mnemonic::Shlx => into_register!(long, s, shifts::left_without_flags),
        Mnemonic::Shrx => into_register!(long, s, shifts::right_without_flags),
        Mnemonic::Sarx => into_register!(long, s, shifts::arithmetic_right_without_flags),
        Mnemonic::Rorx => into_register!(long, s, shifts::rotate_right_without_flags),

        Mnemonic::Mul => changed!(s, multiply::unsigned),
        Mnemonic::Imul => match i.op_count() {
            1 => changed!(s, multiply::signed_double),
            2 => into_register!(wide, s, multiply::signed_register),
            _ => into_register!(wide, s, multiply::signed_immediate),
        },
        Mnemonic::Div => changed!(s, multiply::divide_unsigned),
        Mnemonic::Idiv => changed!(s, multiply::divide_signed),
        Mnemonic::Mulx => vector_extended!(s, multiply::unsigned_without_flags),

        Mnemonic::Daa => Some(decimal::adjust_after_add),
        Mnemonic::Das => Some(decimal::adjust_after_subtract),
        Mnemonic::Aaa => Some(decimal::ascii_adjust_after_add),
        Mnemonic::Aas => Some(decimal::ascii_adjust_after_subtract),
        Mnemonic::Aam => Some(decimal::ascii_adjust_after_multiply),
        Mnemonic::Aad => Some(decimal::ascii_adjust_before_divide),
        Mnemonic::Salc => Some(decimal::set_al_from_carry),

        Mnemonic::Bt => bit!(s, test, test_in_string),
        Mnemonic::Bts => bit!(s, test_and_set, test_and_set_in_string),
        Mnemonic::Btr => bit!(s, test_and_reset, test_and_reset_in_string),
        Mnemonic::Btc => bit!(s, test_and_complement, test_and_complement_in_string),
        Mnemonic::Bsf => into_register!(wide, s, bits::scan_forward),
        Mnemonic::Bsr => into_register!(wide, s, bits::scan_reverse),
        Mnemonic::Lzcnt => into_register!(wide, s, bits::count_leading),
        Mnemonic::Tzcnt => into_register!(wide, s, bits::count_trailing),
        Mnemonic::Popcnt => into_register!(wide, s, bits::count_ones),
        Mnemonic::Crc32 => match (s.source, s.source_bits) {
            (Kind::Register, 8) => Some(bits::checksum::<u8, SourceRegister>),
            (Kind::Memory, 8) => Some(bits::checksum::<u8, Memory>),
            (Kind::Register, bits) => wide!(bits, bits::checksum::<W, SourceRegister>),
            (_, bits) => wide!(bits, bits::checksum::<W, Memory>),
        },
        Mnemonic::Andn => vector_extended!(s, bits::and_not),
        Mnemonic::Pdep => vector_extended!(s, bits::deposit),
        Mnemonic::Pext => vector_extended!(s, bits::extract),
        Mnemonic::Bextr => into_register!(long, s, bits::extract_field),
        Mnemonic::Bzhi => into_register!(long, s, bits::zero_high),
        Mnemonic::Blsi => into_register!(long, s, bits::isolate_lowest),
        Mnemonic::Blsmsk => into_register!(long, s, bits::mask_to_lowest),
        Mnemonic::Blsr => into_register!(long, s, bits::reset_lowest),

        Mnemonic::Mov => match i.code() {
            Code::Mov_rm16_Sreg | Code::Mov_r32m16_Sreg | Code::Mov_r64m16_Sreg => match s.dest {
                Kind::Register => wide!(s.bits, segment_loads::mov_from_segment::<W, Register>),
                _ => Some(segment_loads::mov_from_segment::<u16, Memory>),
            },
            Code::Mov_Sreg_rm16 | Code::Mov_Sreg_r32m16 | Code::Mov_Sreg_r64m16 => match s.source {
                Kind::Register => Some(segment_loads::mov_to_segment::<SourceRegister>),
                _ => Some(segment_loads::mov_to_segment::<Memory>),
            },
            Code::Mov_r32_cr | Code::Mov_r64_cr => long!(s.bits, system::read_control::<W>),
            Code::Mov_cr_r32 | Code::Mov_cr_r64 => long!(s.source_bits, system::write_control::<W>),
            Code::Mov_r32_dr | Code::Mov_r64_dr => long!(s.bits, system::read_debug::<W>),
            Code::Mov_dr_r32 | Code::Mov_dr_r64 => long!(s.source_bits, system::write_debug::<W>),
            Code::Mov_r32_tr | Code::Mov_tr_r32 => None,
            _ => forms!(s, moves::mov),
        },
        Mnemonic::Movzx => widened!(s, moves::move_zero_extended),
        Mnemonic::Movsx => widened!(s, moves::move_sign_extended),
        // Without REX.W, MOVSXD is a plain move of its operand size.
        Mnemonic::Movsxd if s.bits == 16 => into_register!(wide, s, moves::move_narrow),
        Mnemonic::Movsxd => widened!(s, moves::move_sign_extended),
        Mnemonic::Movbe => forms!(s, moves::move_swapped),
        Mnemonic::Movnti => long!(s.bits, moves::mov::<W, Memory, SourceRegister>),
        Mnemonic::Bswap => wide!(s.bits, moves::byte_swap::<W>),
        Mnemonic::Xchg => changed!(s, moves::exchange),
        Mnemonic::Lea => wide!(s.bits, moves::load_address::<W>),
        Mnemonic::Xlatb => Some(moves::translate_byte),
        Mnemonic::Cbw => Some(moves::extend_accumulator::<u16, u8>),
        Mnemonic::Cwde => Some(moves::extend_accumulator::<u32, u16>),
        Mnemonic::Cdqe => Some(moves::extend_accumulator::<u64, u32>),
        Mnemonic::Cwd => Some(moves::extend_sign::<u16>),
        Mnemonic::Cdq => Some(moves::extend_sign::<u32>),
        Mnemonic::Cqo => Some(moves::extend_sign::<u64>),
        Mnemonic::Nop
        | Mnemonic::Reservednop
        | Mnemonic::Prefetch
        | Mnemonic::Prefetchw
        | Mnemonic::Prefetchwt1
        | Mnemonic::Prefetchnta
        | Mnemonic::Prefetcht0
        | Mnemonic::Prefetcht1
        | Mnemonic::Prefetcht2
        | Mnemonic::Prefetchit0
        | Mnemonic::Prefetchit1
        // Hint space: CPUs without these features execute NOPs.
        | Mnemonic::Cldemote
        | Mnemonic::Endbr32
        | Mnemonic::Endbr64
        | Mnemonic::Rdsspd
        | Mnemonic::Rdsspq
        // Compilers for x86-64 use fences without asking CPUID; one CPU needs no order.
        | Mnemonic::Lfence
        | Mnemonic::Mfence
        | Mnemonic::Sfence => Some(moves::nothing),

        Mnemonic::Cmpxchg => register_or_memory!(s, compare_exchange_register, compare_exchange_memory),
        Mnemonic::Cmpxchg8b => Some(atomics::compare_exchange_8_bytes),
        Mnemonic::Cmpxchg16b => Some(atomics::compare_exchange_16_bytes),
        Mnemonic::Xadd => register_or_memory!(s, exchange_add_register, exchange_add_memory),

        Mnemonic::Push => match (s.dest, i.op0_register().is_segment_register()) {
            (Kind::Register, true) => wide!(stack_bits(i), segment_loads::push_segment::<W>),
            (Kind::Register, false) => wide!(stack_bits(i), stack::push::<W, Register>),
            (Kind::Memory, _) => wide!(stack_bits(i), stack::push::<W, Memory>),
            _ => wide!(stack_bits(i), stack::push::<W, Immediate>),
        },
        Mnemonic::Pop => match (s.dest, i.op0_register().is_segment_register()) {
            (Kind::Register, true) => wide!(stack_bits(i), segment_loads::pop_segment::<W>),
            (Kind::Register, false) => wide!(stack_bits(i), stack::pop::<W, Register>),
            _ => wide!(stack_bits(i), stack::pop::<W, Memory>),
        },
        Mnemonic::Pusha => Some(stack::push_all::<u16>),
        Mnemonic::Pushad => Some(stack::push_all::<u32>),
        Mnemonic::Popa => Some(stack::pop_all::<u16>),
        Mnemonic::Popad => Some(stack::pop_all::<u32>),
        Mnemonic::Enter => match i.code() {
            Code::Enterw_imm16_imm8 => Some(stack::enter::<u16>),
            Code::Enterd_imm16_imm8 => Some(stack::enter::<u32>),
            _ => Some(stack::enter::<u64>),
        },
        Mnemonic::Leave => match i.code() {
            Code::Leavew => Some(stack::leave::<u16>),
            Code::Leaved => Some(stack::leave::<u32>),
            _ => Some(stack::leave::<u64>),
        },

        Mnemonic::Jmp => match i.code() {
            Code::Jmp_ptr1616 => Some(far_transfers::jump_pointer::<u16>),
            Code::Jmp_ptr1632 => Some(far_transfers::jump_pointer::<u32>),
            Code::Jmp_m1616 => Some(far_transfers::jump_memory::<u16>),
            Code::Jmp_m1632 => Some(far_transfers::jump_memory::<u32>),
            Code::Jmp_m1664 => Some(far_transfers::jump_memory::<u64>),
            _ => match s.dest {
                Kind::Immediate => wide!(s.bits, jumps::jump::<W>),
                Kind::Register => wide!(s.bits, jumps::jump_indirect::<W, Register>),
                _ => wide!(s.bits, jumps::jump_indirect::<W, Memory>),
            },
        },
        Mnemonic::Call => match i.code() {
            Code::Call_ptr1616 => Some(far_transfers::call_pointer::<u16>),
            Code::Call_ptr1632 => Some(far_transfers::call_pointer::<u32>),
            Code::Call_m1616 => Some(far_transfers::call_memory::<u16>),
            Code::Call_m1632 => Some(far_transfers::call_memory::<u32>),
            Code::Call_m1664 => Some(far_transfers::call_memory::<u64>),
            _ => match s.dest {
                Kind::Immediate => wide!(s.bits, jumps::call::<W>),
                Kind::Register => wide!(s.bits, jumps::call_indirect::<W, Register>),
                _ => wide!(s.bits, jumps::call_indirect::<W, Memory>),
            },
        },
        Mnemonic::Ret => match i.code() {
            Code::Retnw | Code::Retnw_imm16 => Some(jumps::ret::<u16>),
            Code::Retnd | Code::Retnd_imm16 => Some(jumps::ret::<u32>),
            _ => Some(jumps::ret::<u64>),
        },
        Mnemonic::Loop => wide!(s.bits, jumps::count_loop::<W>),
        Mnemonic::Loope => wide!(s.bits, jumps::loop_while_equal::<W>),
        Mnemonic::Loopne => wide!(s.bits, jumps::loop_while_not_equal::<W>),
        Mnemonic::Jcxz | Mnemonic::Jecxz | Mnemonic::Jrcxz => {
            wide!(s.bits, jumps::jump_if_counter_zero::<W>)
        }

        Mnemonic::Clc => Some(flags::clc),
        Mnemonic::Stc => Some(flags::stc),
        Mnemonic::Cmc => Some(flags::cmc),
        Mnemonic::Cld => Some(flags::cld),
        Mnemonic::Std => Some(flags::std),
        Mnemonic::Lahf => Some(flags::lahf),
        Mnemonic::Sahf => Some(flags::sahf),
        _ => None,
    }
}

/// Jcc, SETcc, CMOVcc.
fn conditional(i: &Instruction, s: &Shape) -> Option<Handler> {
    let code = i.condition_code();
    if i.is_jcc_short_or_near() {
        return condition!(code, wide!(s.bits, jumps::jump_if::<C, W>));
    }
    match (s.dest, s.source, s.third) {
        (Kind::Register, Kind::None, _) => {
            condition!(code, Some(moves::set_if::<C, Register> as Handler))
        }
        (Kind::Memory, Kind::None, _) => {
            condition!(code, Some(moves::set_if::<C, Memory> as Handler))
        }
        (Kind::Register, Kind::Register, Kind::None) => {
            condition!(code, wide!(s.bits, moves::move_if::<C, W, SourceRegister>))
        }
        (Kind::Register, Kind::Memory, Kind::None) => {
            condition!(code, wide!(s.bits, moves::move_if::<C, W, Memory>))
        }
        _ => None,
    }
}

/// String instructions: by opcode, because SSE has mnemonics of the same names.
fn string(i: &Instruction) -> Option<Handler> {
    Some(match i.code() {
        Code::Movsb_m8_m8 => strings::copy::<u8>,
        Code::Movsw_m16_m16 => strings::copy::<u16>,
        Code::Movsd_m32_m32 => strings::copy::<u32>,
        Code::Movsq_m64_m64 => strings::copy::<u64>,
        Code::Stosb_m8_AL => strings::fill::<u8>,
        Code::Stosw_m16_AX => strings::fill::<u16>,
        Code::Stosd_m32_EAX => strings::fill::<u32>,
        Code::Stosq_m64_RAX => strings::fill::<u64>,
        Code::Lodsb_AL_m8 => strings::load::<u8>,
        Code::Lodsw_AX_m16 => strings::load::<u16>,
        Code::Lodsd_EAX_m32 => strings::load::<u32>,
        Code::Lodsq_RAX_m64 => strings::load::<u64>,
        Code::Cmpsb_m8_m8 => strings::compare::<u8>,
        Code::Cmpsw_m16_m16 => strings::compare::<u16>,
        Code::Cmpsd_m32_m32 => strings::compare::<u32>,
        Code::Cmpsq_m64_m64 => strings::compare::<u64>,
        Code::Scasb_AL_m8 => strings::scan::<u8>,
        Code::Scasw_AX_m16 => strings::scan::<u16>,
        Code::Scasd_EAX_m32 => strings::scan::<u32>,
        Code::Scasq_RAX_m64 => strings::scan::<u64>,
        Code::Insb_m8_DX => ports::ins::<u8>,
        Code::Insw_m16_DX => ports::ins::<u16>,
        Code::Insd_m32_DX => ports::ins::<u32>,
        Code::Outsb_DX_m8 => ports::outs::<u8>,
        Code::Outsw_DX_m16 => ports::outs::<u16>,
        Code::Outsd_DX_m32 => ports::outs::<u32>,
        _ => return None,
    })
}

/// Instructions of kernels: system state, segments, interrupts, ports.
#[rustfmt::skip]
fn privileged(i: &Instruction, s: &Shape) -> Option<Handler> {
    match i.mnemonic() {
        Mnemonic::Les | Mnemonic::Lds | Mnemonic::Lss | Mnemonic::Lfs | Mnemonic::Lgs => {
            wide!(s.bits, segment_loads::load_far_pointer::<W>)
        }
        Mnemonic::Retf => match i.code() {
            Code::Retfw | Code::Retfw_imm16 => Some(far_transfers::return_far::<u16>),
            Code::Retfd | Code::Retfd_imm16 => Some(far_transfers::return_far::<u32>),
            _ => Some(far_transfers::return_far::<u64>),
        },
        Mnemonic::Int => Some(interrupts::int),
        Mnemonic::Int3 => Some(interrupts::int3),
        Mnemonic::Into => Some(interrupts::into),
        Mnemonic::Int1 => Some(interrupts::int1),
        Mnemonic::Bound => legacy!(s.bits, interrupts::bound::<W>),
        Mnemonic::Iret => Some(interrupts::iret::<u16>),
        Mnemonic::Iretd => Some(interrupts::iret::<u32>),
        Mnemonic::Iretq => Some(interrupts::iret::<u64>),
        Mnemonic::Syscall => Some(fast_calls::syscall),
        Mnemonic::Sysret => Some(fast_calls::sysret::<u32>),
        Mnemonic::Sysretq => Some(fast_calls::sysret::<u64>),
        Mnemonic::Sysenter => Some(fast_calls::sysenter),
        Mnemonic::Sysexit => Some(fast_calls::sysexit::<u32>),
        Mnemonic::Sysexitq => Some(fast_calls::sysexit::<u64>),

        Mnemonic::Lgdt => table_register(i, [descriptors::lgdt::<u16>, descriptors::lgdt::<u32>, descriptors::lgdt::<u64>]),
        Mnemonic::Lidt => table_register(i, [descriptors::lidt::<u16>, descriptors::lidt::<u32>, descriptors::lidt::<u64>]),
        Mnemonic::Sgdt => table_register(i, [descriptors::sgdt::<u16>, descriptors::sgdt::<u32>, descriptors::sgdt::<u64>]),
        Mnemonic::Sidt => table_register(i, [descriptors::sidt::<u16>, descriptors::sidt::<u32>, descriptors::sidt::<u64>]),
        Mnemonic::Sldt => stored_selector!(s, descriptors::sldt),
        Mnemonic::Str => stored_selector!(s, descriptors::store_task_register),
        Mnemonic::Smsw => stored_selector!(s, system::smsw),
        Mnemonic::Lmsw => place!(s, system::lmsw),
        Mnemonic::Lldt => place!(s, descriptors::lldt),
        Mnemonic::Ltr => place!(s, descriptors::ltr),
        Mnemonic::Verr => place!(s, descriptors::verr),
        Mnemonic::Verw => place!(s, descriptors::verw),
        Mnemonic::Arpl => place!(s, descriptors::arpl),
        Mnemonic::Lar => into_register!(wide, s, descriptors::lar),
        Mnemonic::Lsl => into_register!(wide, s, descriptors::lsl),

        Mnemonic::Clts => Some(system::clts),
        Mnemonic::Invlpg => Some(system::invlpg),
        Mnemonic::Wbinvd | Mnemonic::Wbnoinvd => Some(system::wbinvd),
        Mnemonic::Invd => Some(system::invd),
        Mnemonic::Hlt => Some(system::hlt),
        Mnemonic::Rdtsc => Some(system::rdtsc),
        Mnemonic::Rdtscp => Some(system::rdtscp),
        Mnemonic::Rdpmc => Some(system::rdpmc),
        Mnemonic::Monitor => Some(system::monitor),
        Mnemonic::Mwait => Some(system::mwait),
        Mnemonic::Swapgs => Some(system::swapgs),
        Mnemonic::Rdfsbase => long!(s.bits, system::read_fs_base::<W>),
        Mnemonic::Rdgsbase => long!(s.bits, system::read_gs_base::<W>),
        Mnemonic::Wrfsbase => long!(s.bits, system::write_fs_base::<W>),
        Mnemonic::Wrgsbase => long!(s.bits, system::write_gs_base::<W>),
        Mnemonic::Stac => Some(system::stac),
        Mnemonic::Clac => Some(system::clac),
        Mnemonic::Pause => Some(system::pause),
        Mnemonic::Vmcall => Some(system::vmcall),
        Mnemonic::Vmmcall => Some(system::vmmcall),
        Mnemonic::Clflush => Some(system::clflush),
        Mnemonic::Cpuid => Some(cpuid::cpuid),
        Mnemonic::Rdmsr => Some(msr::rdmsr),
        Mnemonic::Wrmsr => Some(msr::wrmsr),

        Mnemonic::Pushf => Some(flags::pushf::<u16>),
        Mnemonic::Pushfd => Some(flags::pushf::<u32>),
        Mnemonic::Pushfq => Some(flags::pushf::<u64>),
        Mnemonic::Popf => Some(flags::popf::<u16>),
        Mnemonic::Popfd => Some(flags::popf::<u32>),
        Mnemonic::Popfq => Some(flags::popf::<u64>),
        Mnemonic::Cli => Some(flags::cli),
        Mnemonic::Sti => Some(flags::sti),

        Mnemonic::In => match s.source {
            Kind::Register => any!(s.bits, ports::input::<W, SourceRegister>),
            _ => any!(s.bits, ports::input::<W, Immediate>),
        },
        Mnemonic::Out => match s.dest {
            Kind::Register => any!(s.source_bits, ports::output::<W, Register>),
            _ => any!(s.source_bits, ports::output::<W, Immediate>),
        },
        Mnemonic::Wait => Some(floating_point::wait),
        _ => None,
    }
}

/// LGDT and its kin: by operand size.
fn table_register(i: &Instruction, handlers: [Handler; 3]) -> Option<Handler> {
    let [word, dword, qword] = handlers;
    Some(match i.code() {
        Code::Lgdt_m1632_16 | Code::Lidt_m1632_16 | Code::Sgdt_m1632_16 | Code::Sidt_m1632_16 => {
            word
        }
        Code::Lgdt_m1632 | Code::Lidt_m1632 | Code::Sgdt_m1632 | Code::Sidt_m1632 => dword,
        _ => qword,
    })
}
