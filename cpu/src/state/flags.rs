//! RFLAGS. The six arithmetic flags are kept lazily.
//!
//! An arithmetic instruction stores its sign-extended result and the vector of its carries; a
//! flag is worked out when somebody asks. With `W` bits of operand:
//!
//! ```text
//!  carries   63  62 │ 61 … 4 │  3  │ 2 │   1    │   0
//!            CF  c' │    0   │ AF  │ 0 │ flipPF │ flipSF     c' = carry into the sign bit
//!                                                           OF = CF xor c'
//!  ZF = result is 0     SF = sign of result, flipped by bit 0
//!  PF = even parity of the result's low byte, flipped by bit 1
//! ```
//!
//! The two flip bits are only needed by instructions that load flags from a value, so that every
//! combination can be represented.

use bitflags::bitflags;

use crate::word::Word;

bitflags! {
    /// The bits of RFLAGS (Intel SDM vol. 1, "EFLAGS Register").
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Rflags: u64 {
        /// Carry.
        const CF = 1 << 0;
        /// Always one.
        const FIXED = 1 << 1;
        /// Even parity of the low byte.
        const PF = 1 << 2;
        /// Carry out of bit 3.
        const AF = 1 << 4;
        /// Zero.
        const ZF = 1 << 6;
        /// Sign.
        const SF = 1 << 7;
        /// Trap: single-step.
        const TF = 1 << 8;
        /// Interrupts enabled.
        const IF = 1 << 9;
        /// String direction: down.
        const DF = 1 << 10;
        /// Overflow.
        const OF = 1 << 11;
        /// I/O privilege level, two bits.
        const IOPL = 3 << 12;
        /// Nested task.
        const NT = 1 << 14;
        /// Resume: no instruction breakpoint on the next instruction.
        const RF = 1 << 16;
        /// Virtual-8086 mode.
        const VM = 1 << 17;
        /// Alignment check, or supervisor access to user pages.
        const AC = 1 << 18;
        /// Virtual interrupt flag.
        const VIF = 1 << 19;
        /// Virtual interrupt pending.
        const VIP = 1 << 20;
        /// CPUID is there.
        const ID = 1 << 21;
    }
}

impl Rflags {
    /// The six flags that arithmetic sets.
    pub const ARITHMETIC: Self =
        Self::CF.union(Self::PF).union(Self::AF).union(Self::ZF).union(Self::SF).union(Self::OF);

    /// All flags that exist.
    pub const ALL: Self = Self::all();
}

const CARRY: u64 = 1 << 63;
const CARRY_INTO_SIGN: u64 = 1 << 62;
const AUXILIARY: u64 = 1 << 3;
const FLIP_PARITY: u64 = 1 << 1;
const FLIP_SIGN: u64 = 1 << 0;

/// RFLAGS, with lazy arithmetic flags.
#[derive(Clone, Debug)]
pub struct Flags {
    result: u64,
    carries: u64,
    system: Rflags,
}

impl Default for Flags {
    fn default() -> Self {
        let mut flags = Self { result: 0, carries: 0, system: Rflags::FIXED };
        flags.set_all(Rflags::FIXED);
        flags
    }
}

/// Keeps, of a carry vector for `W` bits, what the flags need.
#[inline(always)]
fn carries_of<W: Word>(vector: u64) -> u64 {
    (vector << (64 - W::BITS)) & (CARRY | CARRY_INTO_SIGN) | vector & AUXILIARY
}

impl Flags {
    /// After `sum = a + b` or `a + b + carry`.
    #[inline(always)]
    pub fn after_add<W: Word>(&mut self, a: W, b: W, sum: W) {
        let (a, b, r) = (a.zero_extend(), b.zero_extend(), sum.zero_extend());
        self.carries = carries_of::<W>((a & b) | ((a | b) & !r));
        self.result = sum.sign_extend();
    }

    /// After `difference = a - b` or `a - b - borrow`, and after a comparison.
    #[inline(always)]
    pub fn after_subtract<W: Word>(&mut self, a: W, b: W, difference: W) {
        let (a, b, r) = (a.zero_extend(), b.zero_extend(), difference.zero_extend());
        self.carries = carries_of::<W>((!a & b) | ((!a | b) & r));
        self.result = difference.sign_extend();
    }

    /// After AND, OR, XOR, TEST: no carry, no overflow. AF, undefined, is cleared.
    #[inline(always)]
    pub fn after_logic<W: Word>(&mut self, result: W) {
        self.carries = 0;
        self.result = result.sign_extend();
    }

    /// After INC (`b` = 1): as an addition, but CF stays.
    #[inline(always)]
    pub fn after_increment<W: Word>(&mut self, a: W, sum: W) {
        let carry = self.carries & CARRY;
        self.after_add(a, W::truncate(1), sum);
        self.replace_carry(carry);
    }

