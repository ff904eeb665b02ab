//! `multicall`: a list of hypercalls for one way into Xen and back.
//!
//! Source: `xen/common/multicall.c`, `struct multicall_entry` in `xen/include/public/xen.h`.

use paravane_core::accounting::Primitive;
use paravane_core::hypervisor::paravirt::Services;

use super::Xen;
use super::calls;
use super::errors::{Answer, Errno, Refusal};
use super::layout::is_guest_array;
use super::page_updates::WORK;

/// Size of `struct multicall_entry`: number, result, six arguments.
const ENTRY: u64 = 64;
/// Calls that one execution works off.
const AT_ONCE: u64 = 256;

impl Xen {
    /// multicall(list, count).
    pub(super) fn multicall(
        &mut self,
        services: &mut dyn Services,
        [list, count, ..]: [u64; 5],
    ) -> Answer {
        let count = u64::from(count as u32);
        if self.in_multicall {
            return Err(Errno::Invalid.into());
        }
        if !is_guest_array(list, count, ENTRY) {
            return Err(Errno::Fault.into());
        }
        let start = self.work;
        self.in_multicall = true;
        let result = self.list(services, list, count, start);
        self.in_multicall = false;
        result
    }

    fn list(&mut self, services: &mut dyn Services, list: u64, count: u64, start: u64) -> Answer {
        for index in 0..count {
            let at = list.wrapping_add(index * ENTRY);
            let rest = Refusal::Again([at, count - index, 0, 0, 0]);
            if index == AT_ONCE || self.work - start > WORK {
                return Err(rest);
            }
            services.charge(Primitive::BatchEntry, 1);
            let [number, _, a, b, c, d, e, _] = self.read_words::<8>(services, at)?;
            let answer = match u32::try_from(number) {
                Ok(number) if calls::find(number).is_some() => {
                    self.call(services, number, [a, b, c, d, e])
                }
                _ => Err(Errno::NotImplemented.into()),
            };
            let result = match answer {
                Ok(result) => result,
                Err(Refusal::Error(error)) => error.as_result(),
                Err(Refusal::Again(arguments)) => {
                    self.write_words(services, at.wrapping_add(16), &arguments)?;
                    return Err(rest);
                }
            };
            self.write_words(services, at.wrapping_add(8), &[result])?;
            if self.stop.is_some() || self.vcpu.waiting || !self.vcpu.kernel_mode {
                break;
            }
        }
        Ok(0)
    }
}
