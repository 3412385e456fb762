//! Questions and orders from people, over the local socket: wire types, what is answered, server, client.
//!
//! A request is one line of JSON, at most [`crate::model::limits::CONTROL_FRAME_BYTES`] long. The answer is a line for each row, and a
//! last line that says that it was all, or what went wrong. Who may connect, the kernel decides by the socket's mode and
//! group; who it was, it tells us, and every request that changes something is logged with it.

pub mod answer;
pub mod client;
pub mod commands;
pub mod explain;
pub mod history;
pub mod incidents;
pub mod review;
pub mod server;
pub mod wire;
