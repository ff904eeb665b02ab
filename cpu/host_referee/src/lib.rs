//! x
pub mod addressing; pub mod encodings; pub mod operand_choices; pub mod exclusions; pub mod forms; pub mod host_features;
pub mod native; pub mod random; pub mod state; pub mod windows; pub mod cases; pub mod memory_operand; pub mod operand_values; pub mod compare; pub mod report; pub mod undefined;
