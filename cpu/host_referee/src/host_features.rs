//! Which optional instructions the host CPU has.

use iced_x86::{Code, CpuidFeature};

/// The name of the first feature that `code` needs and the host lacks, or `None` if the host can run it.
///
/// Without the feature, most of these don't fault: LZCNT runs as BSR. So they must not be compared.
pub fn missing_on_host(code: Code) -> Option<&'static str> {
    code.cpuid_features().iter().find_map(|feature| match feature {
        CpuidFeature::ADX => (!detected::adx()).then_some("adx"),
        CpuidFeature::BMI1 => (!detected::bmi1()).then_some("bmi1"),
        CpuidFeature::BMI2 => (!detected::bmi2()).then_some("bmi2"),
        CpuidFeature::CMPXCHG16B => (!detected::cmpxchg16b()).then_some("cmpxchg16b"),
        CpuidFeature::LZCNT => (!detected::lzcnt()).then_some("lzcnt"),
        CpuidFeature::MOVBE => (!detected::movbe()).then_some("movbe"),
        CpuidFeature::POPCNT => (!detected::popcnt()).then_some("popcnt"),
        CpuidFeature::SSE4_2 => (!detected::sse42()).then_some("sse4.2"),
        _ => None,
    })
}

macro_rules! detect {
    ($($function:ident: $feature:tt,)*) => {
        mod detected {
            $(pub fn $function() -> bool {
                #[cfg(target_arch = "x86_64")]
                let found = std::is_x86_feature_detected!($feature);
                #[cfg(not(target_arch = "x86_64"))]
                let found = false;
                found
            })*
        }
    };
}

detect! {
    adx: "adx",
    bmi1: "bmi1",
    bmi2: "bmi2",
    cmpxchg16b: "cmpxchg16b",
    lzcnt: "lzcnt",
    movbe: "movbe",
    popcnt: "popcnt",
    sse42: "sse4.2",
}
