//! The board and its devices, through their ports, as a guest sees them.

#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "board/bench.rs"]
mod bench;
#[path = "board/hostile.rs"]
mod hostile;
#[path = "board/interrupt_controller.rs"]
mod interrupt_controller;
#[path = "board/interval_timer.rs"]
mod interval_timer;
#[path = "board/real_time_clock.rs"]
mod real_time_clock;
#[path = "board/routing.rs"]
mod routing;
#[path = "board/small_devices.rs"]
mod small_devices;
#[path = "board/uart.rs"]
mod uart;
