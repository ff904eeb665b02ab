//! Which of iced's instruction codes the referee leaves out, and why: everything else is enumerated.

use std::fmt;

use iced_x86::{Code, CpuidFeature, EncodingKind, Mnemonic, OpCodeOperandKind};

/// Why an instruction code isn't run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Exclusion {
    /// Not an instruction: iced's placeholders.
    Placeholder,
    /// A vector encoding: EVEX, XOP, MVEX, 3DNow!, or VEX other than BMI1 and BMI2.
    VectorEncoding,
    /// x87, MMX, SSE and their saved state.
    FloatingPoint,
    /// Ring 0 only, or refused by Linux's IOPL of 0.
    Privileged,
    /// IN, OUT and their string forms.
    InputOutput,
    /// Reads system state without a trap: descriptor tables, LDTR, TR, CR0.
    Sensitive,
    /// Loads a segment register or a segment base.
    SegmentLoad,
    /// Far JMP, CALL, RET and IRET.
    FarTransfer,
    /// INT n, SYSCALL, SYSENTER, calls to a hypervisor or an enclave.
    SystemCall,
    /// Depends on time, chance, or which processor this is.
    Unrepeatable,
    /// Only processors that no longer exist, or that never spread, have it.
    Obsolete,
    /// An optional extension that the emulated CPU doesn't have.
    NotEmulated,
    /// Its bytes mean another instruction to the decoder we use: another vendor's reading, or an older one.
    OtherDecoding,
}

impl Exclusion {
    /// All of them.
    pub const ALL: [Exclusion; 13] = [
        Exclusion::Placeholder,
        Exclusion::VectorEncoding,
        Exclusion::FloatingPoint,
        Exclusion::Privileged,
        Exclusion::InputOutput,
        Exclusion::Sensitive,
        Exclusion::SegmentLoad,
        Exclusion::FarTransfer,
        Exclusion::SystemCall,
        Exclusion::Unrepeatable,
        Exclusion::Obsolete,
        Exclusion::NotEmulated,
        Exclusion::OtherDecoding,
    ];

    /// The reason in words.
    pub fn reason(self) -> &'static str {
        match self {
            Exclusion::Placeholder => "not an instruction",
            Exclusion::VectorEncoding => {
                "vector encoding (EVEX, XOP, MVEX, 3DNow!, VEX except BMI1/BMI2)"
            }
            Exclusion::FloatingPoint => "x87, MMX, SSE or their saved state",
            Exclusion::Privileged => "ring 0 or IOPL-sensitive",
            Exclusion::InputOutput => "port input/output",
            Exclusion::Sensitive => "reads system state (descriptor tables, LDTR, TR, CR0)",
            Exclusion::SegmentLoad => "loads a segment register or base",
            Exclusion::FarTransfer => "far transfer",
            Exclusion::SystemCall => "software interrupt, system call, hypervisor or enclave call",
            Exclusion::Unrepeatable => "depends on time, chance or the processor's identity",
            Exclusion::Obsolete => "exists only on obsolete or rare processors",
            Exclusion::NotEmulated => "optional extension that the emulated CPU doesn't have",
            Exclusion::OtherDecoding => {
                "its bytes decode as another instruction (other vendor or era)"
            }
        }
    }
}

impl fmt::Display for Exclusion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason())
    }
}

/// Why `code` is left out, or `None` if it's enumerated. The first reason that applies counts.
pub fn exclusion(code: Code) -> Option<Exclusion> {
    RULES.iter().find(|(_, applies)| applies(code)).map(|(reason, _)| *reason)
}

type Rule = (Exclusion, fn(Code) -> bool);

const RULES: [Rule; 13] = [
    (Exclusion::Placeholder, |code| !code.op_code().is_instruction() || code == Code::Zero_bytes),
    (Exclusion::Obsolete, is_obsolete),
    (Exclusion::VectorEncoding, |code| match code.op_code().encoding() {
        EncodingKind::Legacy => false,
        EncodingKind::VEX => {
            !has(code, &[CpuidFeature::BMI1, CpuidFeature::BMI2]) || has(code, &[CpuidFeature::KNC])
        }
        _ => true,
    }),
    (Exclusion::InputOutput, |code| code.op_code().is_input_output()),
    (Exclusion::Privileged, |code| {
        let info = code.op_code();
        info.is_privileged() || !info.cpl3() || info.must_be_cpl0()
    }),
    (Exclusion::FloatingPoint, is_floating_point),
    (Exclusion::Sensitive, |code| {
        use Mnemonic::{Lar, Lsl, Sgdt, Sidt, Sldt, Smsw, Str, Verr, Verw};
        matches!(code.mnemonic(), Lar | Lsl | Sgdt | Sidt | Sldt | Smsw | Str | Verr | Verw)
    }),
    (Exclusion::SegmentLoad, is_segment_load),
    (Exclusion::FarTransfer, |code| {
        let far_return = matches!(
            code.mnemonic(),
            Mnemonic::Retf | Mnemonic::Iret | Mnemonic::Iretd | Mnemonic::Iretq
        );
        far_return
            || code.is_jmp_far()
            || code.is_jmp_far_indirect()
            || code.is_call_far()
            || code.is_call_far_indirect()
    }),
    (Exclusion::SystemCall, is_system_call),
    (Exclusion::Unrepeatable, |code| {
        use CpuidFeature::{CPUID, RDPID, RDPMC, RDPRU, RDRAND, RDSEED, RDTSCP, TSC};
        has(code, &[CPUID, RDPID, RDPMC, RDPRU, RDRAND, RDSEED, RDTSCP, TSC])
    }),
    (Exclusion::NotEmulated, is_optional),
    (Exclusion::OtherDecoding, |code| OTHER_DECODING.contains(&code)),
];

