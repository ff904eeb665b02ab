//! x
pub mod native; pub mod random; pub mod state; pub mod windows;
