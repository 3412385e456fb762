//! How bytes are cut into records and fields: what the reader and the decoder both have to know. Pure.
//!
//! [`source`](crate::source) reads a file and asks [`frames`] where its lines, documents and records end, so that a cursor never
//! stands within one. [`decode`](crate::decode) takes such a record and splits it into fields. For some forms both need the same
//! grammar: where a record of CSV ends depends on its quotes, and what its columns are called on a header that came before it ([`csv`]);
//! a document that wraps a list is cut at the members of which the list is one ([`json`]); what a container runtime split is one record
//! again ([`Part`]); and what came over a socket stands behind a header that says when it did, and from whom ([`spool`]). Each of these is
//! written once, here, below both.

pub mod csv;
mod frame;
pub mod json;
mod part;
pub mod spool;

pub use frame::{DOCUMENT_BYTES, Framed, Framing, Open, Skip, frames};
pub use part::{Part, together};
