//! Hypercall ABIs: what a paravirtual guest says to its hypervisor, one folder per ABI.
//!
//! Each implements [`paravane_core::hypervisor::paravirt::ParavirtAbi`] and works on the machine
//! only through [`paravane_core::hypervisor::paravirt::Services`].

pub mod xen;

pub use xen::Xen;
