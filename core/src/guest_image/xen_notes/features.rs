//! Feature names of `XEN_ELFNOTE_FEATURES`, and their bits (`XENFEAT_*`).
//!
//! Source: `xen/include/public/features.h`.

/// The name of each bit, in the order of the bits; an empty one is not used.
const NAMES: [&str; 17] = [
    "writable_page_tables",
    "writable_descriptor_tables",
    "auto_translated_physmap",
    "supervisor_mode_kernel",
    "pae_pgdir_above_4gb",
    "mmu_pt_update_preserve_ad",
    "highmem_assist",
    "gnttab_map_avail_bits",
    "hvm_callback_vector",
    "hvm_safe_pvclock",
    "hvm_pirqs",
    "dom0",
    "grant_map_identity",
    "memory_op_vnode_supported",
    "ARM_SMCCC_supported",
    "linux_rsdp_unrestricted",
    "not_direct_mapped",
];

/// A feature string, `"writable_page_tables|!dom0"`, decoded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Features {
    /// As written.
    pub text: String,
    /// Bits of the features that the guest can use.
    pub supported: u32,
    /// Bits of those that it can't do without (marked with `!`).
    pub required: u32,
    /// Names that are in no header file.
    pub unknown: Vec<String>,
}

impl Features {
    /// Decodes a feature string.
    pub fn parse(text: &str) -> Self {
        let mut features = Self { text: text.into(), ..Self::default() };
        for word in text.split(['|', ' ']).filter(|word| !word.is_empty()) {
            let (required, name) = match word.strip_prefix('!') {
                Some(name) => (true, name),
                None => (false, word),
            };
            let Some(bit) = NAMES.iter().position(|&known| known == name) else {
                features.unknown.push(word.into());
                continue;
            };
            features.supported |= 1 << bit;
            if required {
                features.required |= 1 << bit;
            }
        }
        features
    }

    /// The names of the features in a set of bits.
    pub fn names(bits: u32) -> impl Iterator<Item = &'static str> {
        (0..).zip(NAMES).filter(move |(bit, _)| bits & 1 << bit != 0).map(|(_, name)| name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exclamation_mark_makes_a_feature_required() {
        let features = Features::parse("!writable_page_tables|pae_pgdir_above_4gb|!new_one");
        assert_eq!(features.supported, 0b1_0001);
        assert_eq!(features.required, 0b0_0001);
        assert_eq!(features.unknown, ["!new_one"]);
        let names: Vec<_> = Features::names(features.supported).collect();
        assert_eq!(names, ["writable_page_tables", "pae_pgdir_above_4gb"]);
    }
}