fn has(code: Code, features: &[CpuidFeature]) -> bool {
    code.cpuid_features().iter().any(|feature| features.contains(feature))
}

fn is_obsolete(code: Code) -> bool {
    use CpuidFeature as F;
    let features = [
        F::INTEL8086_ONLY,
        F::INTEL286_ONLY,
        F::INTEL386_ONLY,
        F::INTEL386_A0_ONLY,
        F::INTEL486_A_ONLY,
        F::UMOV,
        F::IA64,
        F::KNC,
        F::OSS,
        F::MOV_TR,
        F::CENTAUR_AIS,
        F::CYRIX_D3NOW,
        F::CYRIX_DDI,
        F::CYRIX_DMI,
        F::CYRIX_EMMI,
        F::CYRIX_FPU,
        F::CYRIX_SHR,
        F::CYRIX_SMINT,
        F::CYRIX_SMINT_0F7E,
        F::CYRIX_SMM,
        F::PADLOCK_ACE,
        F::PADLOCK_GMI,
        F::PADLOCK_PHE,
        F::PADLOCK_PMM,
        F::PADLOCK_RNG,
        F::PADLOCK_UNDOC,
    ];
    has(code, &features)
}

fn is_floating_point(code: Code) -> bool {
    use CpuidFeature as F;
    // SSE brought a few instructions that have nothing to do with vectors.
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
    let features = [
        F::FPU,
        F::FPU287,
        F::FPU287XL_ONLY,
        F::FPU387,
        F::FPU387SL_ONLY,
        F::MMX,
        F::D3NOW,
        F::D3NOWEXT,
        F::FXSR,
        F::SSE,
        F::SSE2,
        F::SSE3,
        F::SSSE3,
        F::SSE4_1,
        F::SSE4_2,
        F::SSE4A,
        F::AES,
        F::PCLMULQDQ,
        F::SHA,
        F::GFNI,
        F::KL,
        F::AESKLE,
        F::WIDE_KL,
        F::XSAVE,
        F::XSAVEC,
        F::XSAVEOPT,
        F::XSAVES,
    ];
    code.mnemonic() == Mnemonic::Wait || has(code, &features) && !integer
}

fn is_segment_load(code: Code) -> bool {
    use Mnemonic::{Lds, Les, Lfs, Lgs, Lss, Mov, Pop};
    let first = code.op_code().try_op_kind(0).unwrap_or(OpCodeOperandKind::None);
    let into_segment = matches!(
        first,
        OpCodeOperandKind::seg_reg
            | OpCodeOperandKind::es
            | OpCodeOperandKind::cs
            | OpCodeOperandKind::ss
            | OpCodeOperandKind::ds
            | OpCodeOperandKind::fs
            | OpCodeOperandKind::gs
    );
    matches!(code.mnemonic(), Lds | Les | Lfs | Lgs | Lss)
        || matches!(code.mnemonic(), Mov | Pop) && into_segment
        || has(code, &[CpuidFeature::FSGSBASE])
}

fn is_system_call(code: Code) -> bool {
    use CpuidFeature::{SEP, SEV_ES, SGX1, SMX, SVM, SYSCALL, TDX, VMX};
    code == Code::Int_imm8 || has(code, &[SEP, SEV_ES, SGX1, SMX, SVM, SYSCALL, TDX, VMX])
}

fn is_optional(code: Code) -> bool {
    use CpuidFeature as F;
    let features = [
        F::CET_SS,
        F::CLDEMOTE,
        F::CLFLUSHOPT,
        F::CLFSH,
        F::CLWB,
        F::CLZERO,
        F::CMPCCXADD,
        F::ENQCMD,
        F::FRED,
        F::HLE,
        F::HLE_or_RTM,
        F::LKGS,
        F::LWP,
        F::MCOMMIT,
        F::MONITOR,
        F::MONITORX,
        F::MOVDIR64B,
        F::MOVDIRI,
        F::MPX,
        F::PCOMMIT,
        F::PKU,
        F::PREFETCHITI,
        F::PREFETCHWT1,
        F::PTWRITE,
        F::RAO_INT,
        F::RTM,
        F::SERIALIZE,
        F::SMAP,
        F::TBM,
        F::TSXLDTRK,
        F::UINTR,
        F::WAITPKG,
        F::AMX_TILE,
        F::AMX_INT8,
        F::AMX_BF16,
    ];
    has(code, &features)
}

/// Codes that iced's decoder produces only when told to decode as AMD does, so that no bytes stand for them here. A test
/// checks the list.
const OTHER_DECODING: &[Code] = &[
    Code::Ud0,
    Code::Loopne_rel8_16_RCX,
    Code::Loope_rel8_16_RCX,
    Code::Loop_rel8_16_RCX,
    Code::Jrcxz_rel8_16,
];