    /// After DEC: as a subtraction of 1, but CF stays.
    #[inline(always)]
    pub fn after_decrement<W: Word>(&mut self, a: W, difference: W) {
        let carry = self.carries & CARRY;
        self.after_subtract(a, W::truncate(1), difference);
        self.replace_carry(carry);
    }

    /// Changes CF and keeps OF, which is stored as a difference from it.
    #[inline(always)]
    fn replace_carry(&mut self, carry: u64) {
        let change = (self.carries ^ carry) & CARRY;
        self.carries ^= change | change >> 1;
    }

    /// After an instruction that sets SF, ZF and PF from a result, and CF and OF by its own
    /// rule: shifts, multiplications. AF is cleared.
    #[inline(always)]
    pub fn after_result<W: Word>(&mut self, result: W, carry: bool, overflow: bool) {
        self.result = result.sign_extend();
        self.carries = u64::from(carry) << 63 | u64::from(carry ^ overflow) << 62;
    }

    /// Carry.
    #[inline(always)]
    pub fn carry(&self) -> bool {
        self.carries & CARRY != 0
    }

    /// Overflow.
    #[inline(always)]
    pub fn overflow(&self) -> bool {
        (self.carries ^ self.carries << 1) & CARRY != 0
    }

    /// Zero.
    #[inline(always)]
    pub fn zero(&self) -> bool {
        self.result == 0
    }

    /// Sign.
    #[inline(always)]
    pub fn sign(&self) -> bool {
        (self.result >> 63) ^ (self.carries & FLIP_SIGN) != 0
    }

    /// Even parity.
    #[inline(always)]
    pub fn parity(&self) -> bool {
        let even = (self.result as u8).count_ones() & 1 == 0;
        even ^ (self.carries & FLIP_PARITY != 0)
    }

    /// Carry out of bit 3.
    #[inline(always)]
    pub fn auxiliary(&self) -> bool {
        self.carries & AUXILIARY != 0
    }

    /// Sets CF alone.
    #[inline(always)]
    pub fn set_carry(&mut self, carry: bool) {
        self.replace_carry(u64::from(carry) << 63);
    }

    /// Sets ZF alone.
    pub fn set_zero(&mut self, zero: bool) {
        if zero != self.zero() {
            self.change(Rflags::ZF, if zero { Rflags::ZF } else { Rflags::empty() });
        }
    }

    /// Sets CF and OF alone: rotates.
    pub fn set_carry_and_overflow(&mut self, carry: bool, overflow: bool) {
        let kept = self.carries & !(CARRY | CARRY_INTO_SIGN);
        self.carries = kept | u64::from(carry) << 63 | u64::from(carry ^ overflow) << 62;
    }

    /// The whole register.
    pub fn all(&self) -> Rflags {
        let mut all = self.system;
        all.set(Rflags::CF, self.carry());
        all.set(Rflags::PF, self.parity());
        all.set(Rflags::AF, self.auxiliary());
        all.set(Rflags::ZF, self.zero());
        all.set(Rflags::SF, self.sign());
        all.set(Rflags::OF, self.overflow());
        all
    }

    /// The whole register as a number.
    pub fn bits(&self) -> u64 {
        self.all().bits()
    }

    /// Loads the whole register. Bits that don't exist are dropped, the fixed one is set.
    pub fn set_all(&mut self, all: Rflags) {
        self.system = (all & Rflags::ALL & !Rflags::ARITHMETIC) | Rflags::FIXED;
        let has = |flag| u64::from(all.contains(flag));
        let zero = has(Rflags::ZF);
        // A result of 0 has even parity, a result of 1 odd; neither is negative.
        self.result = zero ^ 1;
        self.carries = has(Rflags::CF) << 63
            | (has(Rflags::CF) ^ has(Rflags::OF)) << 62
            | has(Rflags::AF) << 3
            | (has(Rflags::PF) ^ zero) << 1
            | has(Rflags::SF);
    }

    /// Replaces the flags under `mask`.
    pub fn change(&mut self, mask: Rflags, value: Rflags) {
        self.set_all((self.all() & !mask) | (value & mask));
    }

    /// The flags that arithmetic doesn't touch.
    #[inline(always)]
    pub fn system(&self) -> Rflags {
        self.system
    }

    /// Sets or clears flags that arithmetic doesn't touch.
    #[inline(always)]
    pub fn set_system(&mut self, mask: Rflags, on: bool) {
        self.system.set(mask & !Rflags::ARITHMETIC, on);
    }

    /// The I/O privilege level, 0 to 3.
    pub fn io_privilege_level(&self) -> u8 {
        ((self.system & Rflags::IOPL).bits() >> 12) as u8
    }
}

impl PartialEq for Flags {
    fn eq(&self, other: &Self) -> bool {
        self.all() == other.all()
    }
}

impl Eq for Flags {}
