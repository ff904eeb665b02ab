//! How much of the instruction set the table covers: every opcode is decoded, and what has no
//! handler must be listed here, with the reason.

mod absent;

use std::collections::{BTreeMap, BTreeSet};

use iced_x86::{Code, CpuidFeature, Decoder, DecoderOptions, Instruction, Mnemonic};

use super::{lower, table};
use absent::ABSENT;

/// Prefixes that select another instruction.
const PREFIXES: [&[u8]; 9] =
    [&[], &[0x66], &[0xf2], &[0xf3], &[0x67], &[0x66, 0xf2], &[0x66, 0xf3], &[0x66, 0x67], &[0xf0]];

/// Decodes every opcode of one mode with every ModRM byte.
fn decode_all(bits: u32, mut visit: impl FnMut(&Instruction)) {
    let mut decode = |parts: &[&[u8]]| {
        let mut bytes = [0; 16];
        let mut length = 0;
        for part in parts {
            bytes[length..length + part.len()].copy_from_slice(part);
            length += part.len();
        }
        let instruction = Decoder::with_ip(bits, &bytes, 0, DecoderOptions::NONE).decode();
        if instruction.code() != Code::INVALID {
            visit(&instruction);
        }
    };
    let rex: &[&[u8]] = if bits == 64 { &[&[], &[0x48]] } else { &[&[]] };
    let maps: [&[u8]; 4] = [&[], &[0x0f], &[0x0f, 0x38], &[0x0f, 0x3a]];
    for opcode in 0..=255_u8 {
        for modrm in 0..=255_u8 {
            let end = [opcode, modrm];
            for map in maps {
                for prefix in PREFIXES {
                    for rex in rex {
                        decode(&[prefix, rex, map, &end]);
                    }
                }
            }
            for map in 1..=3_u8 {
                // W, vvvv (none, or register 1), L = 0, mandatory prefix.
                for w in [0, 0x80] {
                    for vvvv in [0x78, 0x70] {
                        for prefix in 0..4 {
                            decode(&[&[0xc4, 0xe0 | map, w | vvvv | prefix], &end]);
                        }
                    }
                }
            }
        }
    }
}

/// Whether an instruction belongs to floating point, vectors or matrices: the host referee's and
/// this test's "other" half of the instruction set. A few that came with SSE do not.
fn is_vector_or_float(code: Code) -> bool {
    use CpuidFeature as F;
    let integer = matches!(
        code.mnemonic(),
        Mnemonic::Crc32
            | Mnemonic::Movnti
            | Mnemonic::Lfence
            | Mnemonic::Mfence
            | Mnemonic::Sfence
            | Mnemonic::Prefetchnta
            | Mnemonic::Prefetcht0
            | Mnemonic::Prefetcht1
            | Mnemonic::Prefetcht2
    );
    let features = code.cpuid_features();
    let vector = features.iter().any(|feature| {
        matches!(
            feature,
            F::FPU
                | F::FPU287
                | F::FPU387
                | F::MMX
                | F::D3NOW
                | F::D3NOWEXT
                | F::SSE
                | F::SSE2
                | F::SSE3
                | F::SSSE3
                | F::SSE4_1
                | F::SSE4_2
                | F::SSE4A
                | F::AES
                | F::PCLMULQDQ
                | F::SHA
                | F::GFNI
                | F::FMA
                | F::FMA4
                | F::F16C
                | F::XOP
                | F::KL
                | F::AESKLE
                | F::WIDE_KL
                | F::AVX
                | F::AVX2
                | F::AVX512F
                | F::AVX512BW
                | F::AVX512DQ
                | F::AVX_IFMA
                | F::AVX_NE_CONVERT
                | F::AVX_VNNI
                | F::AVX_VNNI_INT8
                | F::AVX_VNNI_INT16
                | F::AMX_TILE
                | F::AMX_INT8
                | F::AMX_BF16
                | F::AMX_FP16
                | F::AMX_COMPLEX
        )
    });
    vector && !integer
}

/// Has a row in the table, for the sake of its checks, and yet always raises #UD.
const ALWAYS_UNDEFINED: [Mnemonic; 2] = [Mnemonic::Monitor, Mnemonic::Mwait];

/// What the opcodes of one mode decode to, and whether the table has it.
fn codes(bits: u32) -> BTreeMap<Code, bool> {
    let mut codes = BTreeMap::new();
    decode_all(bits, |instruction| {
        codes.entry(instruction.code()).or_insert_with(|| {
            !ALWAYS_UNDEFINED.contains(&instruction.mnemonic())
                && table::handler(instruction, &lower::shape(instruction)).is_some()
        });
    });
    codes
}

/// How many of these there are, and how many of them the table has.
fn count(codes: &BTreeMap<Code, bool>) -> String {
    let (vector, integer): (Vec<_>, Vec<_>) =
        codes.iter().partition(|(code, _)| is_vector_or_float(**code));
    let present = integer.iter().filter(|(_, present)| **present).count();
    let others = vector.len();
    format!("{present} of {} integer and system codes; {others} others, all absent", integer.len())
}

#[test]
fn the_table_has_every_integer_and_system_instruction_but_those_listed_here() {
    let mut all = BTreeMap::new();
    for bits in [16, 32, 64] {
        let codes = codes(bits);
        println!("{bits}-bit code: {}", count(&codes));
        all.extend(codes);
    }
    println!("in all: {}", count(&all));

    let mut absent: BTreeMap<Mnemonic, Vec<Code>> = BTreeMap::new();
    for code in all.iter().filter(|(_, present)| !**present).map(|(code, _)| *code) {
        if !is_vector_or_float(code) {
            absent.entry(code.mnemonic()).or_default().push(code);
        }
    }
    for (reason, mnemonics) in ABSENT {
        let codes: usize = mnemonics.iter().filter_map(|m| absent.get(m)).map(Vec::len).sum();
        println!("absent, {reason}: {mnemonics:?} ({codes} codes)");
    }
    let listed: BTreeSet<Mnemonic> = ABSENT.iter().flat_map(|(_, list)| *list).copied().collect();
    let found: BTreeSet<Mnemonic> = absent.keys().copied().collect();
    let unlisted: Vec<_> = found.difference(&listed).collect();
    let implemented: Vec<_> = listed.difference(&found).collect();
    assert!(unlisted.is_empty(), "no handler, and no reason listed: {unlisted:?}");
    assert!(implemented.is_empty(), "listed as absent, but there: {implemented:?}");
}

#[test]
fn no_vector_or_floating_point_instruction_has_a_handler_yet() {
    for bits in [16, 32, 64] {
        let present: Vec<Code> = codes(bits)
            .into_iter()
            .filter(|(code, present)| *present && is_vector_or_float(*code))
            .map(|(code, _)| code)
            .collect();
        assert_eq!(present, [], "{bits}-bit code");
    }
}
