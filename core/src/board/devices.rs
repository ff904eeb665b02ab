//! The list of the board's devices. To add one, write its file, and add its `mod` line and its
//! line in the list: the board then routes its ports, memory, interrupt and events, and panels
//! show it.

mod debug_console;
mod debug_exit;
mod interrupt_controller;
mod interval_timer;
mod keyboard_controller;
mod pci_configuration;
mod post_code;
mod power_management;
mod real_time_clock;
mod system_control;
mod uart;

pub(super) use interrupt_controller::CASCADE_LINE;

use super::device::Device;
use debug_console::DebugConsole;
use debug_exit::DebugExit;
use interrupt_controller::{InterruptController, Role};
use interval_timer::IntervalTimer;
use keyboard_controller::KeyboardController;
use pci_configuration::PciConfiguration;
use post_code::PostCode;
use power_management::PowerManagement;
use real_time_clock::RealTimeClock;
use system_control::{SystemControlA, SystemControlB};
use uart::Uart;

/// Declares [`Devices`] from lines of the form `name: Type = how a new board makes it`.
macro_rules! devices {
    ($memory_size:ident: $($(#[$doc:meta])* $name:ident: $chip:ty = $new:expr,)*) => {
        /// Every device of the board, by name.
        #[derive(Clone, Debug)]
        pub struct Devices {
            $($(#[$doc])* pub $name: $chip,)*
        }

        impl Devices {
            /// How many there are.
            pub const COUNT: usize = [$(stringify!($name)),*].len();

            /// The devices of a board with this many bytes of RAM.
            pub fn new($memory_size: u64) -> Self {
                Self { $($name: $new,)* }
            }

            /// Every device, in the order of the list.
            pub fn each(&self) -> [&dyn Device; Self::COUNT] {
                [$(&self.$name),*]
            }

            /// Every device, in the order of the list.
            pub fn each_mut(&mut self) -> [&mut dyn Device; Self::COUNT] {
                [$(&mut self.$name),*]
            }
        }
    };
}

devices! { memory_size:
    /// Lines 0 to 7, to the CPU's INTR pin.
    master: InterruptController = InterruptController::new(Role::Master),
    /// Lines 8 to 15, to line 2 of the master.
    slave: InterruptController = InterruptController::new(Role::Slave),
    /// Ports 0x40 to 0x43, line 0.
    interval_timer: IntervalTimer = IntervalTimer::new(0),
    /// Ports 0x60 and 0x64, line 1.
    keyboard_controller: KeyboardController = KeyboardController::new(),
    /// Port 0x61: the gate of the timer's counter 2.
    system_control_b: SystemControlB = SystemControlB::new(),
    /// Ports 0x70 and 0x71, line 8.
    real_time_clock: RealTimeClock = RealTimeClock::new(memory_size),
    /// Port 0x80.
    post_code: PostCode = PostCode::new(),
    /// Port 0x92.
    system_control_a: SystemControlA = SystemControlA::new(),
    /// Port 0xE9.
    debug_console: DebugConsole = DebugConsole::new(),
    /// Port 0xF4.
    debug_exit: DebugExit = DebugExit::new(),
    /// Ports 0x3F8 to 0x3FF, line 4: the console.
    uart: Uart = Uart::new(),
    /// Ports 0x604 and 0xB004.
    power_management: PowerManagement = PowerManagement::new(),
    /// Ports 0xCF8 to 0xCFF.
    pci_configuration: PciConfiguration = PciConfiguration::new(),
}
