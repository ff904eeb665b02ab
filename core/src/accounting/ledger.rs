//! The ledger: what each cause of exits was charged, and what the guest itself used.

use std::collections::BTreeMap;

use paravane_cpu::timing::Counts;

use super::causes::Cause;
use super::costs::Costs;
use super::primitives::{Primitive, Share};

/// How many different guest addresses a row tells apart.
const ADDRESSES_KEPT: usize = 4096;

/// What one cause was charged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Number of exits.
    pub exits: u64,
    primitives: Box<[u64; Primitive::COUNT]>,
    /// Exits by guest address.
    addresses: BTreeMap<u64, u64>,
    /// Exits at addresses beyond those that are told apart.
    elsewhere: u64,
}

impl Default for Row {
    fn default() -> Self {
        Self {
            exits: 0,
            primitives: Box::new([0; Primitive::COUNT]),
            addresses: BTreeMap::new(),
            elsewhere: 0,
        }
    }
}

impl Row {
    /// How often a primitive was charged.
    pub fn count(&self, primitive: Primitive) -> u64 {
        self.primitives[primitive as usize]
    }

    /// The cycles of this row at these prices.
    pub fn cycles(&self, costs: &Costs) -> u64 {
        Share::ALL.iter().map(|share| self.cycles_of(*share, costs)).sum()
    }

    /// The cycles of this row that are one share's.
    pub fn cycles_of(&self, share: Share, costs: &Costs) -> u64 {
        let charged = Primitive::ALL.iter().filter(|primitive| primitive.share() == share);
        charged.map(|p| self.count(*p).saturating_mul(costs.price(*p))).sum()
    }

    /// The guest addresses with the most exits: address and number, most first; of equals the
    /// lower address first.
    pub fn hottest(&self, most: usize) -> Vec<(u64, u64)> {
        let mut all: Vec<_> = self.addresses.iter().map(|(a, n)| (*a, *n)).collect();
        all.sort_by_key(|(address, count)| (std::cmp::Reverse(*count), *address));
        all.truncate(most);
        all
    }

    /// Exits at addresses that [`Row::hottest`] can't tell apart any more.
    pub fn elsewhere(&self) -> u64 {
        self.elsewhere
    }
}

/// All that a run was charged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    rows: BTreeMap<Cause, Row>,
    /// What the guest's kernel did on the CPU by itself.
    pub guest_kernel: Counts,
    /// What the guest's programs did on the CPU by themselves.
    pub guest_user: Counts,
    /// Cycles in which the guest slept.
    pub idle: u64,
}

impl Ledger {
    /// The books of a guest that no hypervisor serves.
    pub fn without_hypervisor(guest_kernel: Counts, guest_user: Counts, idle: u64) -> Self {
        Self { rows: BTreeMap::new(), guest_kernel, guest_user, idle }
    }

    /// What the guest used, to be put back after work that is not to count.
    pub(crate) fn guest_counts(&self) -> [Counts; 2] {
        [self.guest_kernel, self.guest_user]
    }

    /// Puts back what [`Ledger::guest_counts`] gave.
    pub(crate) fn set_guest_counts(&mut self, [kernel, user]: [Counts; 2]) {
        (self.guest_kernel, self.guest_user) = (kernel, user);
    }

    /// Notes an exit, at a guest address.
    pub fn exit(&mut self, cause: Cause, address: u64) {
        let row = self.rows.entry(cause).or_default();
        row.exits += 1;
        if row.addresses.len() < ADDRESSES_KEPT || row.addresses.contains_key(&address) {
            *row.addresses.entry(address).or_default() += 1;
        } else {
            row.elsewhere += 1;
        }
    }

    /// Charges a primitive to a cause.
    pub fn charge(&mut self, cause: Cause, primitive: Primitive, times: u64) {
        self.rows.entry(cause).or_default().primitives[primitive as usize] += times;
    }

    /// All causes in a fixed order.
    pub fn rows(&self) -> impl Iterator<Item = (&Cause, &Row)> {
        self.rows.iter()
    }

    /// The row of a cause.
    pub fn row(&self, cause: Cause) -> Option<&Row> {
        self.rows.get(&cause)
    }

    /// Number of exits of all causes.
    pub fn exits(&self) -> u64 {
        self.rows.values().map(|row| row.exits).sum()
    }

    /// The cycles of one share at these prices.
    pub fn cycles_of(&self, share: Share, costs: &Costs) -> u64 {
        match share {
            Share::GuestUser => self.guest_user.cycles(costs.timing()),
            Share::GuestKernel => self.guest_kernel.cycles(costs.timing()),
            Share::Idle => self.idle,
            _ => self.rows.values().map(|row| row.cycles_of(share, costs)).sum(),
        }
    }

    /// All cycles at these prices: the guest time of the run that was charged with them.
    pub fn cycles(&self, costs: &Costs) -> u64 {
        Share::ALL.iter().map(|share| self.cycles_of(*share, costs)).sum()
    }
}
